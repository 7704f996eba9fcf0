"""One attempt to print one job on one printer: preconditions, upload, start, seen running.

Everything is in the database before it is done, so that an attempt can be taken up again by another life of the
service at any point: an upload is done again, a start is asked for again under the same id and looked for.
"""

import asyncio
import secrets
from typing import Any, Final

import structlog

from cloud.catalog.models import UrlForm, by_code
from cloud.printing.endings import settle
from cloud.printing.live import LivePrinter
from cloud.printing.machines import machine
from cloud.printing.matching import Fit, Waiting, demand, spools, startable
from cloud.printing.outcomes import HopelessError, RequeueError, SupersededError, WithdrawnError
from cloud.printing.room import Room, next_change
from cloud.printing.seen import other_form, remote_name
from cloud.printing.starting import Patience, Watch, WrongUrlError
from cloud.printing.transfer import Transfer
from cloud.printing.views import Row
from cloud.printing.words import error_sentence, failure_sentence
from cloud.storage import files
from cloud.storage import jobs as queries
from cloud.storage.printing import is_cleared, note_file, set_url_form
from cloud.storage.tenant import TenantTx

log = structlog.get_logger(__name__)

ONLINE_SECONDS: Final = 120.0
"""How long an attempt waits for its printer before the job goes back to the queue."""
ERROR_SECONDS: Final = 8.0
"""How long a printer takes to drop an error it was told to drop (reference/bambu.md §3.6)."""
_DEFAULT_FORM: Final[UrlForm] = "ftp"


class Attempt:
    """Runs once, from whatever state the row is in to `printing` or to the reason why not."""

    def __init__(self, room: Room, row: Row, patience: Patience, *, resumed: bool) -> None:
        self._room = room
        self._row = row
        self._patience = patience
        self._resumed = resumed
        self._tenant = room.tenant(row["tenant_id"])
        self._transfer: Transfer | None = None

    async def run(self) -> None:
        """Never raises for what hubs and printers do; the job's row says how it ended."""
        try:
            if self._row["status"] == "starting":
                await self._watch(Watch(self._room, self._row, self._patience, resumed=True))
            else:
                await self._carry()
                await self._start()
        except SupersededError:
            log.info("attempt.superseded", job=self._row["id"])
        except (RequeueError, HopelessError, WithdrawnError) as error:
            await settle(self._room, self._row, error)

    async def stop(self) -> None:
        """The job was cancelled: end a running transfer at once."""
        self._room.said(self._row["printer_id"])
        if self._transfer is not None:
            await self._transfer.stop()

    # ---- upload

    async def _carry(self) -> None:
        await self._online()
        file = await self._tenant.read(lambda tx: files.get(tx, self._row["print_file_id"]))
        if file is None:
            raise HopelessError("missing", failure_sentence("missing"))
        if self._row["status"] == "assigned":
            await self._prepare_upload()
        async with self._room.ftps(self._row["printer_id"]):
            self._transfer = Transfer(self._room, self._row, file, resumed=self._resumed)
            try:
                await self._transfer.run()
            finally:
                self._transfer = None

    async def _prepare_upload(self) -> None:
        model = by_code(self._printer.meta["model"])
        folder = model.upload_dir if model else "/"
        path = folder + remote_name(self._row["id"], self._row["attempt"], self._row["file_name"])

        async def unit(tx: TenantTx) -> Row | None:
            await note_file(tx, printer_id=self._row["printer_id"], path=path, job_id=self._row["id"])
            changes = {"remote_path": path, "upload_percent": 0}
            return await self._room.moves.move(
                tx, self._row["id"], "uploading", expect=("assigned",), actor="dispatcher", changes=changes
            )

        self._take(await self._tenant.write(unit))
        self._room.with_files.add(self._row["printer_id"])

    async def _online(self) -> None:
        """Wait for the printer; a hub that was just restarted needs a moment."""
        loop = asyncio.get_running_loop()
        until = loop.time() + ONLINE_SECONDS
        async with self._room.listening(self._row["printer_id"]) as changed:
            while not self._printer.online:
                self._still_mine()
                if (left := until - loop.time()) <= 0:
                    raise RequeueError("offline", failure_sentence("offline"))
                await next_change(changed, left)

    # ---- start

    async def _start(self) -> None:
        await self._online()
        await self._clean_error()
        fit = startable(demand(self._row), machine(self._printer, held=False))
        if isinstance(fit, Waiting):
            raise RequeueError(fit.code, fit.sentence)
        await self._commit_start(self._default_form(), fit, expect="uploading")
        watch = self._new_watch()
        self._withdraw_if_wished()
        await watch.send(fit)
        await self._watch(watch)

    async def _watch(self, watch: Watch) -> None:
        try:
            await watch.run()
        except WrongUrlError as wrong:
            if self._row["url_form"] != self._default_form():
                raise self._never_started(wrong) from wrong
            await self._other_form(wrong)
        if self._row["url_form"] != self._default_form():
            form = self._row["url_form"]
            await self._tenant.write(lambda tx: set_url_form(tx, self._row["printer_id"], form))
            self._printer.url_form = form

    async def _other_form(self, wrong: WrongUrlError) -> None:
        """The one fallback: the same file under the other form of address, as a new start."""
        log.warning("job.other_url_form", job=self._row["id"], error=wrong.error)
        await self._clean_error()
        # The gate is not asked: if it closed meanwhile, then by the sign of life of this very start.
        fit = spools(demand(self._row), machine(self._printer, held=False))
        if isinstance(fit, Waiting):
            raise self._never_started(wrong)
        await self._commit_start(other_form(self._default_form()), fit, expect="starting")
        watch = self._new_watch()
        self._withdraw_if_wished()
        await watch.send(fit)
        try:
            await watch.run()
        except WrongUrlError as again:
            raise self._never_started(again) from again

    async def _commit_start(self, form: UrlForm, fit: Fit, *, expect: str) -> None:
        """Give this start its number, and see once more, in the same transaction, that the plate is clear."""
        details = {"mapping": fit.mapping, "use_ams": fit.use_ams, "warnings": fit.warnings, "url_form": form}

        async def unit(tx: TenantTx) -> Row | None:
            if expect == "uploading" and not await is_cleared(tx, self._row["printer_id"]):
                raise RequeueError("not_cleared", "its plate has to be cleared")
            changes = {"task_id": await _new_task_id(tx), "url_form": form, "upload_percent": 100}
            if expect == "starting":
                return await self._room.moves.change(tx, self._row["id"], changes, statuses=("starting",))
            return await self._room.moves.move(
                tx,
                self._row["id"],
                "starting",
                expect=("uploading",),
                actor="dispatcher",
                changes=changes,
                details=details,
            )

        self._take(await self._tenant.write(unit))

    async def _clean_error(self) -> None:
        """An error still shown from before would be taken for one of this start."""
        if not self._printer.status.get("error"):
            return
        await self._room.controls.try_command(self._row["printer_id"], "clean_error")
        loop = asyncio.get_running_loop()
        until = loop.time() + ERROR_SECONDS
        async with self._room.listening(self._row["printer_id"]) as changed:
            while error := self._printer.status.get("error"):
                if (left := until - loop.time()) <= 0:
                    raise RequeueError("error", error_sentence(error))
                await next_change(changed, left)

    def _new_watch(self) -> Watch:
        error = self._printer.status.get("error") or 0
        return Watch(self._room, self._row, self._patience, resumed=False, error_before=error)

    def _never_started(self, wrong: WrongUrlError) -> HopelessError:
        if wrong.error:
            return HopelessError("start_refused", error_sentence(wrong.error), error=wrong.error)
        sentence = "The printer accepted the print but never began it. Restart the printer and try again."
        return HopelessError("never_started", sentence)

    def _default_form(self) -> UrlForm:
        model = by_code(self._printer.meta["model"])
        known: Any = self._printer.url_form
        return known or (model.url_form if model else _DEFAULT_FORM)

    # ---- small things

    @property
    def _printer(self) -> LivePrinter:
        one = self._room.live.printer(self._row["printer_id"])
        if one is None:
            raise HopelessError("printer_removed", "The printer was removed.")
        return one

    def _take(self, row: Row | None) -> None:
        if row is None:
            raise SupersededError
        self._row = row

    def _still_mine(self) -> None:
        view = self._room.live.job(self._row["id"])
        if view is None or view["status"] != self._row["status"]:
            raise SupersededError

    def _withdraw_if_wished(self) -> None:
        """The last look before the printer is told."""
        view = self._room.live.job(self._row["id"])
        if view is not None and view["cancel_requested"]:
            raise WithdrawnError


async def _new_task_id(tx: TenantTx) -> str:
    """1..2147483647 and never used before: printers clamp larger numbers and take an old one for the old print."""
    while True:
        task_id = str(secrets.randbelow(2**31 - 1) + 1)
        if not await queries.task_id_used(tx, task_id):
            return task_id
