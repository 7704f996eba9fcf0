"""A hub out of its box with its Bluetooth bridged to the air of Chromium. When it is paired it ends, to start over."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from shared_protocol import pairing
from tests.firmware.ble_bridge import BleBridge
from tools.farm.new_hub import NewHub
from tools.hub import HubProcess


class UnpairedHub(NewHub):
    """With Bluetooth; `name` is what it is called in the air."""

    def __init__(self, folder: Path, networks: dict[str, str], *, epoch: int = 0, label: str = "") -> None:
        super().__init__(folder, networks, epoch=epoch, label=label)
        self.name = ""
        self._bridge: BleBridge | None = None

    @contextlib.asynccontextmanager
    async def switched_on(self) -> AsyncIterator[UnpairedHub]:
        """Plugged in and waiting to be set up, until the block ends."""
        async with BleBridge.open() as bridge, self.process(extra={"PF_BLE": bridge.address}) as hub:
            await bridge.connected()
            await hub.wait_for("page on")
            self._bridge, self.name = bridge, bridge.shape["name"]
            yield self
            self._bridge = None

    def paired(self, *, discovery: int = 0) -> HubProcess:
        """The hub that it became, with the identity that it stored; not started. It hears printers on a port."""
        identity = json.loads((self.folder / "identity.json").read_text())
        extra = {"PF_RADIO": str(self.radio)}
        return HubProcess(
            self.folder, identity["hub"], identity["key"], identity["cloud"], discovery=discovery, extra=extra
        )

    # ---- what the air asks

    async def info(self) -> bytes:
        return await self._air.read(pairing.INFO_UUID)

    async def out(self) -> bytes:
        return await self._air.read(pairing.OUT_UUID)

    async def write(self, data: bytes) -> None:
        await self._air.write(pairing.IN_UUID, data)

    @property
    def _air(self) -> BleBridge:
        if self._bridge is None:
            raise ConnectionError("the hub is switched off")
        return self._bridge
