"""The job state machine on a real database: allowed moves, history, races, and invariants under random use."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cloud.printing.jobs import MOVES, JobMoves, Status
from cloud.printing.live import LivePrinters
from cloud.storage import jobs as queries
from cloud.storage.errors import ConflictError
from cloud.storage.tables import FINISHED, HOLDING, JOB_STATUSES
from cloud.storage.tenant import TenantTx
from tests.cloud.printing_kit import Farm, running_farm

T = TypeVar("T")


@pytest.fixture
async def farm(database: str) -> AsyncIterator[Farm]:
    async with running_farm(database, connect=False) as made:
        yield made


async def put(farm: Farm, job_id: str, status: str) -> None:
    """Place a job in a state for a test, behind the machine's back."""
    changes = {"status": status, "printer_id": farm.printers[0].id if status in HOLDING else None}
    await farm.tenant.write(lambda tx: queries.change(tx, job_id, changes, statuses=JOB_STATUSES))


async def test_every_move_is_allowed_or_refused_as_the_table_says(farm: Farm) -> None:
    job_id = await farm.queue(hold=True)
    for before, to in itertools.product(JOB_STATUSES, JOB_STATUSES):
        await put(farm, job_id, before)
        if to in MOVES[before]:
            assert await farm.tenant.write(partial(moved, farm, job_id, before, to)), (before, to)
            assert (await queries_get(farm, job_id))["status"] == to
        else:
            with pytest.raises(ValueError, match="never goes"):
                await farm.tenant.write(partial(moved, farm, job_id, before, to))
            assert (await queries_get(farm, job_id))["status"] == before


async def moved(farm: Farm, job_id: str, before: str, to: Any, tx: TenantTx) -> bool:
    return await farm.room.moves.move(tx, job_id, to, expect=(before,)) is not None


def test_final_states_are_final_and_every_state_is_in_the_table() -> None:
    assert set(MOVES) == set(JOB_STATUSES)
    assert all(not MOVES[status] for status in FINISHED)


async def test_a_move_from_another_state_than_expected_does_nothing(farm: Farm) -> None:
    job_id = await farm.queue(hold=True)
    moved = await farm.tenant.write(lambda tx: farm.room.moves.move(tx, job_id, "printing", expect=("starting",)))
    assert moved is None
    assert len((await farm.job(job_id))["history"]) == 1


async def test_a_move_of_an_older_version_does_nothing(farm: Farm) -> None:
    job_id = await farm.queue(hold=True)
    version = (await farm.job(job_id))["version"]
    await farm.tenant.write(lambda tx: farm.room.moves.change(tx, job_id, {"priority": 1}))
    moved = await farm.tenant.write(
        lambda tx: farm.room.moves.move(tx, job_id, "cancelled", expect=("queued",), version=version)
    )
    assert moved is None


async def test_of_many_at_once_one_wins(farm: Farm) -> None:
    job_id = await farm.queue(hold=True)

    async def cancel(number: int) -> bool:
        async def unit(tx: TenantTx) -> bool:
            actor = f"usr_{number}"
            return await farm.room.moves.move(tx, job_id, "cancelled", expect=("queued",), actor=actor) is not None

        return await farm.tenant.write(unit)

    assert sum(await asyncio.gather(*(cancel(number) for number in range(10)))) == 1
    assert len((await farm.job(job_id))["history"]) == 2


async def test_history_is_rolled_back_with_the_move(farm: Farm) -> None:
    job_id = await farm.queue(hold=True)

    async def unit(tx: TenantTx) -> None:
        await farm.room.moves.move(tx, job_id, "cancelled", expect=("queued",))
        raise RuntimeError("the power fails")

    with pytest.raises(RuntimeError):
        await farm.tenant.write(unit)
    view = await farm.job(job_id)
    assert (view["status"], len(view["history"])) == ("queued", 1)
    assert farm.room.live.jobs(farm.tenant_id)[job_id]["status"] == "queued"


async def test_a_status_is_changed_by_a_move_only(farm: Farm) -> None:
    job_id = await farm.queue(hold=True)
    with pytest.raises(ValueError, match="move"):
        await farm.tenant.write(lambda tx: farm.room.moves.change(tx, job_id, {"status": "completed"}))


def test_nothing_else_in_the_cloud_writes_a_jobs_status() -> None:
    root = Path(__file__).parents[2] / "cloud"
    suspects = [
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if "node_modules" not in path.parts and "update(print_jobs)" in path.read_text()
    ]
    # printers.py forgets a deleted printer; jobs.py is what the state machine writes through.
    assert sorted(suspects) == ["storage/jobs.py", "storage/printers.py"]


async def test_progress_is_written_in_a_batch_and_only_for_running_jobs(farm: Farm) -> None:
    running, over = await farm.queue(hold=True), await farm.queue(hold=True)
    await put(farm, running, "printing")
    await put(farm, over, "completed")
    figures = {"progress_percentage": 40, "remaining_seconds": 60, "layer": 4, "layers": 10, "upload_percent": 100}
    rows = [{"job_id": job_id, **figures} for job_id in (running, over)]
    await farm.tenant.write(lambda tx: queries.write_progress(tx, rows))
    assert (await queries_get(farm, running))["progress_percentage"] == 40
    assert (await queries_get(farm, over))["progress_percentage"] == 0


async def queries_get(farm: Farm, job_id: str) -> Any:
    return await farm.tenant.read(lambda tx: queries.get(tx, job_id))


async def test_a_restart_sees_open_jobs_and_the_latest_finished_ones(farm: Farm) -> None:
    jobs = [await farm.queue(hold=True) for _ in range(4)]
    for number, job_id in enumerate(jobs[:3]):
        changes = {"status": "completed", "time_completed": f"2026-01-01T00:00:0{number}.000Z"}
        await farm.tenant.write(
            lambda tx, job_id=job_id, changes=changes: queries.change(tx, job_id, changes, statuses=JOB_STATUSES)  # type: ignore[misc]
        )
    rows = await farm.store.read(lambda tx: queries.recent(tx, 2))
    assert {row["id"] for row in rows} == {jobs[1], jobs[2], jobs[3]}


# ---- random use


class JobMachine(RuleBasedStateMachine):
    """Random moves by several parts at once, on real SQLite, against the invariants of the design."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = TemporaryDirectory()
        self.context = running_farm(Path(self.folder.name), "C12", "C12", "C12", connect=False)
        self.farm: Farm = self.do(self.context.__aenter__())
        self.do(self.farm.room.dispatcher.close())
        self.made: list[str] = []
        self.finished: Counter[str] = Counter()

    def do(self, work: Awaitable[T]) -> T:
        async def inside() -> T:
            return await work

        return self.loop.run_until_complete(inside())

    def teardown(self) -> None:
        self.do(self.context.__aexit__(None, None, None))
        self.loop.close()
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        self.made.append(self.do(self.farm.queue(hold=True)))

    @rule()
    def queue(self) -> None:
        if len(self.made) < 6:
            self.made.append(self.do(self.farm.queue(hold=True)))

    @rule(which=st.integers(0, 5), printer=st.integers(0, 2))
    def assign(self, which: int, printer: int) -> None:
        self._move(which, "assigned", {"printer_id": self.farm.printers[printer].id})

    @rule(which=st.integers(0, 5), to=st.sampled_from(JOB_STATUSES))
    def move(self, which: int, to: Status) -> None:
        if to != "assigned":
            self._move(which, to, {})

    @rule(which=st.integers(0, 5), to=st.sampled_from(["completed", "failed", "cancelled", "queued"]), times=st.just(3))
    def race(self, which: int, to: Status, times: int) -> None:
        async def all_at_once() -> None:
            await asyncio.gather(*(self._try(self._pick(which), to, {}) for _ in range(times)))

        self.do(all_at_once())

    @rule(which=st.integers(0, 5))
    def delete(self, which: int) -> None:
        job_id = self._pick(which)
        if self.do(self.farm.tenant.write(lambda tx: self.farm.room.moves.delete(tx, job_id))):
            self.made.remove(job_id)
            if not self.made:
                self.begin()

    @rule()
    def restart(self) -> None:
        """A new life has the same view of the jobs."""

        async def again() -> LivePrinters:
            live = LivePrinters(self.farm.bus)
            for row in await self.farm.store.read(lambda tx: queries.recent(tx, 100)):
                live.put_job(row)
            JobMoves(live, self.farm.bus)
            return live

        live = self.do(again())
        old = self.farm.room.live.jobs(self.farm.tenant_id)
        assert live.jobs(self.farm.tenant_id) == old

    @invariant()
    def no_printer_is_held_twice(self) -> None:
        rows = [self._row(job_id) for job_id in self.made]
        holders = Counter(row["printer_id"] for row in rows if row["status"] in HOLDING)
        assert all(count == 1 for count in holders.values()), holders

    @invariant()
    def no_job_is_lost_and_each_tells_its_story(self) -> None:
        for job_id in self.made:
            view = self.do(self.farm.job(job_id))
            line = view["history"]
            assert line[0]["from_status"] is None and line[0]["to_status"] == "queued"
            for before, after in itertools.pairwise(line):
                assert before["to_status"] == after["from_status"]
                assert after["to_status"] in MOVES[after["from_status"]]
            assert line[-1]["to_status"] == view["status"]
            assert (view["status"] in HOLDING) <= (view["printer_id"] is not None)
            if view["status"] == "queued":
                assert view["printer_id"] is None

    @invariant()
    def what_is_finished_is_finished_once(self) -> None:
        for job_id in self.made:
            ends = [one for one in self.do(self.farm.job(job_id))["history"] if one["to_status"] in FINISHED]
            assert len(ends) <= 1
        assert all(count == 1 for count in self.finished.values())

    def _pick(self, which: int) -> str:
        return self.made[which % len(self.made)]

    def _row(self, job_id: str) -> Any:
        return self.do(queries_get(self.farm, job_id))

    def _move(self, which: int, to: Status, changes: dict[str, Any]) -> None:
        self.do(self._try(self._pick(which), to, changes))

    async def _try(self, job_id: str, to: Status, changes: dict[str, Any]) -> None:
        expect = [status for status in JOB_STATUSES if to in MOVES[status]]
        try:
            moved = await self.farm.tenant.write(
                lambda tx: self.farm.room.moves.move(tx, job_id, to, expect=expect, changes=changes)
            )
        except ConflictError as error:
            assert error.kind == "unique"
            return
        if moved is not None and to in FINISHED:
            self.finished[job_id] += 1


JobMachine.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestJobMachine = JobMachine.TestCase
