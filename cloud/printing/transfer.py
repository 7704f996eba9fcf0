"""Carrying a job's file to its printer: asked of the hub's node, repeated when it may help, shown as it goes."""

import asyncio
from typing import Any, Final

import structlog

from cloud.printing.asks import Answer, CancelAsk, UploadAsk, decode_progress, transfer_subject
from cloud.printing.outcomes import HopelessError, RequeueError, SupersededError
from cloud.printing.room import Room, next_change
from cloud.printing.views import Row
from cloud.printing.words import failure_sentence
from cloud.storage import ids
from cloud.storage.files import PrintFile

log = structlog.get_logger(__name__)

TRIES: Final = 3
PAUSES: Final = (2.0, 8.0)
"""Seconds before the second and the third try."""
SLOWEST: Final = 25_000
"""Bytes a second below which a transfer is given up (reference/bambu.md §4.5)."""
LEAST_SECONDS: Final = 600.0
QUEUE_SECONDS: Final = 1800.0
"""How long a transfer may wait for its turn at the hub."""
OFFLINE_SECONDS: Final = 60.0
"""How long a transfer waits for a printer or hub that went away in its middle."""

_HOPELESS: Final = frozenset(
    {"auth_failed", "locked", "storage", "name_refused", "exists", "cert_changed", "unknown_printer"}
)
_AWAY: Final = frozenset({"hub_offline", "offline"})
_TURN: Final = frozenset({"busy", "no_socket"})


def deadline(size: int) -> float:
    """Seconds a transfer of `size` bytes may take."""
    return max(LEAST_SECONDS, size / SLOWEST)


class Transfer:
    """One file on its way to one printer."""

    def __init__(self, room: Room, row: Row, file: PrintFile, *, resumed: bool) -> None:
        self._room = room
        self._row = row
        self._file = file
        self._id = ""
        self._stopped = False
        self._sent_before = resumed

    async def run(self) -> None:
        """Returns when the printer holds the file, its size verified.

        Raises RequeueError or HopelessError; after stop() SupersededError.
        """
        tries = 0
        waited = 0.0
        while not self._stopped:
            answer = await self._once()
            if answer.ok:
                return
            if self._is_stopped():
                break
            log.warning("upload.failed", job=self._row["id"], printer=self._row["printer_id"], code=answer.code)
            self._sort_out(answer)
            if answer.code in _TURN and waited < QUEUE_SECONDS:
                waited += PAUSES[-1]
                await self._pause(PAUSES[-1])
                continue
            tries += 1
            if tries >= TRIES:
                raise RequeueError(answer.code, failure_sentence(answer.code, answer.message), counted=True)
            await (self._return() if answer.code in _AWAY else self._pause(PAUSES[min(tries, len(PAUSES)) - 1]))
        raise SupersededError

    async def stop(self) -> None:
        """Break the transfer off; the printer's half file is removed with the other leftovers."""
        self._stopped = True
        self._room.said(self._row["printer_id"])
        if self._id:
            await self._room.hubs.ask(self._hub(), CancelAsk(transfer_id=self._id), 10.0)

    def _is_stopped(self) -> bool:
        return self._stopped  # changes while this task waits

    async def _once(self) -> Answer:
        self._id = ids.new("trf")
        ask = UploadAsk(
            printer_id=self._row["printer_id"],
            transfer_id=self._id,
            sha256=self._file.sha256,
            size=self._file.file_size_bytes,
            remote_path=self._row["remote_path"],
            own=self._sent_before,
        )
        self._sent_before = True
        watching = self._room.bus.subscribe(transfer_subject(self._id), self._progress)
        try:
            return await self._room.hubs.ask(self._hub(), ask, deadline(ask.size) + QUEUE_SECONDS)
        finally:
            watching.close()

    def _progress(self, _subject: str, data: bytes) -> None:
        at = decode_progress(data)
        percent = 100 if at.size == 0 else min(100, at.sent * 100 // at.size)
        self._room.live.job_progress(self._row["id"], {"upload_percent": percent})

    def _sort_out(self, answer: Answer) -> None:
        sentence = failure_sentence(answer.code, answer.message)
        if answer.code == "missing":
            raise HopelessError("missing", sentence)
        if answer.code in _HOPELESS:
            raise RequeueError(answer.code, sentence, counted=True)

    def _hub(self) -> Any:
        one = self._room.live.printer(self._row["printer_id"])
        return one.meta["hub_id"] if one else None

    async def _pause(self, seconds: float) -> None:
        until = asyncio.get_running_loop().time() + seconds
        async with self._room.listening(self._row["printer_id"]) as changed:
            while not self._stopped and (left := until - asyncio.get_running_loop().time()) > 0:
                await next_change(changed, left)

    async def _return(self) -> None:
        """Wait for a printer that went away."""
        until = asyncio.get_running_loop().time() + OFFLINE_SECONDS
        printer_id = self._row["printer_id"]
        async with self._room.listening(printer_id) as changed:
            while not self._stopped:
                one = self._room.live.printer(printer_id)
                if one is not None and one.online:
                    return
                left = until - asyncio.get_running_loop().time()
                if left <= 0:
                    raise RequeueError("offline", failure_sentence("offline"))
                await next_change(changed, left)
