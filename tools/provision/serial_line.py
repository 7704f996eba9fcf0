"""A hub at a cable: Improv's serial frames, with commands of ours for a box (firmware/hub/improv_serial.py)."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator
from typing import Final, Protocol

import serial

from tools.provision.pair import pieces

LIMIT_S: Final = 10.0

_MAGIC: Final = b"IMPROV\x01"
_ERROR, _RPC, _RESULT = 2, 3, 4
_INFO, _BOX, _REPLY = 0x80, 0x81, 0x82
_PIECE: Final = 200
_BAUD: Final = 115_200
_WAIT_S: Final = 0.05


class Port(Protocol):
    """What of a serial port is used; both calls may block for a moment."""

    def read(self, size: int, /) -> bytes:
        """What has come, up to `size` bytes; empty after a moment of silence."""

    def write(self, data: bytes, /) -> int | None:
        """Send."""


def frame(command: int, data: bytes) -> bytes:
    """One command as it goes over the line."""
    body = _MAGIC + bytes([_RPC, len(data) + 2, command, len(data)]) + data
    return body + bytes([sum(body) & 255]) + b"\n"


def frames_in(heard: bytearray) -> list[tuple[int, bytes]]:
    """The whole frames (type, data) among what was heard, which loses them and what is no frame."""
    found: list[tuple[int, bytes]] = []
    while (at := heard.find(_MAGIC)) >= 0:
        del heard[:at]
        if len(heard) < 9 or len(heard) < 10 + heard[8]:
            return found
        end = 9 + heard[8]
        if sum(heard[:end]) & 255 == heard[end]:
            found.append((heard[7], bytes(heard[9:end])))
            del heard[: end + 1]
        else:
            del heard[:1]
    del heard[: max(0, len(heard) - len(_MAGIC))]
    return found


class SerialChannel:
    """The pairing service over a cable."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._heard = bytearray()
        self._frames: collections.deque[tuple[int, bytes]] = collections.deque()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, name: str) -> AsyncIterator[SerialChannel]:
        """A port by its name (/dev/ttyACM0, COM3) or URL (socket://host:port). ConnectionError else."""
        try:
            port = await asyncio.to_thread(serial.serial_for_url, name, _BAUD, timeout=_WAIT_S, do_not_open=True)
            # These lines reset boards or hold them in their loader.
            port.dtr = port.rts = False
            await asyncio.to_thread(port.open)
        except (serial.SerialException, ValueError) as error:
            raise ConnectionError(f"{name} does not open: {error}") from None
        try:
            yield cls(port)
        finally:
            await asyncio.to_thread(port.close)

    async def info(self) -> bytes:
        """INFO."""
        return await self._read(_INFO)

    async def deliver(self, box: bytes) -> None:
        """IN, in pieces."""
        for piece in pieces(box, _PIECE):
            await self._ask(_BOX, piece)

    async def reply(self) -> bytes:
        """OUT."""
        return await self._read(_REPLY)

    async def _read(self, command: int) -> bytes:
        value = bytearray()
        async with asyncio.timeout(LIMIT_S):
            piece = await self._ask(command)
            while True:
                total = int.from_bytes(piece[2:4], "big")
                value += piece[4:]
                if len(value) >= total:
                    return bytes(value)
                piece = await self._result(command)

    async def _ask(self, command: int, data: bytes = b"") -> bytes:
        self._frames.clear()
        async with asyncio.timeout(LIMIT_S):
            await asyncio.to_thread(self._port.write, frame(command, data))
            return await self._result(command)

    async def _result(self, command: int) -> bytes:
        """The next result of a command, without its head."""
        while True:
            while self._frames:
                kind, data = self._frames.popleft()
                if kind == _ERROR and data != b"\0":
                    raise ConnectionError("the hub does not know the command")
                if kind == _RESULT and data[:1] == bytes([command]):
                    return data[2:]
            self._heard += await asyncio.to_thread(self._port.read, 256)
            self._frames.extend(frames_in(self._heard))
