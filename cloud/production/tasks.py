"""Work for people: assembly tasks and the worklist. What state follows which, and what goes along."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from cloud.errors import conflict
from cloud.storage import clock
from cloud.storage import production as queries
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx

TaskStatus = Literal["pending", "in_progress", "completed", "cancelled"]
Priority = Literal["low", "medium", "high", "urgent"]

MOVES: Final[Mapping[str, frozenset[str]]] = {
    "pending": frozenset({"in_progress", "completed", "cancelled"}),  # small things are done without being started
    "in_progress": frozenset({"pending", "completed", "cancelled"}),  # pending: put back for somebody else
    "completed": frozenset(),
    "cancelled": frozenset(),
}
_ADVICE: Final[Mapping[str, str]] = {
    "completed": "It is done: add another task.",
    "cancelled": "It was cancelled: add another task.",
}


def moved(task: Row, to: TaskStatus) -> dict[str, Any]:
    """The columns that change when a task goes to another state.

    Raises DomainError when it cannot; empty when it is there already.
    """
    status = task["status"]
    if to == status:
        return {}
    if to not in MOVES[status]:
        sentence = f"A task that is {_spoken(status)} cannot become {_spoken(to)}. {_ADVICE[status]}"
        raise conflict("wrong_state", sentence, current=status)
    now = clock.now()
    stamps: dict[str, dict[str, Any]] = {
        "pending": {"started_at": None},
        "in_progress": {"started_at": now},
        "completed": {"started_at": task["started_at"] or now, "completed_at": now},
        "cancelled": {},
    }
    return {"status": to, **stamps[to]}


def worklist_moved(task: Row, to: TaskStatus) -> dict[str, Any]:
    """As `moved`; a task that was started is told how long it took, unless somebody said so."""
    changed = moved(task, to)
    if changed and to == "completed" and task["started_at"] and task["actual_time_minutes"] is None:
        spent = clock.parse(changed["completed_at"]) - clock.parse(task["started_at"])
        changed["actual_time_minutes"] = max(0, round(spent.total_seconds() / 60))
    return changed


async def assembly_moved(tx: TenantTx, task: Row, to: TaskStatus) -> dict[str, Any]:
    """As `moved`; completing moves the pieces of the finished good from needing assembly to assembled."""
    changed = moved(task, to)
    if changed and to == "completed" and task["finished_good_id"] is not None:
        await _assemble(tx, task["finished_good_id"], task["quantity"])
    return changed


def check_assembly_change(before: Row, values: Mapping[str, Any]) -> None:
    """Raises DomainError when a finished task is to be about something else: its pieces are counted already."""
    if before["status"] == "completed" and {"quantity", "finished_good_id"} & values.keys():
        raise conflict("wrong_state", "The task is done and its pieces are counted: correct the finished good.")


async def _assemble(tx: TenantTx, good_id: str, quantity: int) -> None:
    if await queries.assemble(tx, good_id, quantity) is None:
        good = await queries.GOODS.get(tx, good_id)
        waiting = good["quantity_needs_assembly"] if good else 0
        sentence = f"Only {waiting} pieces of the finished good wait for assembly, the task is about {quantity}. "
        raise conflict("not_enough_parts", sentence + "Correct the finished good or the task first.", waiting=waiting)


def _spoken(status: str) -> str:
    return status.replace("_", " ")
