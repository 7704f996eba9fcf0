"""The print itself: a clock that walks through the states of a job and can run fast."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from tools.virtual_printer import state as st
from tools.virtual_printer.starting import JobPlan, colour_changes, runout_error, runout_hms

if TYPE_CHECKING:
    from tools.virtual_printer.printer import Printer

_TICK = 0.1
_SHORTEST_PREPARE = 0.3
_CANCEL_PAUSE = 0.2
_HEATUP_STAGES = (2, 14, 13)


class JobEngine:
    """At most one job at a time. Real seconds are printer seconds divided by the printer's speed."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._going = asyncio.Event()
        self._elapsed = 0.0
        self._stage_before_pause = 0
        self._external_ended = False
        self.plan: JobPlan | None = None
        self.interrupted: tuple[JobPlan, float] | None = None
        """The job a power loss cut off and how far (printer seconds) it had come."""

    @property
    def _machine(self) -> st.Machine:
        return self._printer.machine

    @property
    def active(self) -> bool:
        """Is there a job, perhaps one that is still being digested and does not show yet?"""
        return self._task is not None and not self._task.done()

    def start(self, make_plan: Callable[[], Awaitable[JobPlan]], *, delay: float = 0.0, elapsed: float = 0.0) -> None:
        """Begin a job (`elapsed`: resume it there). The caller has checked that the printer is free."""
        self.kill()
        self.interrupted = None
        self._external_ended = False
        self._elapsed = elapsed
        self._going.set()
        self._task = asyncio.create_task(self._run(make_plan, delay))

    def kill(self) -> None:
        """Forget the job at once, without any state change."""
        for task in (self._task, self._ending):
            if task is not None:
                task.cancel()
        self._task = self._ending = self.plan = None

    def power_loss(self) -> None:
        """Remember where the job was cut off, then forget it."""
        if self.plan is not None and self._machine.gcode_state in ("RUNNING", "PAUSE"):
            self.interrupted = (self.plan, self._elapsed)
        self.kill()

    def resume_interrupted(self) -> bool:
        """Go on with the job a power loss cut off; False when there is none."""
        if self.interrupted is None:
            return False
        plan, elapsed = self.interrupted
        self._machine.print_error = 0
        self.start(_ready(replace(plan, pause=None)), elapsed=max(elapsed, plan.seconds * 0.1))
        return True

    def start_ready(self, plan: JobPlan) -> None:
        """Begin a job that needs no file to be read."""
        self.start(_ready(plan))

    def pause(self, *, stage: int = st.STAGE_USER_PAUSE, error: int = 0) -> bool:
        """RUNNING to PAUSE; False when nothing is running."""
        machine = self._machine
        if machine.gcode_state != "RUNNING":
            return False
        self._going.clear()
        self._stage_before_pause = machine.stage
        machine.gcode_state, machine.stage, machine.print_error = "PAUSE", stage, error
        self._printer.reporter.changed()
        return True

    def resume(self) -> bool:
        """PAUSE to RUNNING; False when nothing is paused. An empty tray pauses again a moment later."""
        machine = self._machine
        if machine.gcode_state != "PAUSE":
            return False
        machine.gcode_state, machine.stage = "RUNNING", self._stage_before_pause
        machine.print_error = 0
        self._going.set()
        self._printer.reporter.changed()
        return True

    def runout(self) -> bool:
        """The filament in use ends: its tray becomes empty and the job pauses with the matching error."""
        machine = self._machine
        if machine.gcode_state != "RUNNING":
            return False
        slot = machine.tray_now
        if slot == st.NONE:
            slot = self.plan.slots[0] if self.plan and self.plan.slots else st.EXTERNAL
            machine.tray_now = slot
        machine.set_filament(slot, None)
        self._external_ended = slot == st.EXTERNAL
        self._pause_for_filament(slot)
        return True

    def stop(self) -> bool:
        """Cancel by the user (command or screen); False when there is nothing to cancel."""
        if not self._machine.busy and not self.active:
            return False
        self.kill()
        self._ending = asyncio.create_task(self._cancelled())
        return True

    def fail(self, error: int, hms: tuple[int, int] | None = None) -> None:
        """The job ends in FAILED with an error that stays until somebody dismisses it."""
        machine = self._machine
        self.kill()
        machine.print_error = error
        self._cool_down("FAILED")
        if hms is not None:
            machine.add_hms(hms)
        self._printer.reporter.changed()

    async def _run(self, make_plan: Callable[[], Awaitable[JobPlan]], delay: float) -> None:
        if delay:
            await asyncio.sleep(delay)
        plan = self.plan = await make_plan()
        await self._prepare(plan)
        if plan.error:
            self._task = None  # `fail` must not cancel the task it runs in
            self.fail(plan.error)
            return
        await self._warm_up(plan)
        await self._print(plan)
        self._task = self.plan = None
        self._finish(plan)

    async def _prepare(self, plan: JobPlan) -> None:
        machine, spec = self._machine, self._printer.spec
        machine.print_error = 0
        machine.gcode_state, machine.stage = "PREPARE", machine.model.idle_stage
        machine.job = st.JobView(
            subtask_name=plan.name,
            gcode_file=plan.gcode_file,
            project_id=plan.project_id,
            profile_id=plan.profile_id,
            task_id=plan.task_id,
            subtask_id=plan.subtask_id,
            print_type="local",
            start_time=str(int(time.time())),
            remaining_seconds=plan.seconds,
            total_layers=plan.layers,
            stages=[*_HEATUP_STAGES, *([1] if plan.bed_levelling else [])],
        )
        self._printer.reporter.changed()
        await asyncio.sleep(max(_SHORTEST_PREPARE, spec.prepare_seconds / spec.speed))

    async def _warm_up(self, plan: JobPlan) -> None:
        machine = self._machine
        machine.gcode_state = "RUNNING"
        machine.nozzle.target, machine.bed.target = plan.nozzle_temp, plan.bed_temp
        machine.tray_target = plan.slots[0] if plan.slots else st.NONE
        stages = machine.job.stages + ([8] if plan.flow_calibration else [])
        until = plan.seconds * self._printer.spec.heatup_share
        begin = self._elapsed
        for number, stage in enumerate(stages, 1):
            machine.stage = stage
            self._printer.reporter.changed()
            while self._elapsed < min(until, begin + (until - begin) * number / len(stages)):
                await self._tick(plan)

    async def _print(self, plan: JobPlan) -> None:
        machine = self._machine
        machine.stage = st.STAGE_PRINTING
        machine.tray_now = plan.slots[0] if plan.slots else st.NONE
        machine.ams_state = 0x300 if machine.tray_now < st.EXTERNAL else 0
        machine.fans["cooling"] = 15
        machine.nozzle.current = max(machine.nozzle.current, plan.nozzle_temp - 1)
        machine.bed.current = max(machine.bed.current, plan.bed_temp - 1)
        self._printer.reporter.changed()
        if plan.pause is not None:
            error, stage = plan.pause
            self.pause(stage=stage, error=error)
        while self._elapsed < plan.seconds:
            await self._tick(plan)
            await self._follow(plan)

    async def _tick(self, plan: JobPlan) -> None:
        """Let one moment pass; while paused none does."""
        await self._going.wait()
        pace = self._printer.spec.speed * st.SPEED_PERCENT[self._machine.speed_level] / 100
        left = plan.seconds - self._elapsed
        began = time.monotonic()
        await asyncio.sleep(min(_TICK, left / pace))
        if self._going.is_set():
            self._elapsed += (time.monotonic() - began) * pace
        self._show(plan)

    async def _follow(self, plan: JobPlan) -> None:
        """Layer faults, and the tray in use."""
        faults, machine = self._printer.faults, self._machine
        await self._going.wait()
        slot = colour_changes(plan.slots, self._elapsed / plan.seconds)
        machine.tray_now = machine.tray_target = slot
        layer = machine.job.layer
        if faults.runout_at_layer and layer >= faults.runout_at_layer:
            machine.job.layer = faults.runout_at_layer
            faults.runout_at_layer = 0
            self.runout()
        elif slot < st.NONE and machine.filament_in(slot) is None and self._watched(slot):
            self._pause_for_filament(slot)
        if faults.fail_at_layer and layer >= faults.fail_at_layer:
            machine.job.layer = faults.fail_at_layer
            faults.fail_at_layer = 0
            self.fail(st.ERROR_CLOGGED)
            await asyncio.sleep(0)  # `fail` cancelled this task: end here

    def _watched(self, slot: int) -> bool:
        # An external holder without a described spool still feeds: most users never fill in what is on it.
        return slot != st.EXTERNAL or self._external_ended

    def _pause_for_filament(self, slot: int) -> None:
        machine = self._machine
        if slot != st.EXTERNAL:
            machine.add_hms(runout_hms(slot))
        self.pause(stage=st.STAGE_RUNOUT, error=runout_error(slot))

    def _show(self, plan: JobPlan) -> None:
        """Progress as reports show it: percent at most 99 before the end, layer 0 before the first."""
        job = self._machine.job
        share = min(1.0, self._elapsed / plan.seconds)
        heat = self._printer.spec.heatup_share
        job.percent = min(99, int(share * 100))
        job.remaining_seconds = max(0.0, plan.seconds - self._elapsed)
        if self._machine.stage == st.STAGE_PRINTING and share >= heat:
            done = (share - heat) / max(1e-9, 1 - heat)
            layer = max(1, min(plan.layers, int(done * plan.layers) + 1))
            limits = (self._printer.faults.fail_at_layer, self._printer.faults.runout_at_layer)
            job.layer = min([layer, *(limit for limit in limits if limit)])

    def _finish(self, plan: JobPlan) -> None:
        machine = self._machine
        machine.job.percent, machine.job.remaining_seconds = 100, 0.0
        machine.job.layer = machine.job.total_layers
        if machine.model.name == "P1S":
            machine.job.total_layers = 0  # seen on real ones when a job ends
        self._cool_down("FINISH")
        self._printer.reporter.changed()

    async def _cancelled(self) -> None:
        """The cancel code first, then FAILED, then the code goes away while FAILED stays."""
        machine, reporter = self._machine, self._printer.reporter
        machine.print_error = st.ERROR_CANCELLED
        reporter.changed()
        await asyncio.sleep(_CANCEL_PAUSE)
        machine.job.percent = machine.job.layer = 0
        machine.job.remaining_seconds = 0.0
        self._cool_down("FAILED")
        reporter.changed()
        await asyncio.sleep(self._printer.spec.cancel_error_seconds)
        if machine.print_error == st.ERROR_CANCELLED:
            machine.print_error = 0
            reporter.changed()

    def _cool_down(self, state: str) -> None:
        machine = self._machine
        machine.gcode_state, machine.stage = state, machine.model.idle_stage
        machine.job.print_type = "idle" if machine.model.reporting == "diff" else ""
        machine.nozzle.target = machine.bed.target = 0.0
        machine.fans["cooling"] = 0
        machine.tray_now = machine.tray_target = st.NONE
        machine.ams_state = 0
        machine.drop_runout()


def _ready(plan: JobPlan) -> Callable[[], Awaitable[JobPlan]]:
    async def make() -> JobPlan:
        return plan

    return make
