"""Ways in: password, set-up link, demo owner; and the parts of the accounts put together."""

import asyncio
from typing import Final

import structlog

from cloud.accounts.api_keys import ApiKeys
from cloud.accounts.errors import BadCredentialsError, BadLinkError, TooManyAttemptsError
from cloud.accounts.links import Links
from cloud.accounts.mails import Postman
from cloud.accounts.opaque import hashed, new_token
from cloud.accounts.pairing import Pairings
from cloud.accounts.passwords import Passwords
from cloud.accounts.people import People
from cloud.accounts.principal import Principal
from cloud.accounts.sessions import Lifetimes, Login, Origin, Sessions
from cloud.accounts.throttle import Throttle
from cloud.accounts.two_factor import TwoFactor
from cloud.bus import Bus
from cloud.errors import DomainError
from cloud.storage import accounts as queries
from cloud.storage import audit, clock
from cloud.storage import links as link_queries
from cloud.storage.secrets import KeyRing, Secret, Vault
from cloud.storage.store import Store, Tx
from cloud.storage.tenant import TenantStore, TenantTx

log = structlog.get_logger(__name__)

SETUP_LINK_HOURS: Final = 24


class Accounts:
    """The service. `start` after the migrations, `close` at the end."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        ring: KeyRing,
        postman: Postman,
        vault: Vault,
        *,
        lifetimes: Lifetimes,
        address: str,
        signup: bool = False,
        passwords: Passwords | None = None,
    ) -> None:
        self._store = store
        self._passwords = passwords or Passwords()
        self._by_account = Throttle(free=5)
        self._by_address = Throttle(free=20)
        self.sessions = Sessions(store, bus, ring, lifetimes)
        self.keys = ApiKeys(store, bus)
        self._bad_keys = Throttle(free=50)
        self.people = People(self.sessions, self.keys, self._passwords)
        self.second = TwoFactor(vault, self.sessions, self._passwords)
        self.pairings = Pairings(store, postman)
        self.links = Links(store, self.sessions, self._passwords, postman, address=address, signup=signup)

    async def start(self) -> None:
        await self.sessions.start()
        await self.keys.start()
        await self._store.write(link_queries.forget_old)
        await self.pairings.forget_old()

    async def close(self) -> None:
        self.sessions.close()
        await self.keys.close()
        await asyncio.to_thread(self._passwords.close)

    # ---- the first owner

    async def new_setup_link(self) -> Secret | None:
        """A token that makes its bearer the owner, once, within a day. None when there are users already."""
        token = new_token()

        async def unit(tx: Tx) -> bool:
            if await queries.any_user(tx):
                return False
            expires_at = clock.after(SETUP_LINK_HOURS * 3600)
            await queries.replace_setup_link(tx, token_hash=hashed(token), expires_at=expires_at)
            return True

        return Secret(token) if await self._store.write(unit) else None

    async def setup(self, token: Secret, *, email: str, password: Secret, name: str, origin: Origin) -> Login:
        """Use a set-up link: create the tenant and its owner, and log the owner in.

        Raises BadLinkError, WeakPasswordError, BusyError.
        """
        password_hash = await self._passwords.hash(password)

        async def unit(tx: Tx) -> queries.User:
            if await queries.any_user(tx) or not await queries.use_setup_link(tx, hashed(token.reveal())):
                raise BadLinkError("the set-up link is not valid")
            return await _create_owner(tx, email=email, password_hash=password_hash, name=name)

        user = await self._store.write(unit)
        log.info("owner created by set-up link", user=user.id, tenant=user.tenant_id)
        return await self.sessions.open(user, origin)

    async def ensure_owner(self, email: str, password: Secret) -> bool:
        """Create an owner with this password unless there is any user; true when created."""
        password_hash = await self._passwords.hash(password)

        async def unit(tx: Tx) -> bool:
            if await queries.any_user(tx):
                return False
            await _create_owner(tx, email=email, password_hash=password_hash, name="Owner")
            return True

        return await self._store.write(unit)

    # ---- logging in and out

    async def login(self, email: str, password: Secret, *, origin: Origin, code: Secret | None = None) -> Login:
        """Raises BadCredentialsError, alike for every cause; TooManyAttemptsError, BusyError.

        DomainErrors: code_required when the password is right and a second step is due, bad_code.
        """
        account = email.strip().lower()
        self.attempt(origin.address, account)
        found = await self._store.read(lambda tx: queries.credentials(tx, account))
        if not await self._passwords.matches(password, (found[1] or None) if found else None) or found is None:
            log.info("login refused", address=origin.address)
            if found is not None:
                await self._note_failure(found[0], origin)
            raise BadCredentialsError("wrong e-mail address or password")
        user, password_hash = found
        if user.totp_confirmed_at is not None:
            await self._second_step(user, code, origin)
        self.succeeded(origin.address, account)
        if self._passwords.outdated(password_hash):
            await self._rehash(user, password)
        return await self.sessions.open(user, origin)

    async def reset_password(
        self, token: Secret, password: Secret, *, origin: Origin, code: Secret | None = None
    ) -> Login:
        """With the link from the mail. As `login` it asks for the second step of whoever has one.

        DomainErrors: link_…, code_required, bad_code. Raises WeakPasswordError, TooManyAttemptsError, BusyError.
        """

        async def second_step(user: queries.User) -> None:
            if user.totp_confirmed_at is None:
                return
            wait = self._by_account.wait(user.email)
            if wait > 0:
                raise TooManyAttemptsError(wait)
            self._by_account.attempt(user.email)
            await self._second_step(user, code, origin)
            self._by_account.succeeded(user.email)

        return await self.links.reset(token, password, origin, second_step)

    async def _second_step(self, user: queries.User, code: Secret | None, origin: Origin) -> None:
        """The account counts as tried until the code is right: codes are guessed no faster than passwords.

        The address does not, when only the password was asked for: many people log in from behind one.
        """
        if code is None:
            self._by_address.excuse(origin.address)
            sentence = "Enter the code of your authenticator app, or a recovery code."
            raise DomainError("code_required", 401, sentence, methods=["totp", "recovery"])
        if not await self.second.passes(TenantStore(self._store, user.tenant_id), user, code, origin):
            await self._note_failure(user, origin)
            raise DomainError("bad_code", 401, "The code is wrong, or was used already. Wait for the next one.")

    async def by_key(self, key: Secret, address: str) -> Principal | None:
        """Whom an API key speaks for. Raises TooManyAttemptsError for a bad one, after many from this address.

        A good key is never held up: behind one address there may be many programs, and one that is misconfigured.
        """
        principal = await self.keys.authenticate(key, address)
        if principal is None:
            wait = self._bad_keys.wait(address)
            if wait > 0:
                raise TooManyAttemptsError(wait)
            self._bad_keys.attempt(address)
        return principal

    async def logout(self, tenant: TenantStore, principal: Principal) -> None:
        """End the session everywhere: tokens die, sockets close."""
        await tenant.write(lambda tx: self.sessions.revoke(tx, principal.session_id, reason="logged out"))

    # ---- guessing

    def attempt(self, address: str, account: str | None = None) -> None:
        """A credential is about to be tried. Counts as failed until `succeeded`. Raises TooManyAttemptsError."""
        wait = self._by_address.wait(address)
        if account is not None:
            wait = max(wait, self._by_account.wait(account))
        if wait > 0:
            raise TooManyAttemptsError(wait)
        self._by_address.attempt(address)
        if account is not None:
            self._by_account.attempt(account)

    def succeeded(self, address: str, account: str | None = None) -> None:
        """It was genuine."""
        self._by_address.excuse(address)
        if account is not None:
            self._by_account.succeeded(account)

    # ---- inside

    async def _note_failure(self, user: queries.User, origin: Origin) -> None:
        entry = origin.entry(user, "auth_login_failed")
        await self._store.write(lambda tx: audit.record(TenantTx(tx, user.tenant_id), entry))

    async def _rehash(self, user: queries.User, password: Secret) -> None:
        password_hash = await self._passwords.hash(password)
        await self._store.write(
            lambda tx: queries.set_password_hash(TenantTx(tx, user.tenant_id), user.id, password_hash)
        )


async def _create_owner(tx: Tx, *, email: str, password_hash: str, name: str) -> queries.User:
    tenant_id = await queries.create_tenant(tx, "My farm")
    return await queries.create_user(
        TenantTx(tx, tenant_id), email=email, name=name, password_hash=password_hash, role="owner"
    )
