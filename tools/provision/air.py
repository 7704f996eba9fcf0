"""A hub in the air: the pairing service through this computer's Bluetooth."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError

from tools.provision.pair import GattChannel, PairError

SCAN_S: Final = 15.0


class _Gatt:
    """A `pair.Gatt` of bleak."""

    def __init__(self, client: BleakClient) -> None:
        self._client = client

    async def read(self, uuid: str) -> bytes:
        try:
            return bytes(await self._client.read_gatt_char(uuid))
        except BleakError as error:
            raise ConnectionError(str(error)) from None

    async def write(self, uuid: str, data: bytes) -> None:
        try:
            await self._client.write_gatt_char(uuid, data, response=True)
        except BleakError as error:
            raise ConnectionError(str(error)) from None


@contextlib.asynccontextmanager
async def open_channel(device: str) -> AsyncIterator[GattChannel]:
    """The hub whose label says `device`. Raises PairError when there is no such hub, or no radio."""
    name = f"PrintFarm-{device[:4]}"
    try:
        found = await BleakScanner.find_device_by_filter(
            # The name comes with the answer to a scan; some systems keep it with the device only.
            lambda seen, heard: name in (heard.local_name, seen.name),
            timeout=SCAN_S,
        )
    except (BleakError, OSError) as error:
        raise PairError("no_way", f"Bluetooth does not work ({error}). Try --serial PORT.") from None
    if found is None:
        raise PairError("not_found", f"Its name in the air would be {name}.")
    client = BleakClient(found)
    try:
        await client.connect()
    except (BleakError, OSError, TimeoutError) as error:
        raise PairError("no_way", f"{name} does not connect ({error}).") from None
    try:
        yield GattChannel(_Gatt(client))
    finally:
        # After success the hub hangs up by itself.
        with contextlib.suppress(BleakError, OSError):
            await client.disconnect()
