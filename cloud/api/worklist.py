"""/api/worklist: what there is to do for people - clear a plate, change a spool, assemble, pack."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cloud.api.errors import ApiError
from cloud.api.shapes import Id, Line, ListQuery, Moment, Name, Short, Text, When
from cloud.api.tasks import TaskCollection
from cloud.production.tasks import Priority, TaskStatus, worklist_moved
from cloud.storage import clock
from cloud.storage.production import WORKLIST
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx

MAX_METADATA: Final = 8000
"""Characters of JSON."""

Minutes = Annotated[int, Meta(ge=0, le=1_000_000)]
TaskType = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_-]+$(?!\n)")]


class WorklistTaskIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    title: Name
    subtitle: Line = ""
    description: Text = ""
    task_type: TaskType = "manual"
    status: Literal["pending"] = "pending"
    priority: Priority = "medium"
    due_date: When | None = None
    assembly_task_id: Id | None = None
    printer_id: Id | None = None
    assigned_to: Short | None = None
    order_number: Short | None = None
    estimated_time_minutes: Minutes | None = None
    actual_time_minutes: Minutes | None = None
    metadata: dict[str, Any] = {}
    """Whatever else belongs to it, up to 8000 characters of JSON."""


class WorklistTaskPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    title: Name | UnsetType = UNSET
    subtitle: Line | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    task_type: TaskType | UnsetType = UNSET
    status: TaskStatus | UnsetType = UNSET
    """The same as start, complete and cancel."""
    priority: Priority | UnsetType = UNSET
    due_date: When | UnsetType | None = UNSET
    assembly_task_id: Id | UnsetType | None = UNSET
    printer_id: Id | UnsetType | None = UNSET
    assigned_to: Short | UnsetType | None = UNSET
    order_number: Short | UnsetType | None = UNSET
    estimated_time_minutes: Minutes | UnsetType | None = UNSET
    actual_time_minutes: Minutes | UnsetType | None = UNSET
    started_at: Moment | UnsetType | None = UNSET
    """Left out: when it was started here."""
    completed_at: Moment | UnsetType | None = UNSET
    """Left out: when it was completed here."""
    metadata: dict[str, Any] | UnsetType = UNSET
    """Replaces what was there."""


class WorklistDone(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    actual_time_minutes: Minutes | UnsetType = UNSET
    """Left out: the time since it was started."""
    metadata: dict[str, Any] | UnsetType = UNSET
    """Replaces what was there."""


class WorklistTaskOut(Struct, frozen=True, kw_only=True):
    id: str
    title: str
    subtitle: str
    description: str
    task_type: str
    status: TaskStatus
    priority: Priority
    due_date: str | None
    assembly_task_id: str | None
    printer_id: str | None
    assigned_to: str | None
    order_number: str | None
    estimated_time_minutes: int | None
    actual_time_minutes: int | None
    started_at: str | None
    completed_at: str | None
    metadata: dict[str, Any]
    created_at: str
    updated_at: str
    version: int


class WorklistQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    status: Annotated[list[TaskStatus], Meta(max_length=4)] | None = None
    task_type: Annotated[list[TaskType], Meta(max_length=20)] | None = None
    priority: Annotated[list[Priority], Meta(max_length=4)] | None = None
    assigned_to: Short | None = None
    printer_id: Id | None = None
    assembly_task_id: Id | None = None
    order_number: Short | None = None
    due_date_from: When | None = None
    due_date_to: When | None = None
    """Before this day or moment."""


class WorklistApi(TaskCollection):
    path = "/api/worklist/"
    noun = "worklist task"
    rows = WORKLIST
    shape = WorklistTaskOut
    new = WorklistTaskIn
    patch = WorklistTaskPatch
    completion = WorklistDone
    query = WorklistQuery

    async def move(self, tx: TenantTx, task: Row, to: TaskStatus) -> dict[str, Any]:
        return worklist_moved(task, to)

    async def creating(self, tx: TenantTx, values: dict[str, Any]) -> Mapping[str, Any]:
        _check_metadata(values)
        return await super().creating(tx, values)

    async def changing(self, tx: TenantTx, before: Row, values: dict[str, Any]) -> Mapping[str, Any]:
        _check_metadata(values)
        _check_moments(values)
        return await super().changing(tx, before, values)


def _check_moments(values: Mapping[str, Any]) -> None:
    """No 31st of February."""
    for name in ("started_at", "completed_at"):
        try:
            clock.parse(values.get(name) or clock.now())
        except ValueError:
            sentence = "There is no such day or time."
            raise ApiError(422, "invalid", sentence, details={"path": f"$.{name}"}) from None


def _check_metadata(values: Mapping[str, Any]) -> None:
    if "metadata" in values and len(msgspec.json.encode(values["metadata"])) > MAX_METADATA:
        sentence = f"`metadata` may hold {MAX_METADATA} characters of JSON."
        raise ApiError(422, "invalid", sentence, details={"path": "$.metadata"})
