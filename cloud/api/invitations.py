"""/api/invitations: asking somebody in."""

import msgspec
from msgspec import Struct

from cloud.accounts import Accounts, Role
from cloud.api.collection import Page, listing_of
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Email, Id, Line, ListQuery
from cloud.storage.links import INVITATIONS, Link
from cloud.storage.secrets import Secret


class InvitationIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    email: Email
    role: Role
    name: Line = ""


class InvitationOut(Struct, frozen=True, kw_only=True):
    id: str
    email: str
    name: str
    role: Role
    created_at: str
    created_by: str | None
    expires_at: str
    used_at: str | None
    revoked_at: str | None


class InvitationMade(InvitationOut, frozen=True, kw_only=True):
    link: str | None
    """Told only where no mail leaves this installation: pass it on yourself. It lets its reader in, once."""


class InvitationsQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    role: Role | None = None


class InvitationsApi:
    """Endpoints about invitations."""

    def __init__(self, accounts: Accounts) -> None:
        self._links = accounts.links

    def endpoints(self) -> list[Endpoint]:
        one = "/api/invitations/{id}"
        return [
            Endpoint("GET", "/api/invitations/", self.list, role="owner", sorts=INVITATIONS.sorts),
            Endpoint("POST", "/api/invitations/", self.create, role="owner", area="person", status=201),
            Endpoint("DELETE", one, self.revoke, role="owner"),
            Endpoint("POST", f"{one}/resend", self.resend, role="owner"),
        ]

    async def list(self, call: Call, query: InvitationsQuery) -> Page[InvitationOut]:
        """Invitations, the newest first; also those that were used, taken back, or have expired."""
        listing = listing_of(query, INVITATIONS.sorts)
        listing = msgspec.structs.replace(listing, filters={**listing.filters, "purpose": "invitation"})
        rows, total = await call.store.read(lambda tx: INVITATIONS.page(tx, listing))
        names = InvitationOut.__struct_fields__
        return Page([msgspec.convert({name: row[name] for name in names}, InvitationOut) for row in rows], total)

    async def create(self, call: Call, body: InvitationIn) -> InvitationMade:
        """Invite somebody by mail."""
        call.once = False
        made = await self._links.invite(call.store, call.principal, email=body.email, role=body.role, name=body.name)
        return _made(*made)

    async def revoke(self, call: Call, link_id: Id) -> None:
        """Take an invitation back."""
        await self._links.take_back(call.store, link_id)

    async def resend(self, call: Call, link_id: Id) -> InvitationMade:
        """Send it again, with a new link; the old one is dead."""
        return _made(*await self._links.invite_again(call.store, call.principal, link_id))


def _made(link: Link, address: Secret | None) -> InvitationMade:
    values = {name: getattr(link, name) for name in InvitationOut.__struct_fields__}
    return msgspec.convert({**values, "link": address.reveal() if address else None}, InvitationMade)
