"""A hub out of its box: the real firmware, its Bluetooth bridged to the air of Chromium, its Wi-Fi networks in a file.

When it is paired it starts over by itself; the same data folder, with what it stored there, is the paired hub's.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from shared_protocol import pairing
from tests.firmware.ble_bridge import BleBridge
from tools.farm.cloud import free_port
from tools.hub import HubProcess


class UnpairedHub:
    """`label` is what stands beneath its code; `device` its public id; `page` where its access point's page is."""

    def __init__(self, folder: Path, networks: dict[str, str], *, epoch: int = 0, label: str = "") -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        if label:
            (folder / "device.json").write_text(json.dumps({"secret": label}))
        if epoch:
            (folder / "nvs.json").write_text(json.dumps({"epoch": epoch}))
        self.in_range(networks)
        self.secret = HubProcess.unpaired(folder).device_secret
        self.label = pairing.base32(self.secret)
        self.device = pairing.device_of(pairing.proof_of(self.secret))
        self.name = ""
        self.page = ""
        self._bridge: BleBridge | None = None

    @property
    def _radio(self) -> Path:
        return (self.folder / "radio.json").resolve()

    def in_range(self, networks: dict[str, str], *, dhcp: bool = True) -> None:
        """The Wi-Fi networks that it sees, with their passwords."""
        points = [{"ssid": ssid, "password": password, "dhcp": dhcp} for ssid, password in networks.items()]
        self._radio.write_text(json.dumps(points))

    @contextlib.asynccontextmanager
    async def switched_on(self) -> AsyncIterator[UnpairedHub]:
        """Plugged in and waiting to be set up, until the block ends."""
        async with BleBridge.open() as bridge:
            port = free_port()
            extra = {"PF_RADIO": str(self._radio), "PF_BLE": bridge.address, "PF_PAGE": str(port)}
            async with HubProcess.unpaired(self.folder, extra=extra) as hub:
                await bridge.connected()
                await hub.wait_for("page on")
                self._bridge, self.name = bridge, bridge.shape["name"]
                self.page = f"http://127.0.0.1:{port}"
                yield self
                self._bridge = None

    def paired(self, *, discovery: int = 0) -> HubProcess:
        """The hub that it became, with the identity that it stored; not started. It hears printers on a port."""
        identity = json.loads((self.folder / "identity.json").read_text())
        extra = {"PF_RADIO": str(self._radio)}
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
