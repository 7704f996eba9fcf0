"""Receiving one file of a multipart form: parsed as it arrives, straight to the disk, never whole in memory."""

import re
import unicodedata
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from cloud.api.bodies import too_large
from cloud.api.errors import ApiError
from cloud.storage.files_folder import BlobStore, Incoming, NoSpaceError, TooLargeError

FIELD: Final = "file"
FORM_OVERHEAD: Final = 64 * 1024
"""Boundaries, part headers and small other fields."""
MAX_HEADER_BYTES: Final = 8 * 1024
SPACE_CHECK_BYTES: Final = 32 * 2**20
"""How much may be written between two looks at the free space."""
MAX_NAME_BYTES: Final = 180

_Event = tuple[str, bytes]


class _Parts:
    """The parser's callbacks, turned into a list of events that the reading loop works off."""

    def __init__(self, boundary: bytes) -> None:
        self.events: list[_Event] = []
        self._name = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": lambda data, start, end: self.events.append(("data", data[start:end])),
                "on_part_end": lambda: self.events.append(("end", b"")),
                "on_end": lambda: self.events.append(("finished", b"")),
            },
        )

    def feed(self, chunk: bytes) -> list[_Event]:
        """What this chunk brought. Raises ApiError 400."""
        self.events = []
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise malformed() from None
        return self.events

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]
        self._bound()

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._bound()

    def _bound(self) -> None:
        if len(self._name) + len(self._value) > MAX_HEADER_BYTES:
            raise malformed()

    def _on_header_end(self) -> None:
        if len(self._headers) >= 16:
            raise malformed()
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _on_headers_finished(self) -> None:
        self.events.append(("part", self._headers.get(b"content-disposition", b"")))
        self._headers = {}


async def receive(request: Request, blobs: BlobStore, incoming: Incoming, limit: int) -> str:
    """Write the form's field `file` into `incoming` and finish it; the file's name, made safe.

    Raises ApiError 400, 413, 415, 422, 507, and ClientDisconnect.
    """
    _check_announced(request, blobs, limit)
    parts = _Parts(_boundary(request))
    name: str | None = None
    wanted = finished = False
    written = other = 0
    try:
        async for chunk in request.stream():
            for kind, data in parts.feed(chunk):
                if kind == "part":
                    field, filename = _disposition(data)
                    wanted = field == FIELD
                    if wanted and name is not None:
                        raise ApiError(422, "invalid", "One file at a time, please.")
                    name = filename if wanted else name
                elif kind == "data" and wanted:
                    if written // SPACE_CHECK_BYTES != (written + len(data)) // SPACE_CHECK_BYTES:
                        _check_space(blobs, len(data))
                    written += len(data)
                    await incoming.write(data)
                elif kind == "data":
                    other += len(data)
                    if other > FORM_OVERHEAD:
                        raise ApiError(422, "invalid", f"The form holds more than the field {FIELD!r}.")
                finished = finished or kind == "finished"
        if not finished:
            raise malformed()
        if name is None:
            raise ApiError(422, "invalid", f"The form needs a field {FIELD!r} with a file.")
        await incoming.finish()
    except TooLargeError as error:
        raise too_large(error.limit) from None
    except NoSpaceError:
        raise no_space() from None
    return name


def malformed() -> ApiError:
    return ApiError(400, "invalid_form", "The form is not valid multipart/form-data.")


def no_space() -> ApiError:
    return ApiError(507, "no_space", "The server's disk is full. Delete files that are not needed any more.")


def _check_announced(request: Request, blobs: BlobStore, limit: int) -> None:
    """Refuse at once what says that it will not fit; what does not say, or lies, is stopped on its way."""
    announced = request.headers.get("content-length", "")
    if not re.fullmatch(r"[0-9]{1,18}", announced):
        return
    if int(announced) > limit + FORM_OVERHEAD:
        raise too_large(limit)
    _check_space(blobs, int(announced))


def _check_space(blobs: BlobStore, size: int) -> None:
    if size > blobs.free_bytes():
        raise no_space()


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data":
        raise ApiError(415, "unsupported_media_type", "Send the file as multipart/form-data.")
    if not 1 <= len(boundary) <= 200:
        raise malformed()
    return boundary


def _disposition(value: bytes) -> tuple[str, str | None]:
    _kind, options = parse_options_header(value)
    filename = options.get(b"filename")
    return (
        options.get(b"name", b"").decode(errors="replace"),
        None if filename is None else safe_name(filename.decode(errors="replace")),
    )


def safe_name(text: str) -> str:
    """A file name without folders, control characters or tricks, short enough for every disk; keeps its extension."""
    base = re.split(r"[/\\]", unicodedata.normalize("NFC", text))[-1]
    # Control, format (bidirectional overrides) and surrogate characters have no business in a name.
    clean = "".join(char for char in base if unicodedata.category(char)[0] != "C").strip(" .")
    clean = re.sub(r'[<>:"|?*]', "_", clean) or "unnamed"
    lower = clean.lower()
    suffix = next((end for end in (".gcode.3mf", ".3mf") if lower.endswith(end)), "")
    stem = clean[: len(clean) - len(suffix)] or "unnamed"
    stem = stem.encode()[: MAX_NAME_BYTES - len(suffix)].decode(errors="ignore")
    return stem + clean[len(clean) - len(suffix) :] if suffix else stem
