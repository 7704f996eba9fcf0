"""Improv over a cable: frames among whatever else is on the line.

Three commands of ours carry the sealed box of the pairing service (`shared_protocol.pairing`), so that a cable pairs a
hub as the air does. What is longer than a frame goes in pieces: offset(2) | total(2) | bytes, big endian.

    0x80 INFO    no data; results: the pieces of INFO
    0x81 BOX     a piece, as a write to IN; one empty result
    0x82 REPLY   no data; results: the pieces of OUT, total 0 before there is any
"""

import asyncio
import struct

from hub.improv import (
    INVALID,
    JOINED,
    JOINING,
    NO_ERROR,
    READY,
    SCAN,
    SEND_WIFI,
    Improv,
    checksum,
    packed,
)

from shared_protocol import pairing

_MAGIC = b"IMPROV\x01"
_STATE, _ERROR, _RPC, _RESULT = 1, 2, 3, 4
_HEAD = 9
_ASK_STATE = 2
_INTERRUPT = 3
_PAIR_INFO, _PAIR_BOX, _PAIR_REPLY = 0x80, 0x81, 0x82
_PIECE = 200
_LINE_FEED = 10


class ImprovSerial:
    """`send(bytes)` puts bytes on the line; `take(bytes)` is what came from it. A lone Ctrl-C calls `interrupted()`.

    `service` is the pairing service whose boxes are taken, if any are.
    """

    def __init__(self, improv: Improv, send, interrupted, service=None) -> None:  # type: ignore[no-untyped-def]
        self._service = service
        self._improv = improv
        self._send = send
        self._interrupted = interrupted
        self._line = bytearray()
        self._turn = asyncio.Lock()
        self._url = ""
        improv.changed = self._news

    def _news(self) -> None:
        self._say(_STATE, bytes([self._improv.state if self._improv.state in (READY, JOINING, JOINED) else READY]))

    def take(self, data: bytes) -> None:
        """Bytes from the line."""
        for byte in data:
            # Every RPC frame has a byte 3 at its eighth place; outside a frame it is somebody who wants the console.
            if byte == _INTERRUPT and not self._line:
                self._interrupted()
                continue
            self._line.append(byte)
            self._look()

    def _look(self) -> None:
        line = self._line
        known = min(len(line), len(_MAGIC))
        if bytes(line[:known]) != _MAGIC[:known]:
            # Not a frame: begin anew at the byte that broke it, which may be the first of one.
            last = line[-1]
            self._line = bytearray([last]) if last == _MAGIC[0] else bytearray()
            return
        if len(line) < _HEAD or len(line) < _HEAD + line[8] + 1:
            return
        frame = bytes(line)
        self._line = bytearray()
        if checksum(frame[:-1]) != frame[-1]:
            self._error(INVALID)
        elif frame[7] == _RPC:
            data = frame[_HEAD:-1]
            if len(data) < 2 or data[1] != len(data) - 2:
                self._error(INVALID)
            else:
                asyncio.create_task(self._run(data[0], data[2:]))

    async def _run(self, command: int, data: bytes) -> None:
        async with self._turn:
            if command == _ASK_STATE:
                self._error(NO_ERROR)
                self._news()
                if self._improv.state == JOINED:
                    self._result(command, [self._url] if self._url else [])
                return
            if self._service is not None and _PAIR_INFO <= command <= _PAIR_REPLY:
                self._pair(command, data)
                return
            self._error(NO_ERROR)
            if command == SCAN:
                for ssid, rssi, secured in await self._improv.networks():
                    self._result(command, [ssid, rssi, "YES" if secured else "NO"])
                self._result(command, [])
                return
            result = await self._improv.handle(command, data)
            if self._improv.error != NO_ERROR:
                self._error(self._improv.error)
            if result is not None:
                if command == SEND_WIFI and result:
                    self._url = result[0]
                self._result(command, result)

    def _pair(self, command: int, data: bytes) -> None:
        self._error(NO_ERROR)
        if command == _PAIR_BOX:
            self._service.write(pairing.IN_UUID, data)
            self._say(_RESULT, bytes([command, 0]))
            return
        value = self._service.read(pairing.INFO_UUID if command == _PAIR_INFO else pairing.OUT_UUID)
        at = 0
        while at == 0 or at < len(value):
            piece = struct.pack(">HH", at, len(value)) + value[at : at + _PIECE]
            self._say(_RESULT, bytes([command, len(piece)]) + piece)
            at += _PIECE

    def _error(self, error: int) -> None:
        self._say(_ERROR, bytes([error]))

    def _result(self, command: int, texts: "list[str]") -> None:
        data = packed(command, texts)
        if len(data) == _LINE_FEED:
            # The official client takes this length for the end of a line. One empty string more, which nobody reads.
            data = packed(command, texts + [""])
        self._say(_RESULT, data)

    def _say(self, kind: int, data: bytes) -> None:
        frame = _MAGIC + bytes([kind, len(data)]) + data
        # The line feed before it: a log line may be unfinished, and clients begin to look at line feeds.
        self._send(b"\n" + frame + bytes([checksum(frame)]) + b"\n")
