"""Two Bluetooth radios without hardware (bumble): one carries a hub's services, the other is bleak's.

async with Air.open(bridge) as air:
    device, heard = await air.scan()
    client = ImprovBLEClient(device, heard)
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any, Self
from uuid import UUID as PlainUUID  # noqa: N811

from bleak.assigned_numbers import CharacteristicPropertyName
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink

from tests.firmware.ble_bridge import LIMIT_S, BleBridge

HUB_ADDRESS = "F0:F1:F2:F3:F4:F5"
OUR_ADDRESS = "E0:E1:E2:E3:E4:E5"
_MTU = 515
_PROPERTIES = {
    "r": Characteristic.Properties.READ,
    "w": Characteristic.Properties.WRITE,
    "n": Characteristic.Properties.NOTIFY,
}
_NAMES: dict[str, CharacteristicPropertyName] = {"r": "read", "w": "write", "n": "notify"}


class Air:
    """The two radios. The hub's follows what the firmware says over `bridge`."""

    def __init__(self, bridge: BleBridge) -> None:
        self._bridge = bridge
        link = LocalLink()  # type: ignore[no-untyped-call]
        self._hub = self._device("hub", HUB_ADDRESS, link)
        self.ours = self._device("ours", OUR_ADDRESS, link)
        self._values: dict[str, Characteristic[bytes]] = {}
        self._advertised = b""

    @staticmethod
    def _device(name: str, address: str, link: LocalLink) -> Device:
        device = Device(name=name, address=Address(address), host=Host())
        device.host.controller = Controller(name, link=link)
        return device

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, bridge: BleBridge) -> AsyncIterator[Self]:
        """Switch both on, once the firmware has said what it serves."""
        await bridge.connected()
        air = cls(bridge)
        for uuid, characteristics in bridge.shape["services"].items():
            air._hub.add_service(Service(uuid, [air._characteristic(*one) for one in characteristics.items()]))
        for device in (air._hub, air.ours):
            await device.power_on()
        await air._advertise()
        following = asyncio.create_task(air._follow())
        try:
            yield air
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            for connection in list(air.ours.connections.values()):
                await connection.disconnect()
            for device in (air._hub, air.ours):
                await device.power_off()

    def _characteristic(self, uuid: str, flags: str) -> Characteristic[bytes]:
        async def read(connection: Connection) -> bytes:
            return await self._bridge.read(uuid)

        async def write(connection: Connection, value: bytes) -> None:
            await self._bridge.write(uuid, value)

        properties = Characteristic.Properties(0)
        for flag in flags:
            properties |= _PROPERTIES[flag]
        made: Characteristic[bytes] = Characteristic(
            uuid,
            properties,
            Characteristic.READABLE | Characteristic.WRITEABLE,
            CharacteristicValue(read=read, write=write),
        )
        self._values[uuid] = made
        return made

    async def _advertise(self) -> None:
        self._advertised = self._bridge.advertisement
        name = self._bridge.shape["name"].encode()
        assert len(self._advertised) <= 31
        assert len(name) <= 29
        await self._hub.start_advertising(
            advertising_data=self._advertised,
            scan_response_data=bytes([len(name) + 1, AdvertisingData.COMPLETE_LOCAL_NAME]) + name,
            auto_restart=True,
        )

    async def _follow(self) -> None:
        """Notify what has changed, and advertise the new state."""
        while True:
            uuid = await self._bridge.hints.get()
            await self._hub.notify_subscribers(self._values[uuid], await self._bridge.read(uuid))
            if self._bridge.advertisement != self._advertised and not self._hub.connections:
                await self._hub.stop_advertising()
                await self._advertise()

    async def scan(self) -> tuple[BLEDevice, AdvertisementData]:
        """The hub as a scanner sees it. The virtual link carries no answers to scans; the name in it is added."""
        seen: asyncio.Future[Advertisement] = asyncio.get_running_loop().create_future()

        def heard(advertisement: Advertisement) -> None:
            if not seen.done():
                seen.set_result(advertisement)

        self.ours.on("advertisement", heard)
        await self.ours.start_scanning(legacy=True, filter_duplicates=False)
        async with asyncio.timeout(LIMIT_S):
            advertisement = await seen
        await self.ours.stop_scanning()
        return _as_bleak(advertisement, self._bridge.shape["name"], self)

    async def alone(self) -> None:
        """Our side has hung up; the client does so after each failure, in its own time."""
        async with asyncio.timeout(LIMIT_S):
            while self.ours.connections:
                await asyncio.sleep(0.01)


def _as_bleak(advertisement: Advertisement, name: str, air: Air) -> tuple[BLEDevice, AdvertisementData]:
    data = advertisement.data
    services: dict[str, bytes] = {}
    for uuid, value in data.get_all(AdvertisingData.Type.SERVICE_DATA_16_BIT_UUID):
        services[_uuid(uuid)] = value
    uuids = [
        _uuid(uuid)
        for group in data.get_all(AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS)
        for uuid in group
    ]
    heard = AdvertisementData(
        local_name=name,
        manufacturer_data={},
        service_data=services,
        service_uuids=uuids,
        tx_power=None,
        rssi=advertisement.rssi,
        platform_data=(),
    )
    return BLEDevice(str(advertisement.address), name, air), heard


def _uuid(uuid: UUID) -> str:
    return str(PlainUUID(bytes=bytes(uuid.to_bytes(force_128=True))[::-1]))


class VirtualClient(BaseBleakClient):
    """bleak's backend: a connection through our radio of the `Air` that found the device."""

    def __init__(self, device: BLEDevice, **options: Any) -> None:
        super().__init__(device, **options)
        self._air: Air = device.details
        self._connection: Connection | None = None
        self._peer: Peer | None = None

    @property
    def name(self) -> str:
        return "hub"

    @property
    def mtu_size(self) -> int:
        return _MTU

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def connect(self, pair: bool, **options: Any) -> None:
        self._connection = await self._air.ours.connect(Address(HUB_ADDRESS), timeout=LIMIT_S)
        self._connection.on("disconnection", self._gone)
        self._peer = Peer(self._connection)
        await self._peer.request_mtu(_MTU)
        await self._peer.discover_all()  # type: ignore[no-untyped-call]
        self.services = BleakGATTServiceCollection()
        handles = itertools.count(1)
        for found in self._peer.services:
            service = BleakGATTService(found, next(handles), _uuid(found.uuid))
            self.services.add_service(service)
            for value in found.characteristics:
                names = [name for flag, name in _NAMES.items() if value.properties & _PROPERTIES[flag]]
                self.services.add_characteristic(
                    BleakGATTCharacteristic(value, next(handles), _uuid(value.uuid), names, lambda: _MTU - 3, service)
                )

    def _gone(self, reason: int) -> None:
        self._connection = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.disconnect()

    async def pair(self, *args: Any, **options: Any) -> None:
        raise NotImplementedError

    async def unpair(self) -> None:
        raise NotImplementedError

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **options: Any
    ) -> bytearray:
        return bytearray(await characteristic.obj.read_value())

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **options: Any
    ) -> bytearray:
        raise NotImplementedError

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: Any, response: bool) -> None:
        await characteristic.obj.write_value(bytes(data), with_response=response)

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: Any) -> None:
        raise NotImplementedError

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: Callable[[bytearray], None], **options: Any
    ) -> None:
        await characteristic.obj.subscribe(lambda value: callback(bytearray(value)))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        await characteristic.obj.unsubscribe()
