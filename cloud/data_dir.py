"""The data directory belongs to one process at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOCK: Final = "printfarm.lock"


class DataDirError(RuntimeError):
    """The directory cannot be used; the message is for the person who started the program."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the directory if need be and hold it. The system lets go of it when the process ends, however it ends.

    Raises DataDirError when another process holds it, or it cannot be written.
    """
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise DataDirError(f"The data directory {folder} cannot be used: {error.strerror}.") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirError(
                f"Another PrintFarm (process {_holder(descriptor)}) uses the data directory {folder}. "
                "Stop it first, or set PRINTFARM_DATA_DIR to another directory."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
