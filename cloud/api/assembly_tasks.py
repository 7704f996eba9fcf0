"""/api/assembly-tasks: printed pieces that people put together."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Id, ListQuery, Moment, Short, Text
from cloud.api.tasks import TaskCollection
from cloud.production.tasks import Priority, TaskStatus, assembly_moved, check_assembly_change
from cloud.storage import production as queries
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx

Quantity = Annotated[int, Meta(ge=1, le=1_000_000)]


class AssemblyTaskIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    product_id: Id | None = None
    finished_good_id: Id | None = None
    """Whose pieces are assembled."""
    product_name: Short = ""
    sku: Short = ""
    quantity: Quantity = 1
    priority: Priority = "medium"
    assigned_to: Short | None = None
    notes: Text = ""


class AssemblyTaskPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    product_id: Id | UnsetType | None = UNSET
    finished_good_id: Id | UnsetType | None = UNSET
    product_name: Short | UnsetType = UNSET
    sku: Short | UnsetType = UNSET
    quantity: Quantity | UnsetType = UNSET
    status: TaskStatus | UnsetType = UNSET
    """The same as start, complete and cancel."""
    priority: Priority | UnsetType = UNSET
    assigned_to: Short | UnsetType | None = UNSET
    notes: Text | UnsetType = UNSET


class AssemblyDone(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    notes: Text | UnsetType = UNSET


class AssemblyTaskOut(Struct, frozen=True, kw_only=True):
    id: str
    product_id: str | None
    finished_good_id: str | None
    product_name: str
    sku: str
    quantity: int
    status: TaskStatus
    priority: Priority
    assigned_to: str | None
    notes: str
    started_at: str | None
    completed_at: str | None
    created_at: str
    updated_at: str
    version: int


class AssemblyWiki(Struct, frozen=True, kw_only=True):
    """How to put it together."""

    wiki_id: str | None
    """None: nobody has written it, or the task is about no product."""
    product_id: str | None
    product_name: str | None


class AssemblyTasksQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    status: Annotated[list[TaskStatus], Meta(max_length=4)] | None = None
    priority: Annotated[list[Priority], Meta(max_length=4)] | None = None
    product_id: Id | None = None
    finished_good_id: Id | None = None
    assigned_to: Short | None = None
    created_at_from: Moment | None = None
    created_at_to: Moment | None = None
    """Before this moment."""


class AssemblyTasksApi(TaskCollection):
    path = "/api/assembly-tasks/"
    noun = "assembly task"
    rows = queries.ASSEMBLY
    shape = AssemblyTaskOut
    new = AssemblyTaskIn
    patch = AssemblyTaskPatch
    completion = AssemblyDone
    query = AssemblyTasksQuery

    def endpoints(self) -> list[Endpoint]:
        return [*super().endpoints(), Endpoint("GET", f"{self.path}{{id}}/wiki", self.wiki)]

    async def wiki(self, call: Call, key: Id) -> AssemblyWiki:
        """The instructions of the task's product, or of its finished good's."""

        async def unit(tx: TenantTx) -> AssemblyWiki:
            product = await queries.product_of_task(tx, await self._existing(tx, key)) or {}
            return AssemblyWiki(
                wiki_id=product.get("wiki_id"), product_id=product.get("id"), product_name=product.get("name")
            )

        return await call.store.read(unit)

    async def move(self, tx: TenantTx, task: Row, to: TaskStatus) -> dict[str, Any]:
        return await assembly_moved(tx, task, to)

    async def changing(self, tx: TenantTx, before: Row, values: dict[str, Any]) -> Mapping[str, Any]:
        check_assembly_change(before, values)
        return await super().changing(tx, before, values)

    async def removing(self, tx: TenantTx, before: Row) -> None:
        await queries.forget_assembly_task(tx, before["id"])
