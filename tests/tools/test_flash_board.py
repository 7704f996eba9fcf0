"""Identity, application and self-test on a board that answers mpremote: MicroPython at a terminal, behind a socket."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shared_protocol import pairing
from tests.tools.flash_board import FlashBoard
from tools import build_firmware
from tools.flash import identity, install, selftest
from tools.flash.device import Device, DeviceError
from tools.flash.failures import FlashError, Stage

ROOT = Path(__file__).resolve().parents[2]

SMALL = {
    "hub/a.mpy": b"a" * 5000,
    "hub/board/b.mpy": b"b" * 4096,
    "lib/empty.mpy": b"",
    "boot.py": b"import gc\n",
    "main.py": b"print('started')\n",
}


@pytest.fixture
def board(tmp_path: Path) -> Iterator[FlashBoard]:
    with FlashBoard(tmp_path) as running:
        yield running


def silent(_name: str, _done: int, _total: int) -> None:
    """No progress."""


def on(board: FlashBoard) -> dict[str, bytes]:
    return {
        str(path.relative_to(board.flash)): path.read_bytes()
        for path in board.flash.rglob("*")
        if path.is_file() and board.data not in path.parents and path.name != install.MANIFEST
    }


def test_files_arrive_whole_and_a_second_run_uploads_nothing(board: FlashBoard) -> None:
    with Device(board.port) as device:
        assert install.install(device, SMALL, silent) == list(SMALL)
    assert on(board) == SMALL
    manifest = json.loads((board.flash / install.MANIFEST).read_text())
    assert manifest["files"] == {name: hashlib.sha256(content).hexdigest() for name, content in SMALL.items()}
    before = board.uploaded
    with Device(board.port) as device:
        assert install.install(device, SMALL, silent) == []
    assert board.uploaded - before < 4000


def test_only_what_changed_is_uploaded_and_what_is_gone_is_removed(board: FlashBoard) -> None:
    with Device(board.port) as device:
        install.install(device, SMALL, silent)
        (board.flash / "hub" / "a.mpy").write_bytes(b"damaged")
        (board.flash / "mine.txt").write_text("a person's own")
        newer = {**SMALL, "hub/board/b.mpy": b"newer"}
        del newer["lib/empty.mpy"]
        seen: list[tuple[str, int, int]] = []
        assert install.install(device, newer, lambda *step: seen.append(step)) == ["hub/a.mpy", "hub/board/b.mpy"]
    assert on(board) == {**newer, "mine.txt": b"a person's own"}
    assert seen == [("hub/a.mpy", 0, 5005), ("hub/board/b.mpy", 5000, 5005), ("", 5005, 5005)]


def test_a_pulled_cable_is_repaired_by_running_again(board: FlashBoard) -> None:
    board.limit = 9000  # in the middle of the files
    with pytest.raises(FlashError, match="run the same command again") as failed, Device(board.port) as device:
        install.install(device, SMALL, silent)
    assert failed.value.stage == Stage.INSTALL
    assert not (board.flash / install.MANIFEST).exists()
    done = [name for name in SMALL if on(board).get(name) == SMALL[name]]
    assert 0 < len(done) < len(SMALL)
    board.limit = None
    with Device(board.port) as device:
        assert install.install(device, SMALL, silent) == [name for name in SMALL if name not in done]
    assert {name: on(board)[name] for name in SMALL} == SMALL


def test_what_was_flashed_runs_and_not_an_older_update(board: FlashBoard) -> None:
    (board.data / "app_a" / "hub").mkdir(parents=True)
    (board.data / "app_a" / "hub" / "start.mpy").write_bytes(b"an update")
    for name in ("current", "current.spare", "tries", "fault.txt"):
        (board.data / name).write_text("1")
    (board.data / "wifi.json").write_text("{}")
    with Device(board.port) as device:
        install.install(device, SMALL, silent)
    assert [path.name for path in board.data.iterdir()] == ["wifi.json"]


def test_the_secret_is_made_once_and_is_the_one_the_hub_reads(board: FlashBoard) -> None:
    with Device(board.port) as device:
        first = identity.ensure(device)
    assert first.new
    kept = json.loads((board.data / "device.json").read_text())
    assert pairing.secret_of(kept["secret"]) == first.secret
    with Device(board.port) as device:
        again = identity.ensure(device)
    assert (again.new, again.secret) == (False, first.secret)
    assert kept["secret"] not in repr(first)
    assert repr(first.secret) not in repr(first)


def test_a_damaged_secret_is_neither_replaced_nor_shown(board: FlashBoard) -> None:
    board.data.mkdir()
    damaged = '{"secret": "ABCDEFGH"}'
    (board.data / "device.json").write_text(damaged)
    with Device(board.port) as device, pytest.raises(FlashError, match="damaged") as failed:
        identity.ensure(device)
    assert failed.value.stage == Stage.IDENTITY
    assert "ABCDEFGH" not in str(failed.value)
    assert (board.data / "device.json").read_text() == damaged


def test_the_firmware_installs_and_finds_itself_well(board: FlashBoard) -> None:
    files = install.files_of(build_firmware.compiled())
    with Device(board.port) as device:
        install.check_abi(device)
        install.install(device, files, silent)
        assert selftest.check(device) == ["memory good", "imports good", "flash good", "radio good"]
        assert not (board.flash / "selftest.tmp").exists()
        device.write("hub/config.mpy", b"M\x05\x00\x1f")
    with Device(board.port) as device, pytest.raises(FlashError, match="imports failed: ValueError") as failed:
        selftest.check(device)
    assert failed.value.stage == Stage.SELF_TEST


def test_a_board_without_micropython_says_so_soon(tmp_path: Path) -> None:
    with FlashBoard(tmp_path) as board:
        port = board.port
    with pytest.raises(DeviceError):
        Device(port, prompt_s=0.5)


CUT = """
import os, pathlib, signal, sys
from tests.tools.flash_board import FlashBoard
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # below nohup it is ignored, and so by all that is started here
board = FlashBoard(pathlib.Path(sys.argv[1]))
(board.flash / "main.py").write_text("import time\\ndef main():\\n print('runs')\\n while True: time.sleep(1)\\n")
board._begin(program=True)
board._read_until(b"runs\\n")
print(board._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_test_that_is_killed_leaves_no_board_running(tmp_path: Path) -> None:
    cut = subprocess.run(
        [sys.executable, "-c", CUT, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert cut.returncode == -signal.SIGKILL, cut.stderr
    if psutil.pid_exists(pid := int(cut.stdout)):
        _, alive = psutil.wait_procs([psutil.Process(pid)], 20)
        for one in alive:
            one.kill()
        assert not alive
