"""Devices that pair with the whole application, and hubs that answer what they are told, over real sockets."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import websockets
from websockets.typing import Subprotocol

from shared_protocol import pairing as labels
from shared_protocol import version
from tests.cloud.api_kit import JSON, Client, Cloud
from tests.cloud.hub_kit import WAIT_S, FakeHub

BOOT = "boot0001"


class Device:
    """A box with a label, from the factory or reset by its button."""

    def __init__(self, secret: bytes = b"") -> None:
        self.secret = secret or os.urandom(16)
        self.reset_epoch = 0

    @property
    def id(self) -> str:
        return labels.device_of(labels.proof_of(self.secret))

    @property
    def proof(self) -> str:
        return labels.proof_of(self.secret).hex()

    def claim(self, token: str, **changes: Any) -> JSON:
        said = {"firmware": "0.2.0", "board": "test", "target": "unix", "reset_epoch": self.reset_epoch}
        return {"proof": self.proof, "token": token, **said, **changes}

    async def paired(self, cloud: Cloud, owner: Client | None = None, **asked: Any) -> JSON:
        """Pair it with the farm of this owner: what the claim answers."""
        begun = await (owner or cloud.owner).ok("POST", "/api/pairings", {"device_id": self.id, **asked})
        answer: JSON = await cloud.anonymous().ok("POST", "/hub/v1/claim", self.claim(begun["token"]))
        return answer


class LivingHub(FakeHub):
    """Answers commands as the test says, in the background; `told` are those it was told."""

    def __init__(self, socket: websockets.ClientConnection, answers: Mapping[str, JSON | None]) -> None:
        super().__init__(socket)
        self.answers = dict(answers)
        self.told: list[JSON] = []
        self.config: JSON = {}
        self.ended = asyncio.Event()
        self._news = asyncio.Event()

    async def serve(self) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for frame in self.socket:
                if isinstance(frame, str):
                    await self._take(frame)
        self.ended.set()
        self._news.set()

    async def _take(self, frame: str) -> None:
        from shared_protocol import codec
        from shared_protocol.schema import CLOUD

        message = codec.decode(frame, CLOUD)
        if "config" in message:
            self.config = message["config"]
        if message["kind"] == "command":
            self.told.append(message)
            answer = self.answers.get(message["name"], {"ok": True})
            if answer is not None:
                await self.say("result", id=message["id"], **answer)
        self._news.set()

    async def until(self, condition: Any) -> Any:
        """Until the condition holds; its value."""
        async with asyncio.timeout(WAIT_S):
            while not (found := condition()):
                self._news.clear()
                await self._news.wait()
        return found


@asynccontextmanager
async def living(
    cloud: Cloud, hub_id: str, key: str, answers: Mapping[str, JSON | None] | None = None, **hello: Any
) -> AsyncIterator[LivingHub]:
    """A connected hub that has been welcomed."""
    url = cloud.base.replace("http://", "ws://") + "/hub/v1/link"
    async with websockets.connect(
        url,
        additional_headers={"Authorization": f"Bearer {key}"},
        subprotocols=[Subprotocol(name) for name in version.SUBPROTOCOLS],
        compression=None,
        ping_interval=None,
        proxy=None,
    ) as socket:
        hub = LivingHub(socket, answers or {})
        said = {"firmware": "0.2.0", "board": "test", "boot": BOOT, "uptime_ms": 1, "last_event": 0, "revision": 0}
        await hub.say("hello", **{"hub": hub_id, **said, "sockets": 10, "max_printers": 6, **hello})
        hub.welcome = await FakeHub.until(hub, "welcome")
        hub.config = hub.welcome.get("config", {})
        serving = asyncio.create_task(hub.serve())
        try:
            yield hub
        finally:
            await socket.close()
            await serving


async def eventually(condition: Any) -> Any:
    """Ask until the awaited answer is true."""
    async with asyncio.timeout(WAIT_S):
        while not (found := await condition()):
            await asyncio.sleep(0.01)
    return found
