"""Bluetooth of the chip: services over NimBLE, advertised while the hub waits to be set up.

The stack takes some 110 KB, so it is up only then; `stop` gives it back.
"""

import asyncio
import struct

import bluetooth
from hub.log import log

_CONNECT = 1
_DISCONNECT = 2
_WRITE = 3

_FLAGS = {"r": bluetooth.FLAG_READ, "w": bluetooth.FLAG_WRITE, "n": bluetooth.FLAG_NOTIFY}
_VALUE = 512
_INTERVAL_US = 100_000
_WAITING = 16  # writes not yet looked at; who sends more has them thrown away, as no box and no frame needs so many


def _stack():  # type: ignore[no-untyped-def]
    # The stubs take handles for memory and times for numbers only.
    return bluetooth.BLE()


class Ble:
    """Carries `services` (uuid, characteristics, read, write, changed) under a name."""

    def __init__(self, name: str, services: "list", advertisement) -> None:  # type: ignore[type-arg, no-untyped-def]
        self._name = name.encode()
        self._services = services
        self._advertisement = advertisement
        self._ble = _stack()
        self._handles: "dict[int, tuple]" = {}  # type: ignore[type-arg]
        self._by_uuid: "dict[str, int]" = {}
        self._peers: "set[int]" = set()
        self._written: "list[tuple[int, bytes]]" = []
        self._wake = asyncio.ThreadSafeFlag()
        for service in services:
            service.changed = self._changed

    async def run(self) -> None:
        """Advertise and serve for ever."""
        ble = self._ble
        ble.active(True)
        ble.config(gap_name=self._name, mtu=_VALUE + 3, rxbuf=_VALUE + 64)
        ble.irq(self._irq)
        self._register()
        self._refresh()
        self._advertise()
        log("ble", "waiting to be set up")
        while True:
            await self._wake.wait()
            while self._written:
                handle, data = self._written.pop(0)
                service, uuid = self._handles[handle]
                service.write(uuid, data)
            self._refresh()
            if not self._peers:
                self._advertise()

    def stop(self) -> None:
        """Switch the radio off and give its memory back."""
        self._ble.gap_advertise(None)
        self._ble.active(False)

    def _register(self) -> None:
        shape = []
        for service in self._services:
            values = []
            for uuid, flags in service.characteristics.items():
                values.append((bluetooth.UUID(uuid), sum([_FLAGS[flag] for flag in flags])))
            shape.append((bluetooth.UUID(service.uuid), tuple(values)))
        for service, handles in zip(self._services, self._ble.gatts_register_services(tuple(shape))):
            for uuid, handle in zip(service.characteristics, handles):
                self._handles[handle] = (service, uuid)
                self._by_uuid[uuid] = handle
                # Values are cut at 20 bytes otherwise. What was written by several packets comes as one.
                self._ble.gatts_set_buffer(handle, _VALUE)

    def _refresh(self) -> None:
        """Put what can be read where the stack reads it: it asks nobody."""
        for handle, (service, uuid) in self._handles.items():
            if "r" in service.characteristics[uuid]:
                self._ble.gatts_write(handle, service.read(uuid))

    def _advertise(self) -> None:
        # The service must be in the advertisement itself, which it fills; the name goes into the answer to a scan.
        answer = struct.pack("BB", len(self._name) + 1, 9) + self._name
        self._ble.gap_advertise(_INTERVAL_US, self._advertisement(), resp_data=answer)

    def _irq(self, event: int, data: tuple) -> None:  # type: ignore[type-arg]
        # Runs between two steps of any task: nothing is done here but noting down.
        if event == _CONNECT:
            self._peers.add(data[0])
        elif event == _DISCONNECT:
            self._peers.discard(data[0])
            self._wake.set()
        elif event == _WRITE and len(self._written) < _WAITING:
            self._written.append((data[1], bytes(self._ble.gatts_read(data[1]))))
            self._wake.set()

    def _changed(self, uuid: str) -> None:
        handle = self._by_uuid.get(uuid)
        if handle is None:
            return
        service, _uuid = self._handles[handle]
        self._ble.gatts_write(handle, service.read(uuid))
        for peer in self._peers:
            try:
                self._ble.gatts_notify(peer, handle)
            except OSError:
                pass  # a hint only: whoever waits reads
        self._wake.set()
