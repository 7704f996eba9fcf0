"""What `printing` asks of the node that holds a hub: requests on the bus subject `hub.<hub>.ask`, JSON both ways.

The responder answers every ask with an `Answer`; nobody there (NoResponder) means that the hub is not connected.
Failure codes of an answer: those of messages.RESULT_CODES, the words of `tunnel_close`, and those of `FAILURES`.
"""

from typing import Any, Final

import msgspec

FAILURES: Final = (
    "offline",  # the hub went away while the ask was under way
    "unknown_printer",
    "auth_failed",  # the printer refuses the access code
    "locked",  # the printer refuses because Developer Mode is off
    "cert_changed",  # another certificate than the pinned one: nothing was sent
    "storage",  # no card, card full or write-protected
    "name_refused",
    "exists",  # another file has this name on the printer
    "incomplete",  # the printer holds another number of bytes than were sent
    "timeout",
    "broken",  # the connection broke
    "busy",  # another transfer or viewer has the printer or the hub's sockets; try later
    "no_camera",
    "no_frame",
    "missing",  # the file is no longer in the store
    "cancelled",
)


class CommandAsk(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="command"):
    """A `command` message to the hub. The answer is the hub's `result`; `data` may be empty."""

    printer_id: str | None = None
    """None: the hub itself is meant."""
    id: str
    name: str
    args: dict[str, Any] = {}
    ttl_ms: int = 15000
    expect: list[str] | None = None

    def __repr__(self) -> str:
        """Without the arguments, which may hold a key or a password."""
        return f"CommandAsk({self.name} {self.id} to {self.printer_id or 'the hub'})"


class UploadAsk(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="upload"):
    """Carry a stored file to a printer by FTPS. Answered when its size is verified, data: bytes, seconds, kbps.

    Progress is published on transfer_subject(transfer_id). `own` says that an equally named file is a rest of
    this very transfer and may be overwritten.
    """

    printer_id: str
    transfer_id: str
    sha256: str
    size: int
    remote_path: str
    own: bool = False


class CancelAsk(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="cancel"):
    """Stop an upload at once. ok also when there is none: then it is over, or never came."""

    transfer_id: str


class RemoveAsk(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="remove"):
    """Delete a file from a printer. ok also when it was not there."""

    printer_id: str
    remote_path: str


class ListFilesAsk(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="list_files"):
    """What is on a printer's storage; answer data: a FilesFound."""

    printer_id: str
    folders: list[str]
    """Absolute; one that is not there holds nothing."""


class SnapshotAsk(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="snapshot"):
    """One fresh camera frame; answer data: {"jpeg": base64}."""

    printer_id: str


Ask = CommandAsk | UploadAsk | CancelAsk | RemoveAsk | ListFilesAsk | SnapshotAsk


class RemoteFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file on a printer, as it lists it."""

    path: str
    size: int
    modified: str | None
    """`2026-11-25T23:50:00` by the printer's own clock, whose zone nobody knows; None when it is not listed."""


class FilesFound(msgspec.Struct, frozen=True, kw_only=True):
    """What a printer listed."""

    files: list[RemoteFile]
    complete: bool
    """False: there are more than were looked at."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an ask. On failure `code` is one word and `message` one sentence."""

    ok: bool
    code: str = ""
    message: str = ""
    data: dict[str, Any] = {}


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an upload is, in bytes."""

    sent: int
    size: int


_ask_decoder: msgspec.json.Decoder[Ask] = msgspec.json.Decoder(Ask)
_answer_decoder = msgspec.json.Decoder(Answer)
_progress_decoder = msgspec.json.Decoder(Progress)


def ask_subject(hub_id: str) -> str:
    """Where the node that holds the hub answers."""
    return f"hub.{hub_id}.ask"


def transfer_subject(transfer_id: str) -> str:
    """Where the progress of an upload is published."""
    return f"transfer.{transfer_id}"


def encode(message: Ask | Answer | Progress) -> bytes:
    """JSON bytes for the bus."""
    return msgspec.json.encode(message)


def decode_ask(data: bytes) -> Ask:
    """Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _ask_decoder.decode(data)


def decode_answer(data: bytes) -> Answer:
    """Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _answer_decoder.decode(data)


def decode_progress(data: bytes) -> Progress:
    """Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _progress_decoder.decode(data)
