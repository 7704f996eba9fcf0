"""What people do to a hub itself: restart it, find it, give it another key, hand it over, replace it by another.

The hub's answer is told as it is: what never left here did not happen (`hub_offline`), what was sent and stays
unanswered may have (`no_answer`).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from cloud.accounts import hub_keys
from cloud.bus import subjects
from cloud.errors import DomainError, conflict, not_found
from cloud.printing.asks import Answer, CommandAsk
from cloud.printing.controls import UNSURE
from cloud.printing.jobs import WAKE
from cloud.printing.room import Room
from cloud.printing.words import hub_sentence
from cloud.storage import clock, ids, printers
from cloud.storage import hubs as queries
from cloud.storage.errors import ConflictError
from cloud.storage.hubs import OFFER_S, Hub
from cloud.storage.printers import Printer
from cloud.storage.secrets import Secret
from cloud.storage.tenant import TenantStore, TenantTx
from shared_protocol.messages import PROBE_CODES

TTL_MS: Final = 10_000
PROBE_TTL_MS: Final = 30_000
"""A printer that is switched off lets a connection wait for as long."""
_STATUS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("hub_offline", "offline", "expired", "busy"), 503),
    **dict.fromkeys(UNSURE, 504),
    **dict.fromkeys(("unknown_command", "broken"), 502),
    **dict.fromkeys((*PROBE_CODES, "locked", "invalid"), 422),
}
_BUTTON: Final = "Remove it here, and hold its button for ten seconds: then it has forgotten everything."


class HubCare:
    """Of all tenants; each call works in one. Raises DomainError."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def tell(
        self,
        tenant: TenantStore,
        hub_id: str,
        name: str,
        args: Mapping[str, Any] | None = None,
        *,
        command_id: str = "",
        ttl_ms: int | None = None,
    ) -> dict[str, Any]:
        """Send a command of HUB_COMMANDS; the data of its answer. The hub does one id once."""
        await self.get(tenant, hub_id)
        answer = await self._ask(hub_id, name, args, command_id=command_id, ttl_ms=ttl_ms)
        if not answer.ok:
            raise refused(answer)
        return answer.data

    async def get(self, tenant: TenantStore, hub_id: str) -> Hub:
        hub = await tenant.read(lambda tx: queries.get(tx, hub_id))
        if hub is None:
            raise not_found("hub")
        return hub

    def is_online(self, hub_id: str) -> bool:
        """Whether the hub is connected."""
        return self._room.live.hubs.is_online(hub_id)

    async def probe(
        self, tenant: TenantStore, hub_id: str, *, host: str, code: Secret, port: int | None, serial: str | None
    ) -> tuple[str, str]:
        """Try a printer that is not configured; its serial number and the code of its model."""
        args: dict[str, Any] = {"host": host, "code": code.reveal()}
        args |= {name: value for name, value in (("port", port), ("serial", serial)) if value is not None}
        data = await self.tell(tenant, hub_id, "probe", args, ttl_ms=PROBE_TTL_MS)
        return data["serial"], data["model"]

    # ---- keys

    async def rotate_key(self, tenant: TenantStore, hub_id: str) -> None:
        """Give the hub a new key, which nobody ever sees.

        Two steps, so that a cut at any point leaves a hub that gets in: the new key is offered beside the old one, and
        takes its place when the hub connects with it.
        """
        key = hub_keys.new_key(hub_id)
        key_hash = hub_keys.hashed(key)

        async def offer(tx: TenantTx) -> None:
            hub = await queries.get(tx, hub_id)
            if hub is None:
                raise not_found("hub")
            if not hub.key_hash:
                raise conflict("revoked", "The hub is locked out, so it cannot be given a key: pair it again.")
            if hub.next_key_hash and (hub.next_key_at or "") > clock.after(-OFFER_S):
                raise conflict("rotating", "A new key is on its way to this hub already: try again in a minute.")
            await queries.offer_key(tx, hub_id, key_hash)

        await self._refuse_offline(tenant, hub_id)
        await tenant.write(offer)
        answer = await self._ask(hub_id, "key", {"key": key.reveal()})
        if answer.ok:
            return
        if answer.code not in UNSURE:
            await tenant.write(lambda tx: queries.withdraw_key(tx, hub_id, key_hash))
        raise refused(answer)

    # ---- endings

    async def release(self, tenant: TenantStore, hub_id: str) -> None:
        """Tell the hub to forget its owner, its key, its printers and its Wi-Fi; then it is gone from the farm."""

        async def begin(tx: TenantTx) -> None:
            await _refuse_used(tx, hub_id)
            # From here on it may have forgotten us, whatever becomes of its answer: then it may be claimed.
            if not await queries.release(tx, hub_id, clock.now()):
                raise not_found("hub")

        await self._refuse_offline(tenant, hub_id, f"The hub is offline, so it cannot be told. {_BUTTON}")
        await tenant.write(begin)
        answer = await self._ask(hub_id, "release")
        if answer.ok:
            await self.remove(tenant, hub_id)
            return
        if answer.code not in UNSURE:
            await self._keep(tenant, hub_id)
        raise refused(answer)

    async def _refuse_offline(self, tenant: TenantStore, hub_id: str, sentence: str = "") -> None:
        """Before anything is written: what cannot begin is not in the audit log."""
        await self.get(tenant, hub_id)
        if not self.is_online(hub_id):
            raise DomainError("hub_offline", 503, sentence or hub_sentence("hub_offline"))

    async def _keep(self, tenant: TenantStore, hub_id: str) -> None:
        """It was not told: it is ours as before."""
        try:
            await tenant.write(lambda tx: queries.release(tx, hub_id, None))
        except ConflictError:
            raise conflict("already_owned", "Somebody has claimed this hub meanwhile.") from None

    async def remove(self, tenant: TenantStore, hub_id: str, *, version: int | None = None) -> None:
        """Forget a hub; its printers stay, without one. StaleError unless it is of `version`."""

        async def unit(tx: TenantTx) -> None:
            orphans = await _refuse_used(tx, hub_id)
            if not await queries.delete_hub(tx, hub_id, version=version):
                raise not_found("hub")
            left = [one for printer in orphans if (one := await printers.get(tx, printer.id)) is not None]
            tx.after_commit(lambda: self.moved([hub_id], left, gone=[hub_id]))

        await tenant.write(unit)

    async def replace(self, tenant: TenantStore, hub_id: str, by: str) -> None:
        """A dead hub's printers go behind another one, with the jobs that are on them; then it is forgotten."""

        async def unit(tx: TenantTx) -> None:
            if by == hub_id:
                raise DomainError("invalid", 422, "A hub cannot replace itself.")
            if await queries.get(tx, hub_id) is None:
                raise not_found("hub")
            new = await queries.get(tx, by)
            if new is None:
                raise DomainError("no_such_hub", 422, "There is no such hub to take its place.")
            await _check_room(tx, new, hub_id)
            moved = await printers.move_all(tx, hub_id, by)
            await queries.delete_hub(tx, hub_id)
            tx.after_commit(lambda: self.moved([hub_id, by], moved, gone=[hub_id]))

        await tenant.write(unit)

    # ---- what changed

    def put(self, hub: Hub) -> None:
        """A hub was added or changed. Call it after the commit; whoever holds it looks at its row."""
        self._room.live.hubs.put(hub)
        self._room.bus.publish(subjects.hub_config(hub.id), b"")

    def moved(self, hub_ids: Sequence[str], moved: Sequence[Printer], *, gone: Sequence[str] = ()) -> None:
        """Printers went from hub to hub. Call it after the commit."""
        for printer in moved:
            self._room.live.put_printer(printer)
        for hub_id in gone:
            self._room.live.hubs.remove(hub_id)
        for hub_id in hub_ids:
            self._room.bus.publish(subjects.hub_config(hub_id), b"")
        self._room.bus.publish(WAKE, b"")

    async def lost(self, hubs: Sequence[Hub]) -> None:
        """Hubs whose devices belong to other farms now: whoever holds their sockets closes them."""
        for former in hubs:
            hub = await self._room.tenant(former.tenant_id).read(partial(queries.get, hub_id=former.id))
            if hub is not None:
                self.put(hub)

    async def _ask(
        self,
        hub_id: str,
        name: str,
        args: Mapping[str, Any] | None = None,
        *,
        command_id: str = "",
        ttl_ms: int | None = None,
    ) -> Answer:
        ask = CommandAsk(id=command_id or ids.new("cmd"), name=name, args=dict(args or {}), ttl_ms=ttl_ms or TTL_MS)
        return await self._room.hubs.command(hub_id, ask)


def refused(answer: Answer) -> DomainError:
    """The error that a hub's failed answer becomes for whoever asked."""
    return DomainError(answer.code, _STATUS.get(answer.code, 409), hub_sentence(answer.code, answer.message))


async def _refuse_used(tx: TenantTx, hub_id: str) -> list[Printer]:
    mine = await printers.of_hub(tx, hub_id)
    jobs = sum([await printers.unfinished_jobs(tx, printer.id) for printer in mine])
    if jobs:
        raise conflict("in_use", "Jobs are on this hub's printers or wait for them.", jobs=jobs)
    return mine


async def _check_room(tx: TenantTx, new: Hub, old: str) -> None:
    count = len(await printers.of_hub(tx, new.id)) + len(await printers.of_hub(tx, old))
    if new.max_printers and count > new.max_printers:
        raise conflict("hub_full", f"The other hub carries at most {new.max_printers} printers.")
