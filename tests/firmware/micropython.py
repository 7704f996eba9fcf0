"""Run firmware modules under the real interpreter: MicroPython's Unix port, with a heap limit."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

HEAP = "416k"
"""The heap of a hub in tests: 64-bit words make it worth about 190 KB on the chip."""


def umqtt_folder() -> Path:
    """Where `umqtt` for the Unix port is; installed once by pipkin into the repository's cache."""
    named = os.environ.get("PRINTFARM_MICROPYTHON_LIB")
    folder = Path(named) if named else ROOT / ".cache" / "micropython-lib"
    if not (folder / "umqtt" / "robust.py").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [_tool("pipkin"), "-d", str(folder), "install", "--no-mp-org", "pycopy-umqtt.robust"],
            check=True,
            capture_output=True,
            timeout=120,
        )
    return folder


def _tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name} is not installed: pip install -e '.[farm]'")
    return found


def environment(*folders: Path) -> dict[str, str]:
    """The environment in which `import hub.x`, `import lib.x`, `import shared_protocol` work.

    Always `lib.websocket`, never `websocket`: the interpreter has a C module of that name.
    """
    path = [*folders, ROOT / "firmware", ROOT, umqtt_folder()]
    return os.environ | {"MICROPYPATH": ":".join([*map(str, path), ".frozen"])}


def command(*arguments: str, heap: str = HEAP) -> list[str]:
    """The command line of the interpreter with a heap limit such as `416k` or `2M`."""
    if importlib.util.find_spec("micropython_unix") is None:
        raise FileNotFoundError("MicroPython's Unix port is missing: pip install -e '.[farm]'")
    return [_tool("micropython"), "-X", f"heapsize={heap}", *arguments]


@dataclass(frozen=True)
class Finished:
    """What a program left behind."""

    code: int
    out: str
    err: str


async def run_code(
    source: str, *arguments: str, heap: str = HEAP, limit: float = 30.0, folders: Sequence[Path] = ()
) -> Finished:
    """Run *source* and wait for its end; an error exit raises AssertionError with its output.

    `sys.argv[1:]` holds *arguments*, which must be short: the interpreter dies of one of 256 characters.
    Needs no file: the source goes in by `-c`.
    """
    assert all(len(argument) < 256 for argument in arguments)
    async with start("-c", source, *arguments, heap=heap, folders=folders) as process:
        output = asyncio.create_task(process.communicate())
        done, _ = await asyncio.wait({output}, timeout=limit)
        if not done:
            process.kill()
        out, err = await output
        assert done, f"still running after {limit} s\n{out.decode()}\n{err.decode()}"
    code = process.returncode
    assert code is not None
    finished = Finished(code, out.decode(errors="replace"), err.decode(errors="replace"))
    assert code == 0, f"exit {code}\n{finished.out}\n{finished.err}"
    return finished


@contextlib.asynccontextmanager
async def start(
    *arguments: str,
    heap: str = HEAP,
    folders: Sequence[Path] = (),
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start the interpreter with both outputs piped; it is killed and reaped on the way out."""
    process = await asyncio.create_subprocess_exec(
        *command(*arguments, heap=heap),
        env=environment(*folders),
        cwd=cwd,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
