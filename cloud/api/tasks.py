"""What assembly tasks and worklist tasks have in common: they are started, completed and cancelled."""

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct

from cloud.api.collection import Collection, given
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Id
from cloud.production.references import check_references
from cloud.production.tasks import TaskStatus, moved
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx


class TaskCollection(Collection):
    """Their status changes as production/tasks.py allows, by these endpoints or by a change of `status`."""

    completion: ClassVar[type[Struct]]
    """What is taken to complete one: fields of `patch`, every one UNSET by default."""

    def endpoints(self) -> list[Endpoint]:
        one = f"{self.path}{{id}}"
        options: dict[str, Any] = {"answer": self.shape, "errors": (409,), "versioned": True}
        return [
            *super().endpoints(),
            Endpoint("POST", f"{one}/start", self.start, summary=f"Begin a pending {self.noun}.", **options),
            Endpoint(
                "POST", f"{one}/complete", self.complete, body=self.completion,
                summary=f"Finish a {self.noun}, also one that was not started.", **options,
            ),
            Endpoint("POST", f"{one}/cancel", self.cancel, summary=f"Give a {self.noun} up.", **options),
        ]  # fmt: skip

    async def start(self, call: Call, key: Id) -> Any:
        return await self._go(call, key, "in_progress")

    async def complete(self, call: Call, key: Id, body: Any) -> Any:
        return await self._go(call, key, "completed", **given(body))

    async def cancel(self, call: Call, key: Id) -> Any:
        return await self._go(call, key, "cancelled")

    async def move(self, tx: TenantTx, task: Row, to: TaskStatus) -> dict[str, Any]:
        """The columns that change with the status. Raises DomainError."""
        return moved(task, to)

    async def creating(self, tx: TenantTx, values: dict[str, Any]) -> Mapping[str, Any]:
        await check_references(tx, values)
        return values

    async def changing(self, tx: TenantTx, before: Row, values: dict[str, Any]) -> Mapping[str, Any]:
        await check_references(tx, values)
        plain = {name: value for name, value in values.items() if name != "status"}
        if "status" not in values:
            return plain
        # What the request says itself, such as when it was done, counts before what follows from the move.
        return {**await self.move(tx, {**before, **plain}, values["status"]), **plain}

    async def _go(self, call: Call, key: str, to: TaskStatus, **said: Any) -> Any:
        body, version = self.patch(status=to, **said), call.version
        return self.out(await call.store.write(lambda tx: self._changed(tx, key, body, version)))
