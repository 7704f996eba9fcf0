"""Bluetooth for a process: GATT over one TCP connection to PF_BLE (host:port), where a test puts a radio or a browser.

One JSON object a line. First from here:
    {"name": "PrintFarm-7K3Q", "services": {uuid: {characteristic: "rwn"}}, "advertisement": hex, "mtu": 512}
then for each {"id": 1, "op": "read", "uuid": ...} the answer {"id": 1, "value": hex}, and for each
{"id": 2, "op": "write", "uuid": ..., "value": hex} {"id": 2}; and whenever a value or the advertisement has changed
{"changed": uuid, "advertisement": hex}.
"""

import asyncio
import json
import os
from binascii import hexlify, unhexlify

from hub.log import log
from lib.wire import Wire, resolve

_LINE = 4096


class Ble:
    """Carries `services` (uuid, characteristics, read, write, changed) under a name."""

    def __init__(self, name: str, services: "list", advertisement) -> None:  # type: ignore[type-arg, no-untyped-def]
        self._name = name
        self._services = services
        self._advertisement = advertisement
        self._wire: "Wire | None" = None
        for service in services:
            service.changed = self._changed

    async def run(self) -> None:
        """Serve until the connection ends; without PF_BLE there is no radio."""
        where = os.getenv("PF_BLE")
        if not where:
            return
        host, _colon, port = where.rpartition(":")
        self._wire = await Wire.open(resolve(host, int(port)))
        services = {service.uuid: service.characteristics for service in self._services}
        await self._say({"name": self._name, "services": services, "advertisement": self._advert(), "mtu": 512})
        try:
            while True:
                await self._serve(json.loads(await self._line()))
        except (EOFError, OSError):
            log("ble", "the radio is gone")

    def stop(self) -> None:
        """Switch the radio off."""
        if self._wire is not None:
            self._wire.close()

    def _advert(self) -> str:
        return hexlify(self._advertisement()).decode()

    async def _line(self) -> bytes:
        line = bytearray()
        one = memoryview(bytearray(1))
        while not line.endswith(b"\n"):
            if len(line) >= _LINE:
                raise EOFError
            await self._wire.fill(one)  # type: ignore[union-attr]
            line.extend(one)
        return bytes(line)

    async def _serve(self, asked: "dict") -> None:  # type: ignore[type-arg]
        answer = {"id": asked["id"]}
        for service in self._services:
            if asked["uuid"] in service.characteristics:
                if asked["op"] == "write":
                    service.write(asked["uuid"], unhexlify(asked["value"]))
                else:
                    answer["value"] = hexlify(service.read(asked["uuid"])).decode()
        await self._say(answer)

    def _changed(self, uuid: str) -> None:
        if self._wire is not None and not self._wire.closed:
            asyncio.create_task(self._hint(uuid))

    async def _hint(self, uuid: str) -> None:
        try:
            await self._say({"changed": uuid, "advertisement": self._advert()})
        except OSError:
            pass  # nobody listens any more

    async def _say(self, message: "dict") -> None:  # type: ignore[type-arg]
        await self._wire.send(json.dumps(message).encode() + b"\n")  # type: ignore[union-attr]
