"""A Bluetooth peripheral in the air of Chromium: its Web Bluetooth stack is the real one, only the radio is not.

Chromium emulates the adapter (DevTools domain BluetoothEmulation, of the browser) and asks here for what each read,
write and subscription gives; the list of devices it would show is answered through the page (DeviceAccess). Two traps:
a characteristic without its 0x2902 descriptor cannot be subscribed to, and a list that is answered twice crashes it.
Notifications without being asked cannot be made, so a page is tested that asks.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Protocol

from playwright.async_api import Browser, CDPSession, Page

from shared_protocol import pairing

ARGUMENTS = ["--enable-blink-features=WebBluetooth", "--enable-features=WebBluetooth,WebBluetoothNewPermissionsBackend"]
CCCD = "00002902-0000-1000-8000-00805f9b34fb"
ADDRESS = "09:09:09:09:09:09"
_DOMAIN = "BluetoothEmulation"


class Peer(Protocol):
    """What the pairing service of a hub is, whoever carries it."""

    async def info(self) -> bytes: ...
    async def write(self, data: bytes) -> None: ...
    async def out(self) -> bytes: ...


class Air:
    """The air around one browser, with one hub in it."""

    def __init__(self, session: CDPSession, peer: Peer, address: str) -> None:
        self._session = session
        self._peer = peer
        self._address = address
        self._uuids: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.trouble: list[str] = []

    async def begin(self, name: str) -> None:
        """Put the hub into the air under its name."""
        session = self._session
        session.on(f"{_DOMAIN}.gattOperationReceived", lambda event: self._later(self._gatt(event)))
        session.on(f"{_DOMAIN}.characteristicOperationReceived", lambda event: self._later(self._characteristic(event)))
        session.on(f"{_DOMAIN}.descriptorOperationReceived", lambda event: self._later(self._descriptor(event)))
        await self._send("enable", state="powered-on", leSupported=True)
        await self._send(
            "simulatePreconnectedPeripheral",
            address=self._address,
            name=name,
            manufacturerData=[],
            knownServiceUuids=["00467768-6228-2272-4663-277478268000"],  # Improv, as in the hub's advertisement
        )

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self._send("disable")

    async def _send(self, method: str, **params: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await self._session.send(f"{_DOMAIN}.{method}", params)
        return answer

    def _later(self, work: Any) -> None:
        async def told() -> None:
            try:
                await work
            except Exception as error:
                self.trouble.append(repr(error))

        task = asyncio.ensure_future(told())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _gatt(self, event: dict[str, Any]) -> None:
        if event["type"] == "discovery":
            await self._services()
        await self._send("simulateGATTOperationResponse", address=self._address, type=event["type"], code=0)

    async def _services(self) -> None:
        if self._uuids:
            return
        service = (await self._send("addService", address=self._address, serviceUuid=pairing.SERVICE_UUID))["serviceId"]
        for uuid, can in (
            (pairing.INFO_UUID, {"read": True}),
            (pairing.IN_UUID, {"write": True}),
            (pairing.OUT_UUID, {"read": True, "notify": True}),
        ):
            made = await self._send("addCharacteristic", serviceId=service, characteristicUuid=uuid, properties=can)
            self._uuids[made["characteristicId"]] = uuid
            if "notify" in can:
                key = made["characteristicId"]
                await self._send("addDescriptor", characteristicId=key, descriptorUuid=CCCD)

    async def _characteristic(self, event: dict[str, Any]) -> None:
        key, kind = event["characteristicId"], event["type"]
        answer: dict[str, Any] = {"characteristicId": key, "type": kind, "code": 0}
        if kind == "read":
            read = self._peer.info if self._uuids[key] == pairing.INFO_UUID else self._peer.out
            answer["data"] = base64.b64encode(await read()).decode()
        if kind == "write":
            await self._peer.write(base64.b64decode(event["data"]))
        await self._send("simulateCharacteristicOperationResponse", **answer)

    async def _descriptor(self, event: dict[str, Any]) -> None:
        answer = {"descriptorId": event["descriptorId"], "type": event["type"], "code": 0}
        if event["type"] == "read":
            answer["data"] = base64.b64encode(b"\0\0").decode()
        await self._send("simulateDescriptorOperationResponse", **answer)


@contextlib.asynccontextmanager
async def in_the_air(browser: Browser, peer: Peer, name: str, address: str = ADDRESS) -> AsyncIterator[Air]:
    """A hub in range of the browser until the block ends."""
    session = await browser.new_browser_cdp_session()
    air = Air(session, peer, address)
    await air.begin(name)
    try:
        yield air
    finally:
        await air.end()
        await session.detach()


@contextlib.asynccontextmanager
async def choosing(page: Page, address: str | None = ADDRESS) -> AsyncIterator[list[int]]:
    """Within: the person takes this device from each list that the page makes the browser show; None closes the list.
    Gives how many devices each list had."""
    session = await page.context.new_cdp_session(page)
    answered: set[str] = set()
    shown: list[int] = []
    tasks: set[asyncio.Task[None]] = set()

    async def answer(event: dict[str, Any]) -> None:
        there = [one["id"] for one in event["devices"]]
        if event["id"] in answered or (address is not None and address not in there):
            return
        answered.add(event["id"])
        shown.append(len(there))
        if address is None:
            await session.send("DeviceAccess.cancelPrompt", {"id": event["id"]})
        else:
            await session.send("DeviceAccess.selectPrompt", {"id": event["id"], "deviceId": address})

    def later(event: dict[str, Any]) -> None:
        task = asyncio.ensure_future(answer(event))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    session.on("DeviceAccess.deviceRequestPrompted", later)
    await session.send("DeviceAccess.enable")
    try:
        yield shown
    finally:
        await session.detach()
