"""/api/printers/bulk: one thing done to many printers. Each is done or refused for itself."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cloud.api.collection import MAX_BULK, BulkOut, for_each
from cloud.api.errors import ApiError
from cloud.api.kit import Call, Endpoint
from cloud.api.printer_shapes import Kind, PrinterPatch, Why, checked_code, columns
from cloud.api.shapes import Id, Text
from cloud.printing.fleet import Fleet
from cloud.printing.handling import Handling
from cloud.printing.service import JobService
from cloud.printing.upkeep import Upkeep

Action = Literal[
    "clear", "pause", "resume", "stop", "light", "enable", "disable", "maintenance", "maintenance_complete", "update",
    "delete",
]  # fmt: skip


class PrinterBulkIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    action: Action
    ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_BULK)]
    on: bool | UnsetType = UNSET
    """For `light`."""
    type: Kind = "general"
    """For `maintenance`."""
    reason: Why = ""
    """For `disable` and `maintenance`."""
    notes: Text = ""
    """For `maintenance_complete`."""
    changes: PrinterPatch | UnsetType = UNSET
    """For `update`."""


Work = Callable[[Call, PrinterBulkIn, str], Awaitable[Any]]


class PrinterBulkApi:
    """One endpoint; a command among the actions is done once per Idempotency-Key and printer."""

    def __init__(self, fleet: Fleet, jobs: JobService, handling: Handling, upkeep: Upkeep) -> None:
        self._fleet = fleet
        self._jobs = jobs
        self._handling = handling
        self._upkeep = upkeep
        self._actions: Final[dict[str, Work]] = {
            "clear": lambda call, _, key: jobs.clear_plate(call.store, key, actor=call.principal.user_id),
            "pause": lambda call, _, key: jobs.pause_printer(call.store, key, command_id=call.command_id_of(key)),
            "resume": lambda call, _, key: jobs.resume_printer(call.store, key, command_id=call.command_id_of(key)),
            "stop": lambda call, _, key: jobs.stop_printer(call.store, key, actor=call.principal.user_id),
            "light": self._light,
            "enable": lambda call, _, key: upkeep.enable(call.store, key),
            "disable": lambda call, body, key: upkeep.disable(call.store, key, body.reason),
            "maintenance": self._maintenance,
            "maintenance_complete": self._maintenance_complete,
            "update": self._update,
            "delete": lambda call, _, key: fleet.delete(call.store, key),
        }

    def endpoints(self) -> list[Endpoint]:
        return [Endpoint("POST", "/api/printers/bulk", self.bulk, command=True)]

    async def bulk(self, call: Call, body: PrinterBulkIn) -> BulkOut:
        """Do one thing to several printers.

        The answer says of each what became of it.
        """
        for action, name in (("light", "on"), ("update", "changes")):
            if body.action == action and getattr(body, name) is UNSET:
                raise ApiError(422, "invalid", f"`{action}` takes `{name}`.", details={"path": f"$.{name}"})
        work = self._actions[body.action]
        return await for_each(body.ids, lambda key: work(call, body, key))

    async def _light(self, call: Call, body: PrinterBulkIn, key: str) -> None:
        await self._handling.on(call.store, key, call.command_id_of(key)).light(on=body.on is True)

    async def _maintenance(self, call: Call, body: PrinterBulkIn, key: str) -> None:
        await self._upkeep.start(call.store, key, kind=body.type, reason=body.reason, actor=call.principal.actor)

    async def _maintenance_complete(self, call: Call, body: PrinterBulkIn, key: str) -> None:
        await self._upkeep.complete(call.store, key, notes=body.notes, actor=call.principal.actor)

    async def _update(self, call: Call, body: PrinterBulkIn, key: str) -> None:
        if body.changes is not UNSET:
            changes = body.changes
            code = None if changes.access_code is UNSET else checked_code(changes.access_code)
            await self._fleet.update(call.store, key, columns(changes), code)
