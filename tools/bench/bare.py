"""The baselines: what the same takes without the product, on the same machine in the same run."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect

from tools.virtual_printer import mqtt_packets as mq
from tools.virtual_printer.harness import RunningPrinter

_END_S = 10.0


def printer_context() -> ssl.SSLContext:
    """TLS as clients of these printers use it: no authority, no host name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


class BareMqtt:
    """A printer's MQTT over TLS and nothing else. `on_report(payload)` is called for every message."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        serial: str,
        on_report: Callable[[bytes], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._serial = serial
        self._on_report = on_report

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, printer: RunningPrinter, on_report: Callable[[bytes], None]) -> AsyncIterator[Self]:
        """Log in and subscribe; reports are read for as long as the block lasts."""
        reader, writer = await asyncio.open_connection(
            printer.address, printer.ports["mqtt"], ssl=printer_context(), server_hostname=printer.serial
        )
        client = cls(reader, writer, printer.serial, on_report)
        reading = None
        try:
            await client._login(printer.access_code)
            reading = asyncio.create_task(client._read())
            yield client
        finally:
            if reading is not None:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _login(self, code: str) -> None:
        body = _text("MQTT") + bytes([4, 0xC2]) + struct.pack(">H", 60) + _text("bench") + _text("bblp") + _text(code)
        self._writer.write(mq.packet(mq.CONNECT, 0, body))
        kind, body = await self._packet()
        if kind != mq.CONNACK or body[1]:
            raise ConnectionError("the printer refuses the login")
        self._writer.write(mq.packet(mq.SUBSCRIBE, 2, b"\0\1" + _text(f"device/{self._serial}/report") + b"\0"))
        while (await self._packet())[0] != mq.SUBACK:
            pass

    def publish(self, request: dict[str, Any]) -> None:
        """Send a request (QoS 0)."""
        self._writer.write(mq.publish(f"device/{self._serial}/request", json.dumps(request).encode()))

    async def _read(self) -> None:
        while True:
            kind, body = await self._packet()
            if kind == mq.PUBLISH:
                self._on_report(body[2 + struct.unpack_from(">H", body)[0] :])

    async def _packet(self) -> tuple[int, bytes]:
        kind = (await self._reader.readexactly(1))[0] >> 4
        length = shift = 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return kind, await self._reader.readexactly(length)


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def light_request(*, on: bool) -> dict[str, Any]:
    """The request that switches a printer's light."""
    mode = "on" if on else "off"
    return {"system": {"sequence_id": "20001", "command": "ledctrl", "led_node": "chamber_light", "led_mode": mode}}


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[ClientConnection]:
    """A connection to a bare WebSocket echo server in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tools.bench.echo",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), _END_S))
        async with connect(f"ws://127.0.0.1:{port}", compression=None, proxy=None) as socket:
            yield socket
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _END_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise


async def measure_echo(socket: ClientConnection, into: list[float], *, size: int = 200, interval: float = 0.05) -> None:
    """Append the seconds of one round trip of `size` bytes after the other to `into`, until cancelled."""
    payload = "x" * size
    while True:
        began = time.perf_counter()
        await socket.send(payload)
        await socket.recv()
        into.append(time.perf_counter() - began)
        await asyncio.sleep(interval)
