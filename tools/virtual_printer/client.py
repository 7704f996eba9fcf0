"""A typed client of the control API, for tests and for `ctl`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import aiohttp

State = dict[str, Any]


class ControlError(Exception):
    """The control API refused: `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True)
class StoredFile:
    path: str
    size: int
    sha256: str


class PrinterControl:
    """Looks into one printer and pulls its switches."""

    def __init__(self, session: aiohttp.ClientSession, url: str, serial: str) -> None:
        self._session = session
        self._base = f"{url}/printers/{serial}"

    async def state(self) -> State:
        """See control.state_of for the fields."""
        return cast(State, await self._call("GET", ""))

    async def files(self) -> dict[str, StoredFile]:
        """Everything on the storage, by path."""
        return {entry["path"]: StoredFile(**entry) for entry in await self._call("GET", "/files")}

    async def content(self, path: str) -> bytes:
        """A stored file's bytes."""
        async with self._session.get(f"{self._base}/files/content", params={"path": path}) as answer:
            if answer.status != 200:
                raise ControlError(answer.status, await answer.text())
            return await answer.read()

    async def journal(self) -> dict[str, Any]:
        """`commands`, `starts`, `starts_per_file`, `uploads`, `states`, `events`, `counters`."""
        return cast(dict[str, Any], await self._call("GET", "/journal"))

    async def commands(self, name: str) -> list[dict[str, Any]]:
        """Payloads of every command called `name` so far, in order."""
        found = (await self.journal())["commands"]
        return [entry["payload"] for entry in found if entry["command"] == name]

    async def starts_per_file(self) -> dict[str, int]:
        """How often each file was really started."""
        return cast(dict[str, int], (await self.journal())["starts_per_file"])

    async def wait(self, *, within: float = 30.0, **fields: object) -> State:
        """Wait until the state's fields are as given (`layer_num`, `mc_percent`: at least); "A,B" means either.

        Raises ControlError 408 when that did not happen within `within` seconds.
        """
        query = {name: str(value) for name, value in fields.items()} | {"timeout": str(within)}
        return cast(State, await self._call("GET", "/wait", params=query))

    async def fault(self, **switches: object) -> None:
        """Set fault switches by name."""
        await self._call("PATCH", "/faults", json=switches)

    async def do(self, action: str, **arguments: object) -> dict[str, Any]:
        """Perform an action (actions.ACTIONS)."""
        return cast(dict[str, Any], await self._call("POST", f"/actions/{action}", json=arguments))

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        async with self._session.request(method, self._base + path, **options) as answer:
            body = await answer.json()
            if answer.status >= 400:
                raise ControlError(answer.status, str(body))
            return body
