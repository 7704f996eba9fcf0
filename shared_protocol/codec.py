"""Bytes <-> message, with the limits of both sides.

Text frames: one JSON object with a `kind`. Binary frames: tunnel data, with a header of three bytes:
the frame's type, then the tunnel's number (big endian).
"""

import json
import struct

from .messages import BY_KIND
from .schema import ProtocolError

MAX_TEXT = 16 * 1024
MAX_DATA = 8 * 1024
MAX_BINARY = MAX_DATA + 3
WINDOW = 32 * 1024

DATA = 0
CREDIT = 1

_HEADER = ">BH"
_CREDIT = ">BHI"


def encode(kind, **fields):
    """The text frame of a message; its fields are the caller's duty.

    Raises ProtocolError(too_large) above MAX_TEXT bytes.
    """
    fields["kind"] = kind
    text = json.dumps(fields)
    # Pure ASCII on CPython; MicroPython writes UTF-8 as it is, where characters and bytes differ in number.
    if len(text) > MAX_TEXT or len(text.encode()) > MAX_TEXT:
        raise ProtocolError("too_large", kind, "message of more than %d bytes" % MAX_TEXT)
    return text


def decode(data, sender):
    """The checked message in a text frame sent by `sender` (HUB or CLOUD), as a dict.

    Raises ProtocolError with code too_large, not_json, not_object, no_kind, unknown_kind, wrong_sender, invalid,
    unknown_command or unknown_event. None of them is a reason to disconnect: answer with `error`.
    """
    if len(data) > MAX_TEXT:
        raise ProtocolError("too_large", "", "message of more than %d bytes" % MAX_TEXT)
    try:
        message = json.loads(data)
    except (ValueError, RuntimeError):
        # RuntimeError is what both interpreters raise for a document nested without end.
        raise ProtocolError("not_json", "", "not a JSON document")
    if not isinstance(message, dict):
        raise ProtocolError("not_object", "", "must be a JSON object")
    kind = message.get("kind")
    if not isinstance(kind, str):
        raise ProtocolError("no_kind", "kind", "is missing")
    declared = BY_KIND.get(kind)
    if declared is None:
        raise ProtocolError("unknown_kind", "kind", "no such kind of message")
    if sender not in declared.senders:
        raise ProtocolError("wrong_sender", "kind", "not for this side to say")
    declared.check(message)
    return message


def data_header(tunnel):
    """The three bytes before tunnel data. The caller sends header and payload in one frame, uncopied."""
    return struct.pack(_HEADER, DATA, tunnel)


def credit(tunnel, count):
    """The binary frame that lets the peer send `count` more bytes."""
    return struct.pack(_CREDIT, CREDIT, tunnel, count)


def split_binary(frame):
    """(type, tunnel, rest) of a binary frame: for DATA the payload as memoryview, for CREDIT the count."""
    size = len(frame)
    if size < 3:
        raise ProtocolError("invalid", "binary", "frame of fewer than 3 bytes")
    if size > MAX_BINARY:
        raise ProtocolError("too_large", "binary", "more than %d bytes of tunnel data" % MAX_DATA)
    kind, tunnel = struct.unpack_from(_HEADER, frame, 0)
    if kind == DATA:
        return kind, tunnel, memoryview(frame)[3:]
    if kind == CREDIT:
        if size != 7:
            raise ProtocolError("invalid", "binary", "a credit has 7 bytes")
        return kind, tunnel, struct.unpack_from(_CREDIT, frame, 0)[2]
    raise ProtocolError("invalid", "binary", "no such type of frame")
