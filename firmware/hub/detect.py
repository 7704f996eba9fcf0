"""The printers' detect service: who is at this address? Answered without an access code."""

import asyncio
import json
import struct

from hub.address import plausible
from lib.wire import Wire, resolve, within

PORT = 3000

_ASK = b'{"login":{"command":"detect","sequence_id":"20000"}}'
_HEAD, _TAIL = b"\xa5\xa5", b"\xa7\xa7"
_LARGEST = 2048
_LIMIT_MS = 3_000
_SWEEP_MS = 250  # in one's own network an answer takes milliseconds
_PAUSE_MS = 20


async def detect(host: str, connect_ms: int = _LIMIT_MS) -> "dict | None":  # type: ignore[type-arg]
    """What the printer at a numeric address says: the fields of FOUND and `connect` ("lan", "cloud", ...).

    None when nobody answers there, or not in the way of these printers.
    """
    try:
        wire = await Wire.open(resolve(host, PORT), limit_ms=connect_ms)
    except OSError:
        return None
    try:
        said = await within(wire, _LIMIT_MS, _exchange(wire))
        printer = {"host": host, "serial": str(said["id"]).strip().upper()[:32], "connect": str(said.get("connect"))}
        for name, known, most in (("model", "model", 32), ("name", "name", 64), ("version", "firmware", 32)):
            printer[known] = str(said.get(name, ""))[:most]
        return printer if plausible(printer) else None
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):
        return None
    finally:
        wire.close()


async def _exchange(wire: Wire) -> "dict":  # type: ignore[type-arg]
    await wire.send(_HEAD + struct.pack("<H", len(_ASK) + 6) + _ASK + _TAIL)
    head = bytearray(4)
    await wire.fill(memoryview(head))
    length = struct.unpack("<H", head[2:])[0]
    if head[:2] != _HEAD or not 6 < length <= _LARGEST:
        raise ValueError
    body = bytearray(length - 4)
    await wire.fill(memoryview(body))
    return json.loads(bytes(body[:-2]))["login"]  # type: ignore[no-any-return]


async def sweep(address: str, stop) -> "list[dict]":  # type: ignore[type-arg, no-untyped-def]
    """Ask all addresses of our network of 256 one after the other, about a minute; ends early when *stop()*."""
    found = []
    network, own = address.rsplit(".", 1)
    for number in range(1, 255):
        if stop():
            break
        if number != int(own):
            printer = await detect("%s.%d" % (network, number), _SWEEP_MS)
            if printer is not None:
                found.append(printer)
        await asyncio.sleep_ms(_PAUSE_MS)
    return found
