"""One-time links: invitations, forgotten passwords, signing up. Each is good once, and for a while."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from cloud.accounts import mails
from cloud.accounts.mails import Mail, Postman
from cloud.accounts.opaque import hashed, new_token
from cloud.accounts.passwords import Passwords
from cloud.accounts.principal import Principal, Role
from cloud.accounts.sessions import Login, Origin, Sessions
from cloud.errors import DomainError, not_found
from cloud.storage import accounts as people
from cloud.storage import audit, clock
from cloud.storage import links as queries
from cloud.storage.accounts import User
from cloud.storage.links import Link
from cloud.storage.secrets import Secret
from cloud.storage.store import Store, Tx
from cloud.storage.tenant import TenantStore, TenantTx

log = structlog.get_logger(__name__)

INVITATION_DAYS: Final = 7
RESET_SECONDS: Final = 3600
SIGNUP_SECONDS: Final = 24 * 3600


class Links:
    """Of all tenants."""

    def __init__(
        self, store: Store, sessions: Sessions, passwords: Passwords, postman: Postman, *, address: str, signup: bool
    ) -> None:
        """`address` is where people find the dashboard."""
        self._store = store
        self._sessions = sessions
        self._passwords = passwords
        self._postman = postman
        self._address = address
        self.signup_open = signup

    # ---- invitations

    async def invite(
        self, tenant: TenantStore, by: Principal, *, email: str, role: Role, name: str
    ) -> tuple[Link, Secret | None]:
        """The invitation; and its address when no mail leaves, for whoever invites to pass on.

        DomainErrors: known_address, invited_already.
        """
        token = new_token()

        async def unit(tx: TenantTx) -> tuple[Link, str]:
            await _refuse_known(tx, email)
            if await queries.open_invitation(tx, email) is not None:
                raise DomainError("invited_already", 409, "This address is invited already: send that one again.")
            link = queries.new(
                purpose="invitation", email=email, seconds=INVITATION_DAYS * 86400, tenant_id=tx.tenant_id,
                name=name, role=role, created_by=by.user_id,
            )  # fmt: skip
            await queries.create(tx, link, hashed(token))
            return link, (await people.tenant(tx))[0]

        link, farm = await tenant.write(unit)
        return link, self._told(link, farm, by, token)

    async def invite_again(self, tenant: TenantStore, by: Principal, link_id: str) -> tuple[Link, Secret | None]:
        """With another token: the old one is dead. DomainError: not_found."""
        token = new_token()

        async def unit(tx: TenantTx) -> tuple[Link, str]:
            renewed = await queries.renew(tx, link_id, token_hash=hashed(token), seconds=INVITATION_DAYS * 86400)
            if renewed is None:
                raise not_found("open invitation")
            return renewed, (await people.tenant(tx))[0]

        link, farm = await tenant.write(unit)
        return link, self._told(link, farm, by, token)

    async def take_back(self, tenant: TenantStore, link_id: str) -> None:
        """DomainError: not_found."""

        async def unit(tx: TenantTx) -> None:
            if not await queries.revoke(tx, purpose="invitation", link_id=link_id, tenant_id=tx.tenant_id):
                raise not_found("open invitation")

        await tenant.write(unit)

    async def look_at(self, token: Secret) -> tuple[Link, str]:
        """The invitation or the sign-up behind a token, and the farm's name. DomainErrors: link_…"""

        async def unit(tx: Tx) -> tuple[Link, str]:
            link = await _usable(tx, token, "invitation", "signup")
            return link, (await people.tenant_name(tx, link.tenant_id) or "") if link.tenant_id else link.name

        return await self._store.read(unit)

    async def accept(self, token: Secret, *, name: str, password: Secret, origin: Origin) -> Login:
        """Become a member of the farm, or the owner of a new one, and log in. DomainErrors: link_…, known_address."""
        password_hash = await self._passwords.hash(password)

        async def unit(tx: Tx) -> User:
            link = await _usable(tx, token, "invitation", "signup")
            await _refuse_known(tx, link.email)
            if not await queries.use(tx, link.id):
                raise _refusal("link_used")
            tenant_id = link.tenant_id or await people.create_tenant(tx, link.name)
            scoped = TenantTx(tx, tenant_id)
            user = await people.create_user(
                scoped, email=link.email, name=name, password_hash=password_hash, role=link.role or "owner"
            )
            await audit.record(scoped, origin.entry(user, f"auth_accept_{link.purpose}"))
            return user

        return await self._sessions.open(await self._store.write(unit), origin)

    # ---- forgotten passwords

    def forgot(self, email: str, origin: Origin) -> None:
        """Send a link, if there is such a person. Who asks cannot tell: nothing of it happens while he waits."""

        async def work() -> Mail | None:
            token = new_token()

            async def unit(tx: Tx) -> User | None:
                user = await people.by_email(tx, email)
                if user is None or not user.is_active:
                    return None
                await queries.revoke(tx, purpose="password", user_id=user.id)
                link = queries.new(
                    purpose="password", email=email, seconds=RESET_SECONDS, tenant_id=user.tenant_id, user_id=user.id
                )
                await queries.create(tx, link, hashed(token))
                await audit.record(TenantTx(tx, user.tenant_id), origin.entry(user, "auth_forgot"))
                return user

            if await self._store.write(unit) is None:
                return None
            url = self._url("reset", token)
            self._log_unless_mailed("somebody forgot the password: this link sets a new one", email, url)
            return mails.reset(email, url)

        self._postman.later(work)

    async def reset(
        self, token: Secret, password: Secret, origin: Origin, second_step: Callable[[User], Awaitable[None]]
    ) -> Login:
        """Set a new password; every session of the person ends, and a new one begins.

        `second_step` raises unless the person passes it: the link stays good until then, for who reads somebody's mail
        has not got his phone. DomainErrors: link_…
        """
        password_hash = await self._passwords.hash(password)
        _, user = await self._store.read(lambda tx: _whose(tx, token))
        await second_step(user)

        async def unit(tx: Tx) -> User:
            link, user = await _whose(tx, token)
            if not await queries.use(tx, link.id):
                raise _refusal("link_used")
            scoped = TenantTx(tx, user.tenant_id)
            await people.set_password_hash(scoped, user.id, password_hash)
            await self._sessions.revoke_all(scoped, user.id, reason="password reset")
            await audit.record(scoped, origin.entry(user, "auth_reset"))
            return user

        return await self._sessions.open(await self._store.write(unit), origin)

    # ---- signing up

    def sign_up(self, email: str, farm: str) -> None:
        """Send a link that makes a farm. DomainError: signup_closed."""
        if not self.signup_open:
            raise DomainError(
                "signup_closed", 403, "Nobody can sign up here by himself. Ask a farm's owner to invite you."
            )

        async def work() -> Mail | None:
            if await self._store.read(lambda tx: people.by_email(tx, email)) is not None:
                return mails.known_already(email, self._address)
            url = (await new_farm_link(self._store, farm, email, self._address)).reveal()
            self._log_unless_mailed("somebody signs up: this link makes his farm", email, url)
            return mails.signup(email, farm, url)

        self._postman.later(work)

    # ---- inside

    def _told(self, link: Link, farm: str, by: Principal, token: str) -> Secret | None:
        """Mail the invitation; its address when no mail leaves."""
        url = self._url("invite", token)
        if not self._postman.works:
            return Secret(url)
        mail = mails.invitation(link.email, farm, by.name or by.email, url, INVITATION_DAYS)

        async def work() -> Mail:
            return mail

        self._postman.later(work)
        return None

    def _url(self, page: str, token: str) -> str:
        """The token stands behind the `#`, so that no proxy and no access log sees it when it is used."""
        return f"{self._address}/{page}#{token}"

    def _log_unless_mailed(self, event: str, email: str, url: str) -> None:
        """Without a mail server the log is the only way out, as for the first owner's link."""
        if not self._postman.works:
            log.warning(event, email=email, url=url)


async def new_farm_link(store: Store, farm: str, email: str, address: str) -> Secret:
    """An address whose first visitor becomes the owner of a new farm."""
    token = new_token()
    link = queries.new(purpose="signup", email=email, seconds=SIGNUP_SECONDS, name=farm)
    await store.write(lambda tx: queries.create(tx, link, hashed(token)))
    return Secret(f"{address}/invite#{token}")


async def owner_link(store: Store, tenant_id: str, email: str, address: str) -> Secret:
    """An address whose first visitor becomes an owner of this farm: for a farm that was made without anybody."""
    token = new_token()
    link = queries.new(
        purpose="invitation", email=email, seconds=INVITATION_DAYS * 86400, tenant_id=tenant_id, role="owner"
    )
    await store.write(lambda tx: queries.create(tx, link, hashed(token)))
    return Secret(f"{address}/invite#{token}")


async def _usable(tx: Tx, token: Secret, *purposes: str) -> Link:
    for purpose in purposes:
        link = await queries.by_token(tx, hashed(token.reveal()), purpose)
        if link is None:
            continue
        if link.used_at is not None:
            raise _refusal("link_used")
        if link.revoked_at is not None:
            raise _refusal("link_revoked")
        if link.expires_at <= clock.now():
            raise _refusal("link_expired")
        return link
    raise _refusal("link_unknown")


async def _whose(tx: Tx, token: Secret) -> tuple[Link, User]:
    """The link that sets a password, and of whom."""
    link = await _usable(tx, token, "password")
    user = await people.get(TenantTx(tx, link.tenant_id or ""), link.user_id or "")
    if user is None or not user.is_active:
        raise _refusal("link_used")
    return link, user


_SENTENCES: Final = {
    "link_used": "This link was used already. Log in, or ask for another one.",
    "link_revoked": "This link was taken back. Ask for another one.",
    "link_expired": "This link has expired. Ask for another one.",
    "link_unknown": "This link is not valid. Was it copied whole?",
}


def _refusal(code: str) -> DomainError:
    return DomainError(code, 403, _SENTENCES[code])


async def _refuse_known(tx: Tx, email: str) -> None:
    if await people.by_email(tx, email) is not None:
        raise DomainError("known_address", 409, "There is somebody with this e-mail address already.")
