"""The second step of a login: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for a lost phone."""

import hashlib
import io
import re
import time
from collections.abc import Callable
from typing import Final

import msgspec
import pyotp
import segno

from cloud.accounts.passwords import Passwords
from cloud.accounts.principal import Principal
from cloud.accounts.sessions import Origin, Sessions
from cloud.errors import DomainError, conflict
from cloud.storage import accounts as people
from cloud.storage import audit, ids
from cloud.storage import two_factor as queries
from cloud.storage.accounts import User
from cloud.storage.secrets import Secret, Vault
from cloud.storage.tenant import TenantStore, TenantTx

ISSUER: Final = "PrintFarm"
STEP_SECONDS: Final = 30
DRIFT: Final = 1
"""Steps a phone's clock may be wrong by, either way."""
CODES: Final = 10
_TOTP: Final = re.compile(r"\d{6}")


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What an authenticator app needs; shown while it is being set up, to its owner."""

    secret: Secret
    uri: Secret
    qr_svg: Secret


class TwoFactor:
    """Of all tenants; each call works in one."""

    def __init__(
        self, vault: Vault, sessions: Sessions, passwords: Passwords, now: Callable[[], float] = time.time
    ) -> None:
        self._vault = vault
        self._sessions = sessions
        self._passwords = passwords
        self._now = now

    async def state(self, tenant: TenantStore, user_id: str) -> tuple[bool, int]:
        """Whether it is on, and how many recovery codes are left."""

        async def unit(tx: TenantTx) -> tuple[bool, int]:
            on = (await queries.read(tx, user_id)).totp_confirmed_at is not None
            return on, await queries.codes_left(tx, user_id)

        return await tenant.read(unit)

    async def set_up(self, tenant: TenantStore, principal: Principal, password: Secret) -> Setup:
        """A new secret, which counts once it is confirmed. DomainErrors: wrong_password, already_on."""
        await self._check_password(tenant, principal, password)
        secret = Secret(pyotp.random_base32())

        async def unit(tx: TenantTx) -> None:
            if (await queries.read(tx, principal.user_id)).totp_confirmed_at is not None:
                raise conflict("already_on", "Two-factor is on: switch it off first, to set up another phone.")
            sealed = self._vault.seal(secret, **_place(tx.tenant_id, principal.user_id))
            await queries.begin(tx, principal.user_id, sealed)

        await tenant.write(unit)
        uri = pyotp.TOTP(secret.reveal()).provisioning_uri(name=principal.email, issuer_name=ISSUER)
        picture = io.BytesIO()
        segno.make(uri, error="m").save(picture, kind="svg", scale=4, border=2, xmldecl=False, svgns=True)
        return Setup(secret=secret, uri=Secret(uri), qr_svg=Secret(picture.getvalue().decode()))

    async def confirm(self, tenant: TenantStore, principal: Principal, code: Secret) -> list[Secret]:
        """Switch it on with the first code; the recovery codes, shown this once. DomainErrors: not_set_up, bad_code."""

        async def unit(tx: TenantTx) -> list[Secret]:
            step = await queries.read(tx, principal.user_id)
            if step.totp_secret_enc is None or step.totp_confirmed_at is not None:
                raise conflict("not_set_up", "Begin by setting it up.")
            if not await self._totp(tx, principal.user_id, step.totp_secret_enc, code):
                raise _bad_code()
            await queries.confirm(tx, principal.user_id)
            return await self._new_codes(tx, principal.user_id)

        return await tenant.write(unit)

    async def renew_codes(self, tenant: TenantStore, principal: Principal, code: Secret) -> list[Secret]:
        """Other recovery codes; the old ones are dead. DomainErrors: is_off, bad_code."""

        async def unit(tx: TenantTx) -> list[Secret]:
            await self._require(tx, principal.user_id, code)
            return await self._new_codes(tx, principal.user_id)

        return await tenant.write(unit)

    async def disable(self, tenant: TenantStore, principal: Principal, password: Secret, code: Secret) -> None:
        """DomainErrors: wrong_password, is_off, bad_code."""
        await self._check_password(tenant, principal, password)

        async def unit(tx: TenantTx) -> None:
            await self._require(tx, principal.user_id, code)
            await queries.remove(tx, principal.user_id)

        await tenant.write(unit)

    async def reset(self, tenant: TenantStore, user_id: str) -> None:
        """An owner helps somebody who has lost his phone; that person's logins end. DomainError: not_found."""

        async def unit(tx: TenantTx) -> None:
            if await people.get(tx, user_id) is None:
                raise DomainError("not_found", 404, "There is no such person.")
            await queries.remove(tx, user_id)
            await self._sessions.revoke_all(tx, user_id, reason="two-factor reset")

        await tenant.write(unit)

    async def passes(self, tenant: TenantStore, user: User, code: Secret, origin: Origin) -> bool:
        """Whether a login goes on with this code. A code that was used counts no more."""

        async def unit(tx: TenantTx) -> bool:
            before = await queries.codes_left(tx, user.id)
            accepted = await self._accepts(tx, user.id, code)
            if (left := await queries.codes_left(tx, user.id)) < before:
                # Worth a line of its own: somebody is without his phone, or has found somebody's sheet of paper.
                await audit.record(tx, origin.entry(user, "auth_recovery_code_used", left=left))
            return accepted

        return await tenant.write(unit)

    # ---- inside

    async def _require(self, tx: TenantTx, user_id: str, code: Secret) -> None:
        if (await queries.read(tx, user_id)).totp_confirmed_at is None:
            raise conflict("is_off", "Two-factor is off.")
        if not await self._accepts(tx, user_id, code):
            raise _bad_code()

    async def _accepts(self, tx: TenantTx, user_id: str, code: Secret) -> bool:
        step = await queries.read(tx, user_id)
        if step.totp_secret_enc is not None and await self._totp(tx, user_id, step.totp_secret_enc, code):
            return True
        return await queries.use_code(tx, user_id, _hashed(code))

    async def _totp(self, tx: TenantTx, user_id: str, sealed: str, code: Secret) -> bool:
        digits = code.reveal().replace(" ", "")
        if not _TOTP.fullmatch(digits):
            return False
        totp = pyotp.TOTP(self._vault.open(sealed, **_place(tx.tenant_id, user_id)).reveal())
        current = int(self._now() // STEP_SECONDS)
        for step in range(current - DRIFT, current + DRIFT + 1):
            if pyotp.utils.strings_equal(digits, totp.at(step * STEP_SECONDS)):
                return await queries.use_step(tx, user_id, step)
        return False

    async def _new_codes(self, tx: TenantTx, user_id: str) -> list[Secret]:
        codes = [Secret("-".join(_pieces(ids.random_text(8)[:12]))) for _ in range(CODES)]
        await queries.replace_codes(tx, user_id, [_hashed(code) for code in codes])
        return codes

    async def _check_password(self, tenant: TenantStore, principal: Principal, password: Secret) -> None:
        known = await tenant.read(lambda tx: people.password_hash(tx, principal.user_id))
        if not await self._passwords.matches(password, known or None):
            raise DomainError("wrong_password", 422, "The password is wrong.")


def _place(tenant_id: str, user_id: str) -> dict[str, str]:
    return {"tenant": tenant_id, "table": "users", "row": user_id, "column": "totp_secret_enc"}


def _pieces(text: str) -> list[str]:
    return [text[start : start + 4] for start in range(0, len(text), 4)]


def _hashed(code: Secret) -> str:
    """60 random bits: a slow hash buys little against whoever has the database, and the throttle stops others."""
    plain = re.sub(r"[^a-z0-9]", "", code.reveal().lower())
    return hashlib.sha256(plain.encode()).hexdigest()


def _bad_code() -> DomainError:
    return DomainError("bad_code", 422, "The code is wrong, or was used already. Wait for the next one.")
