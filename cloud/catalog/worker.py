"""The process that opens strangers' files: `python -m cloud.catalog.worker MEMORY_BYTES CPU_SECONDS`.

Started by `cloud.catalog.reading`. Reads requests from stdin and answers on stdout, each one JSON behind a 4-byte
length; ends when stdin does. It can write no files, and holds none of the service's secrets: its environment is empty.
"""

import resource
import signal
import sys
import traceback
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from cloud.catalog.archive import Limits, ThreeMFError
from cloud.catalog.sliced import SlicedFile
from cloud.catalog.threemf import ThumbnailSize, read_threemf, read_thumbnail

LENGTH_BYTES: Final = 4
UNREADABLE: Final = "unreadable"
TOO_COSTLY: Final = "This file needs more memory than any print file should."
UNKNOWN: Final = "This file could not be read."
_OPEN_FILES: Final = 32


class ReadRequest(msgspec.Struct, frozen=True, tag="read"):
    """Read a whole file."""

    path: str
    limits: Limits


class ThumbnailRequest(msgspec.Struct, frozen=True, tag="thumbnail"):
    """Fetch one picture."""

    path: str
    limits: Limits
    plate: int
    size: ThumbnailSize


class Refusal(msgspec.Struct, frozen=True, tag="refused"):
    """What a ThreeMFError says."""

    code: str
    sentence: str


class Picture(msgspec.Struct, frozen=True, tag="picture"):
    """A thumbnail; None when the file has none."""

    png: bytes | None


class Facts(msgspec.Struct, frozen=True, tag="file"):
    """What was read."""

    file: SlicedFile


class DiskError(msgspec.Struct, frozen=True, tag="disk"):
    """The file could not be opened or read: the service's fault, not the file's."""

    errno: int
    text: str


Request = ReadRequest | ThumbnailRequest
Reply = Facts | Picture | Refusal | DiskError


def answer(request: Request) -> Reply:
    """One request's reply; whatever goes wrong with the file is in it."""
    path = Path(request.path)
    try:
        if isinstance(request, ReadRequest):
            return Facts(read_threemf(path, request.limits))
        return Picture(read_thumbnail(path, request.plate, request.size, request.limits))
    except ThreeMFError as error:
        return Refusal(error.code, error.sentence)
    except MemoryError:
        return Refusal(UNREADABLE, TOO_COSTLY)
    except OSError as error:
        return DiskError(error.errno or 0, error.strerror or "")
    except Exception:
        # A fault of the reader: the trace goes to the service's log, the process stays usable.
        traceback.print_exc()
        return Refusal(UNREADABLE, UNKNOWN)


def _confine(memory_bytes: int) -> None:
    if sys.platform == "linux":  # elsewhere the address space cannot be limited
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))


def _allow_cpu(seconds: int) -> None:
    """The limit counts from the start of the process, so it moves on with every request."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, hard))


def serve(requests: BinaryIO, replies: BinaryIO, cpu_seconds: int) -> None:
    """Until the requests end."""
    decoder = msgspec.json.Decoder(Request)
    while head := requests.read(LENGTH_BYTES):
        body = requests.read(int.from_bytes(head, "big"))
        _allow_cpu(cpu_seconds)
        data = msgspec.json.encode(answer(decoder.decode(body)))
        replies.write(len(data).to_bytes(LENGTH_BYTES, "big") + data)
        replies.flush()


def main() -> None:
    """Entry point of the process."""
    # Ctrl-C reaches the whole group; the service decides when its worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    memory_bytes, cpu_seconds = int(sys.argv[1]), int(sys.argv[2])
    _confine(memory_bytes)
    serve(sys.stdin.buffer, sys.stdout.buffer, cpu_seconds)


if __name__ == "__main__":
    main()
