"""Reading print files without risk to the service: in worker processes with limits on memory, CPU and time.

A worker is started when it is first needed, kept for the next file, replaced after some hundred files, and killed when
it takes too long. A file that kills its worker is refused; the next one gets a new worker.
"""

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Final, Self

import msgspec

from cloud.catalog.archive import Limits, ThreeMFError
from cloud.catalog.sliced import SlicedFile
from cloud.catalog.threemf import ThumbnailSize
from cloud.catalog.worker import (
    LENGTH_BYTES,
    UNREADABLE,
    DiskError,
    Facts,
    Picture,
    ReadRequest,
    Refusal,
    Reply,
    Request,
    ThumbnailRequest,
)

_ROOT: Final = Path(__file__).resolve().parents[2]
_TOO_SLOW: Final = "Reading this file took too long, so it was refused."
_CRASHED: Final = "This file could not be read: it needs more work than any print file should."
_MAX_REPLY: Final = 32 << 20
_FILES_PER_WORKER: Final = 200
_GOODBYE_SECONDS: Final = 2.0
# A start under load (page cache cold, other processes busy) was seen to take seconds.
_START_ALLOWANCE: Final = 10.0
_DECODER: Final[msgspec.json.Decoder[Reply]] = msgspec.json.Decoder(Reply)


class _Worker:
    """One process, and the pipe to it. After any failure it is killed, never reused."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.files = 0

    @classmethod
    async def start(cls, memory_bytes: int, cpu_seconds: int) -> Self:
        # Nothing of the service's environment: it holds keys and passwords.
        keep = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH") if key in os.environ}
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "cloud.catalog.worker",
                str(memory_bytes),
                str(cpu_seconds),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**keep, "PYTHONPATH": str(_ROOT), "PYTHONUTF8": "1"},
            )
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, request: Request) -> Reply:
        """Raises EOFError, ConnectionError or msgspec.DecodeError when the worker fails."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise EOFError("the worker has no pipes")
        body = msgspec.json.encode(request)
        stdin.write(len(body).to_bytes(LENGTH_BYTES, "big") + body)
        await stdin.drain()
        length = int.from_bytes(await stdout.readexactly(LENGTH_BYTES), "big")
        if length > _MAX_REPLY:
            raise EOFError("the worker's answer is too long")
        self.files += 1
        return _DECODER.decode(await stdout.readexactly(length))

    def kill(self) -> None:
        if self.alive:
            self._process.kill()

    async def end(self) -> None:
        """Let it go: the end of its input is the sign; killed when it does not follow."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()


class ThreeMFReader:
    """Reads files in `workers` processes at most; requests beyond that wait their turn.

    `wall_seconds` is the limit of one file, `cpu_seconds` and `memory_bytes` those of its process. Close it when the
    service stops: no process outlives it.
    """

    def __init__(
        self,
        *,
        workers: int = 1,
        wall_seconds: float = 60.0,
        cpu_seconds: int = 30,
        memory_bytes: int = 512 << 20,
        limits: Limits | None = None,
    ) -> None:
        self._wall_seconds = wall_seconds
        self._cpu_seconds = cpu_seconds
        self._memory_bytes = memory_bytes
        self._limits = limits or Limits()
        self._turns = asyncio.Semaphore(workers)
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """Process ids of all workers that live, for supervision."""
        return [worker.pid for worker in (*self._idle, *self._busy) if worker.alive]

    async def read(self, path: Path) -> SlicedFile:
        """What `read_threemf` returns and raises; also ThreeMFError("unreadable") when a limit was hit."""
        reply = await self._ask(ReadRequest(str(path), self._limits))
        if not isinstance(reply, Facts):
            raise _unexpected(reply)
        return reply.file

    async def thumbnail(self, path: Path, plate: int, size: ThumbnailSize = "large") -> bytes | None:
        """What `read_thumbnail` returns and raises; also ThreeMFError("unreadable") when a limit was hit."""
        reply = await self._ask(ThumbnailRequest(str(path), self._limits, plate, size))
        if not isinstance(reply, Picture):
            raise _unexpected(reply)
        return reply.png

    async def close(self) -> None:
        """End all workers. Readings under way fail with ThreeMFError("unreadable")."""
        self._closed = True
        for worker in self._busy:
            worker.kill()
        while self._idle:
            self._let_go(self._idle.pop())
        while self._ending or self._busy:
            await asyncio.gather(*self._ending, *(worker.end() for worker in self._busy))
            # Whoever waited for a busy worker now hands it over to be ended.
            await asyncio.sleep(0)

    async def _ask(self, request: Request) -> Reply:
        async with self._turns:
            if self._closed:
                raise ThreeMFError(UNREADABLE, "The service is shutting down; upload again later.")
            worker = await self._take()
            try:
                async with asyncio.timeout(self._wall_seconds + _START_ALLOWANCE * (not worker.files)):
                    reply = await worker.ask(request)
            except TimeoutError as error:
                raise ThreeMFError(UNREADABLE, _TOO_SLOW) from error
            except (EOFError, ConnectionError, msgspec.DecodeError) as error:
                raise ThreeMFError(UNREADABLE, _CRASHED) from error
            else:
                self._busy.discard(worker)
                self._give_back(worker)
                return reply
            finally:
                # Still busy here means failed or cancelled: its pipe may hold half an answer.
                if worker in self._busy:
                    self._busy.discard(worker)
                    worker.kill()
                    self._let_go(worker)

    async def _take(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                self._busy.add(worker)
                return worker
            self._let_go(worker)
        starting = asyncio.ensure_future(_Worker.start(self._memory_bytes, self._cpu_seconds))
        try:
            # A start that is cancelled half way would leave a process behind that nobody knows.
            worker = await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._track(_end_unused(starting))
            raise
        self._busy.add(worker)
        return worker

    def _give_back(self, worker: _Worker) -> None:
        if self._closed or worker.files >= _FILES_PER_WORKER:
            self._let_go(worker)
        else:
            self._idle.append(worker)

    def _let_go(self, worker: _Worker) -> None:
        self._track(worker.end())

    def _track(self, ending: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(ending)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


async def _end_unused(starting: asyncio.Future[_Worker]) -> None:
    await (await starting).end()


def _unexpected(reply: Reply) -> Exception:
    if isinstance(reply, Refusal):
        return ThreeMFError(reply.code, reply.sentence)
    if isinstance(reply, DiskError):
        return OSError(reply.errno, reply.text)
    return RuntimeError(f"the reader answered with {type(reply).__name__}")
