"""Pages open in a browser, as far as the live WebSocket is concerned; nothing is kept but what is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import aiohttp

from tools.farm.client import Client

PATIENCE = 30.0
Message = dict[str, Any]


class Browser:
    """One page. `bytes` and `messages` count what came; `arrivals` are the times (`time.time()`) of the messages."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, on_message: Callable[[Message, float], None] | None
    ) -> None:
        self._socket = socket
        self._on_message = on_message
        self.bytes = 0
        self.messages = 0
        self.arrivals: list[float] = []
        self.ready = asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, api: Client, on_message: Callable[[Message, float], None] | None = None) -> AsyncIterator[Self]:
        """Watch the farm for as long as the block lasts. `on_message` gets each message, decoded, and its arrival.

        Raises TimeoutError when no snapshot comes; the block's end raises when the connection broke before.
        """
        headers = {"Authorization": f"Bearer {api.token}"}
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{api.url}/api/v1/ws", headers=headers, max_msg_size=0) as socket,
        ):
            browser = cls(socket, on_message)
            await socket.send_json({"type": "watch"})
            reading = asyncio.create_task(browser._read())
            try:
                await asyncio.wait_for(browser.ready.wait(), PATIENCE)
                yield browser
                if reading.done():
                    reading.result()
                    raise ConnectionError("the live WebSocket was closed")
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        async for message in self._socket:
            now = time.time()
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            self.bytes += len(message.data)
            self.messages += 1
            self.arrivals.append(now)
            if self._on_message is not None:
                self._on_message(json.loads(message.data), now)
            self.ready.set()


class JobWatch:
    """When each job reached each status, as a browser sees it; give `take` to Browser.open."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str], float] = {}
        self._reasons: dict[str, Any] = {}
        self._news = asyncio.Event()

    def take(self, message: Message, now: float) -> None:
        """Note the jobs in a message of the live WebSocket."""
        for job_id, changes in (message.get("jobs") or {}).items():
            if changes and "status" in changes:
                self._times.setdefault((job_id, changes["status"]), now)
            if changes:
                self._reasons[job_id] = changes.get("failure_reason") or changes.get("waiting_reason")
        self._news.set()

    async def reached(self, job_id: str, status: str, within: float = PATIENCE) -> float:
        """The time (`time.time()`) at which the job had that status; RuntimeError when it failed instead."""
        try:
            async with asyncio.timeout(within):
                while (job_id, status) not in self._times:
                    if (job_id, "failed") in self._times:
                        raise RuntimeError(f"job {job_id} failed: {self._reasons.get(job_id)}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            seen = [name for known, name in self._times if known == job_id]
            raise TimeoutError(
                f"job {job_id} is not {status} after {within:.0f} s, only {seen}: {self._reasons.get(job_id)}"
            ) from None
        return self._times[job_id, status]
