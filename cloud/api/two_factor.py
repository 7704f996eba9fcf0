"""/api/two-factor: the second step of one's own logins."""

from msgspec import Struct

from cloud.accounts import Accounts
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Id
from cloud.storage.secrets import Secret


class TwoFactorOut(Struct, frozen=True, kw_only=True):
    enabled: bool
    recovery_codes_left: int


class SetupIn(Struct, frozen=True, forbid_unknown_fields=True):
    current_password: Secret


class SetupOut(Struct, frozen=True, kw_only=True):
    """For the authenticator app. It counts once a code of it is confirmed."""

    secret: str
    otpauth_uri: str
    qr_svg: str


class CodeIn(Struct, frozen=True, forbid_unknown_fields=True):
    code: Secret
    """Six digits from the app, or a recovery code."""


class DisableIn(Struct, frozen=True, forbid_unknown_fields=True):
    password: Secret
    code: Secret


class RecoveryCodes(Struct, frozen=True):
    recovery_codes: list[str]
    """Each opens the account once, without the phone. Shown this once."""


class TwoFactorApi:
    """Endpoints about the second step."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._second = accounts.second

    def endpoints(self) -> list[Endpoint]:
        path = "/api/two-factor/"
        return [
            Endpoint("GET", path, self.get),
            Endpoint("POST", f"{path}setup", self.setup, role="viewer", errors=(409, 429)),
            Endpoint("POST", f"{path}confirm", self.confirm, role="viewer", errors=(409, 429)),
            Endpoint("POST", f"{path}recovery-codes", self.renew, role="viewer", errors=(409, 429)),
            Endpoint("POST", f"{path}disable", self.disable, role="viewer", errors=(409, 429)),
            Endpoint("POST", "/api/users/{id}/two-factor/reset", self.reset, role="owner"),
        ]

    async def get(self, call: Call) -> TwoFactorOut:
        """Whether one's logins take a code."""
        on, left = await self._second.state(call.store, call.principal.user_id)
        return TwoFactorOut(enabled=on, recovery_codes_left=left)

    async def setup(self, call: Call, body: SetupIn) -> SetupOut:
        """Begin: a secret for the authenticator app."""
        self._attempt(call)
        made = await self._second.set_up(call.store, call.principal, body.current_password)
        self._succeeded(call)
        return SetupOut(secret=made.secret.reveal(), otpauth_uri=made.uri.reveal(), qr_svg=made.qr_svg.reveal())

    async def confirm(self, call: Call, body: CodeIn) -> RecoveryCodes:
        """Switch it on with a first code from the app."""
        self._attempt(call)
        codes = await self._second.confirm(call.store, call.principal, body.code)
        self._succeeded(call)
        return RecoveryCodes([code.reveal() for code in codes])

    async def renew(self, call: Call, body: CodeIn) -> RecoveryCodes:
        """Other recovery codes; the old ones are dead."""
        self._attempt(call)
        codes = await self._second.renew_codes(call.store, call.principal, body.code)
        self._succeeded(call)
        return RecoveryCodes([code.reveal() for code in codes])

    async def disable(self, call: Call, body: DisableIn) -> None:
        """Switch it off."""
        self._attempt(call)
        await self._second.disable(call.store, call.principal, body.password, body.code)
        self._succeeded(call)

    async def reset(self, call: Call, user_id: Id) -> None:
        """Switch it off for somebody who has lost his phone. His logins end."""
        await self._second.reset(call.store, user_id)

    def _attempt(self, call: Call) -> None:
        self._accounts.attempt(call.address, call.principal.user_id)

    def _succeeded(self, call: Call) -> None:
        self._accounts.succeeded(call.address, call.principal.user_id)
