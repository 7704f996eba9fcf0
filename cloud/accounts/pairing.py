"""How a device becomes a farm's hub: leave to claim it, carried to it by somebody who holds its label, and the claim.

A person asks for leave (a token, good once, for minutes, for one device); the page carries it to the device over the
air or a wire; the device shows it here, with the proof that it is the device. It gets a key of its own, random for
each claim. A device belongs to one farm: to another it goes when its owner releases it, or when somebody held its
button until it forgot everything, which its count of resets tells.
"""

import functools
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from cloud.accounts import hub_keys, mails
from cloud.accounts.errors import TooManyAttemptsError
from cloud.accounts.mails import Mail, Postman
from cloud.accounts.opaque import hashed, new_token
from cloud.accounts.throttle import Throttle
from cloud.errors import DomainError, conflict, not_found
from cloud.storage import accounts as people
from cloud.storage import audit, clock, hubs, ids, printers
from cloud.storage import pairings as queries
from cloud.storage.errors import ConflictError
from cloud.storage.hubs import Hub
from cloud.storage.pairings import Pairing
from cloud.storage.printers import Printer
from cloud.storage.secrets import Secret
from cloud.storage.store import Store, Tx
from cloud.storage.tenant import TenantStore, TenantTx
from shared_protocol import pairing as labels

log = structlog.get_logger(__name__)

MINUTES: Final = 15
MAX_OPEN: Final = 50
"""Of one farm: more devices than anybody pairs within a quarter of an hour."""
_RESET: Final = "Hold its button for ten seconds, then pair it again."


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a device says of itself when it claims."""

    proof: Secret
    """64 hexadecimal digits: what its label's secret makes, and nobody else can."""
    token: Secret
    reset_epoch: int
    """How often it was reset to factory state."""
    address: str


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A new hub, and what became of those before it."""

    hub: Hub
    key: Secret
    moved: list[Printer] = []
    """Printers that came along."""
    gone: list[str] = []
    """Hubs of the same farm that it takes the place of."""
    taken: list[Hub] = []
    """Hubs of other farms that its device was."""


class _Former(msgspec.Struct, frozen=True):
    """An owner who lost his hub."""

    hub: Hub
    farm: str
    emails: list[str]


class Pairings:
    """Of all tenants."""

    def __init__(self, store: Store, postman: Postman) -> None:
        self._store = store
        self._postman = postman
        self._by_address = Throttle(free=20)
        self._by_device = Throttle(free=10)

    # ---- leave to claim

    async def begin(
        self, tenant: TenantStore, *, device_id: str, name: str = "", replaces: str | None = None, reset: bool = False
    ) -> tuple[Pairing, Secret]:
        """The pairing, and its token. `reset`: the person says that the device was reset; its claim will show.

        DomainErrors: already_owned, no_such_hub, too_many_pairings.
        """
        token = new_token()
        owner = await self._store.read(lambda tx: hubs.owner_of(tx, device_id))
        if owner is not None and not reset:
            raise _owned(owner, tenant.tenant_id)

        async def unit(tx: TenantTx) -> Pairing:
            if replaces is not None and await hubs.get(tx, replaces) is None:
                raise DomainError("no_such_hub", 422, "There is no such hub whose printers could come along.")
            if await queries.count_open(tx) >= MAX_OPEN:
                raise conflict("too_many_pairings", f"{MAX_OPEN} hubs are being paired: finish those first.")
            return await queries.create(
                tx, device_id=device_id, token_hash=hashed(token), name=name, replaces=replaces, seconds=MINUTES * 60
            )

        return await tenant.write(unit), Secret(token)

    async def get(self, tenant: TenantStore, pairing_id: str) -> Pairing:
        """DomainError: not_found."""
        found = await tenant.read(lambda tx: queries.get(tx, pairing_id))
        if found is None:
            raise not_found("pairing")
        return found

    async def take_back(self, tenant: TenantStore, pairing_id: str) -> None:
        """Its token is worth nothing from now on. DomainErrors: not_found, claimed."""

        async def unit(tx: TenantTx) -> None:
            found = await queries.get(tx, pairing_id)
            if found is None:
                raise not_found("pairing")
            if found.used_at is not None:
                raise conflict("claimed", "The hub is paired already: release it instead.")
            await queries.revoke(tx, pairing_id)

        await tenant.write(unit)

    async def forget_old(self) -> None:
        await self._store.write(queries.forget_old)

    # ---- the claim

    async def claim(self, claim: Claim, online: Callable[[str], bool]) -> Claimed:
        """Make the device a hub of the farm whose token it shows.

        `online` says whether a hub is connected. A device that was reset has lost its key, so one that is connected
        was not: whoever says so has only seen its label.
        DomainErrors: token_invalid, already_owned. TooManyAttemptsError.
        """
        device = labels.device_of(bytes.fromhex(claim.proof.reveal()))
        self._attempt(claim.address, device)
        lost: list[_Former] = []

        async def unit(tx: Tx) -> Claimed:
            lost.clear()
            pairing = await queries.by_token(tx, hashed(claim.token.reveal()))
            if pairing is None or pairing.device_id != device or pairing.expired:
                raise _invalid()
            scoped = TenantTx(tx, pairing.tenant_id, pairing.created_by)
            if pairing.used_at is not None:
                return await _again(scoped, pairing)
            owner = await hubs.owner_of(tx, device)
            if owner is not None and (claim.reset_epoch <= owner.reset_epoch or online(owner.id)):
                raise _owned(owner, pairing.tenant_id)
            return await _claim(scoped, pairing, claim, owner, lost)

        try:
            claimed = await self._store.write(unit)
        except ConflictError:
            raise _owned(None, "") from None  # somebody was faster, by milliseconds
        except DomainError as error:
            log.warning("pairing.refused", device=labels.shown(device), code=error.code, address=claim.address)
            raise
        self._by_address.excuse(claim.address)
        self._by_device.succeeded(device)
        log.info("pairing.claimed", device=labels.shown(device), hub=claimed.hub.id, tenant=claimed.hub.tenant_id)
        for former in lost:
            self._tell(former)
        return claimed

    def _attempt(self, address: str, device: str) -> None:
        wait = max(self._by_address.wait(address), self._by_device.wait(device))
        if wait > 0:
            raise TooManyAttemptsError(wait)
        self._by_address.attempt(address)
        self._by_device.attempt(device)

    def _tell(self, former: _Former) -> None:
        hub, moment = former.hub, clock.now()[:16].replace("T", " ")

        async def work(email: str) -> Mail:
            return mails.hub_taken(email, former.farm, hub.name, labels.shown(hub.device_id), moment)

        for email in former.emails:
            self._postman.later(functools.partial(work, email))


async def _claim(tx: TenantTx, pairing: Pairing, claim: Claim, owner: Hub | None, lost: list[_Former]) -> Claimed:
    """A new hub in the pairing's farm; in the same transaction the end of those that it takes the place of."""
    formers = await hubs.released(tx, pairing.device_id) + ([owner] if owner is not None else [])
    mine = [former for former in formers if former.tenant_id == tx.tenant_id]
    if pairing.replaces is not None and pairing.replaces not in [former.id for former in mine]:
        replaced = await hubs.get(tx, pairing.replaces)
        mine = [replaced, *mine] if replaced is not None else mine
    for former in formers:
        await hubs.take_over(TenantTx(tx, former.tenant_id), former.id)
    hub_id = ids.new("hub")
    key = hub_keys.new_key(hub_id)
    name = pairing.name or (mine[0].name if mine else f"Hub {labels.shown(pairing.device_id)}")
    await hubs.create(
        tx, hub_id=hub_id, name=name, key_hash=hub_keys.hashed(key), device_id=pairing.device_id,
        reset_epoch=claim.reset_epoch,
    )  # fmt: skip
    if not await queries.use(tx, pairing.id, hub_id):
        raise _invalid()  # used by another connection of the same device, by milliseconds
    moved = []
    for former in mine:
        moved += await printers.move_all(tx, former.id, hub_id)
        await hubs.delete_hub(tx, former.id)
    taken = [former for former in formers if former.tenant_id != tx.tenant_id]
    for former in taken:
        await _note_loss(TenantTx(tx, former.tenant_id), former, claim.address)
        if former.released_at is None:
            lost.append(await _former(TenantTx(tx, former.tenant_id), former))
    await audit.record(tx, await _entry(tx, pairing, hub_id, mine, claim.address))
    made = await hubs.get(tx, hub_id)
    if made is None:
        raise RuntimeError("the hub just claimed is gone")
    return Claimed(hub=made, key=key, moved=moved, gone=[former.id for former in mine], taken=taken)


async def _again(tx: TenantTx, pairing: Pairing) -> Claimed:
    """The answer was lost on its way, and the device asks again: the same hub, with another key.

    A token makes one hub. Once that hub has connected, its answer arrived, and the token is worth nothing.
    """
    hub = await hubs.get(tx, pairing.hub_id or "")
    if hub is None or hub.epoch or not hub.key_hash or hub.taken_over_at is not None:
        raise _invalid()
    key = hub_keys.new_key(hub.id)
    await hubs.set_key_hash(tx, hub.id, hub_keys.hashed(key))
    return Claimed(hub=hub, key=key)


async def _note_loss(tx: TenantTx, hub: Hub, address: str) -> None:
    """In the log of the farm that loses it; of the other farm it says nothing."""
    details = {"device": labels.shown(hub.device_id), "released": hub.released_at is not None}
    await audit.record(
        tx,
        audit.Entry(
            actor=hub.id, actor_name=hub.name, action="hubs_taken_over", object_type="hubs", object_id=hub.id,
            details=details, address=address if hub.released_at is None else "",
        ),
    )  # fmt: skip


async def _former(tx: TenantTx, hub: Hub) -> _Former:
    return _Former(hub, (await people.tenant(tx))[0], await people.owners_to_tell(tx))


async def _entry(tx: TenantTx, pairing: Pairing, hub_id: str, mine: list[Hub], address: str) -> audit.Entry:
    who = await people.get(tx, pairing.created_by)
    details = {"device": labels.shown(pairing.device_id), "replaces": [former.id for former in mine]}
    return audit.Entry(
        actor=pairing.created_by, actor_name=(who.name or who.email) if who else "", action="hubs_claim",
        object_type="hubs", object_id=hub_id, details=details, address=address,
    )  # fmt: skip


def _owned(owner: Hub | None, tenant_id: str) -> DomainError:
    if owner is not None and owner.tenant_id == tenant_id:
        return conflict("already_owned", f"This is your hub {owner.name!r} already. {_RESET}", hub_id=owner.id)
    return conflict("already_owned", f"This hub belongs to somebody. If it is yours now: {_RESET.lower()}")


def _invalid() -> DomainError:
    """Whatever is wrong with it: who tries tokens learns nothing."""
    return DomainError("token_invalid", 403, "The pairing is used, expired, or for another hub: begin again.")
