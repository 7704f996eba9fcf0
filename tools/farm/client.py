"""The cloud's API as a program uses it: an API key or a login, JSON in and out, and the live WebSocket.

    async with Client("https://farm.example", key="pfk_…") as api:
        async for job in api.pages("/api/print-jobs/", status="queued"):
            await api.change(f"/api/print-jobs/{job['id']}", {"priority": 5}, version=job["version"])

Answers are dicts, or what `shape` says: a msgspec Struct, such as those of cloud.api, checks and types them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import aiohttp
import msgspec

T = TypeVar("T")

PAGE: Final = 200

WAIT_LIMIT = 60.0


class ApiError(Exception):
    """An answer that is not a success: `status`, `code` and `message` as the API gave them."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


class Client:
    """One user of the API: with a `key`, or signed in by `login`."""

    def __init__(self, url: str, *, key: str = "") -> None:
        self.url = url
        self.token = key
        self._credentials: dict[str, str] | None = None
        self._http = aiohttp.ClientSession(url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def login(self, email: str, password: str) -> None:
        """Get a bearer token for what follows. It is good for minutes only; `request` gets the next one by itself."""
        self._credentials = {"email": email, "password": password}
        answer = await self._request("POST", "/api/auth/login", json=self._credentials)
        self.token = answer["access_token"]

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """The decoded JSON answer (None when there is none). Raises ApiError."""
        try:
            return await self._request(method, path, **options)
        except ApiError as error:
            if error.status != 401 or self._credentials is None:
                raise
        await self.login(self._credentials["email"], self._credentials["password"])
        return await self._request(method, path, **options)

    async def _request(self, method: str, path: str, **options: Any) -> Any:
        headers = {**self._headers, **options.pop("headers", {})}
        async with self._http.request(method, path, headers=headers, **options) as answer:
            body = await answer.read()
            if answer.status >= 400:
                raise _error(answer.status, body)
            if answer.content_type == "application/json" and body:
                return json.loads(body)
            return body or None

    async def one(self, path: str, shape: type[T]) -> T:
        """GET as a typed value. Raises ApiError, and msgspec.ValidationError when the answer is of another shape."""
        return msgspec.convert(await self.get(path), shape)

    async def pages(self, path: str, **filters: Any) -> AsyncIterator[dict[str, Any]]:
        """Every item of a list that matches, however long it is."""
        for offset in itertools.count(step=PAGE):
            page = await self.get(path, limit=PAGE, offset=offset, **filters)
            for item in page["items"]:
                yield item
            if offset + PAGE >= page["total"]:
                return

    async def create(self, path: str, body: Any, *, tries: int = 5) -> Any:
        """POST that makes something, once, however often the network breaks meanwhile."""
        headers = {"Idempotency-Key": secrets.token_urlsafe(24)}
        for attempt in range(tries):
            try:
                return await self.request("POST", path, json=body, headers=headers)
            except (aiohttp.ClientConnectionError, TimeoutError):
                if attempt == tries - 1:
                    raise
                await asyncio.sleep(0.2 * 2**attempt)
        raise ValueError("at least one try, please")

    async def change(self, path: str, body: Any, *, version: int) -> Any:
        """PATCH exactly the version that was seen. Raises ApiError 412 when somebody was faster."""
        return await self.request("PATCH", path, json=body, headers={"If-Match": f'"v{version}"'})

    async def get(self, path: str, **params: Any) -> Any:
        """GET with query parameters."""
        return await self.request("GET", path, params=params)

    async def post(self, path: str, body: Any = None) -> Any:
        """POST a JSON body."""
        return await self.request("POST", path, json=body if body is not None else {})

    async def patch(self, path: str, body: Any) -> Any:
        """PATCH with a JSON body."""
        return await self.request("PATCH", path, json=body)

    async def delete(self, path: str) -> Any:
        """DELETE."""
        return await self.request("DELETE", path)

    async def upload(self, path: Path, name: str | None = None) -> Any:
        """Upload a sliced file; the answer is the file's record."""
        with path.open("rb") as source:
            form = aiohttp.FormData(quote_fields=False)  # names travel as browsers send them
            form.add_field("file", source, filename=name or path.name, content_type="application/octet-stream")
            return await self.request("POST", "/api/files/upload", data=form)

    @contextlib.asynccontextmanager
    async def live(self) -> AsyncIterator[Live]:
        """The live state of the farm, kept up to date while the context is open."""
        async with self._http.ws_connect("/api/v1/ws", headers=self._headers, max_msg_size=0) as socket:
            live = Live(socket)
            await socket.send_json({"type": "watch"})
            reader = asyncio.create_task(live.run())
            try:
                await asyncio.wait_for(live.ready.wait(), WAIT_LIMIT)
                yield live
            finally:
                reader.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reader


def _error(status: int, body: bytes) -> ApiError:
    try:
        error = json.loads(body)["error"]
        return ApiError(status, error["code"], error["message"])
    except (ValueError, KeyError, TypeError):
        return ApiError(status, "unknown", body[:200].decode(errors="replace"))


class Live:
    """Printers and jobs as the live WebSocket tells them, and every state each of them went through, in order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.ready = asyncio.Event()
        self.closed = asyncio.Event()
        self.printers: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.seen: dict[str, list[str]] = {}  # job id -> statuses in order
        self.messages = 0
        self.bytes = 0
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        """Read until the socket ends."""
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            self.messages += 1
            self.bytes += len(message.data)
            await self._apply(json.loads(message.data))
        self.closed.set()
        async with self._changed:
            self._changed.notify_all()

    async def _apply(self, message: dict[str, Any]) -> None:
        if message["type"] == "snapshot":
            self.printers, self.jobs = message["printers"], message["jobs"]
            for job_id, job in self.jobs.items():
                self._note(job_id, job)
            self.ready.set()
        elif message["type"] == "delta":
            for printer_id, changes in message.get("printers", {}).items():
                _merge(self.printers, printer_id, changes)
            for job_id, changes in message.get("jobs", {}).items():
                _merge(self.jobs, job_id, changes)
                if changes:
                    self._note(job_id, self.jobs[job_id])
        async with self._changed:
            self._changed.notify_all()

    def _note(self, job_id: str, job: dict[str, Any]) -> None:
        seen = self.seen.setdefault(job_id, [])
        if not seen or seen[-1] != job["status"]:
            seen.append(job["status"])

    async def until(self, done: Callable[[Live], Any], limit: float = WAIT_LIMIT) -> Any:
        """Wait until `done(self)` is true and return its value. Raises TimeoutError with what is known."""
        try:
            async with asyncio.timeout(limit), self._changed:
                while not (value := done(self)):
                    if self.closed.is_set():
                        raise ConnectionError("the live WebSocket was closed")
                    await self._changed.wait()
                return value
        except TimeoutError:
            raise TimeoutError(
                f"still waiting after {limit:.0f} s; printers {self.printers} jobs {self.jobs}"
            ) from None


def _merge(table: dict[str, dict[str, Any]], key: str, changes: dict[str, Any] | None) -> None:
    if changes is None:
        table.pop(key, None)
        return
    row = table.setdefault(key, {})
    for name, value in changes.items():
        if value is None:
            row.pop(name, None)
        else:
            row[name] = value
