"""The whole command: an empty chip becomes a hub with a label that reads; and everything that can go wrong."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import zxingcpp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from PIL import Image

from shared_protocol import pairing
from tests.tools.flash_board import FlashBoard
from tests.tools.flash_rom import Rom
from tests.tools.test_flash_rom import image
from tools import build_firmware
from tools.flash import firmware_file
from tools.flash.__main__ import main
from tools.flash.failures import Stage
from tools.flash.firmware_file import MEMORY, take
from tools.flash.images import IMAGES

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"hub/selftest.py": "def run():\n    print('selftest: all good')\n    return []\n", "main.py": "print('on')\n"}

Flash = Callable[..., int]


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    path = tmp_path / "mp.bin"
    path.write_bytes(image())
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    for name, text in SMALL.items():
        path = tmp_path / "small" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "small"


@pytest.fixture
def flash(tmp_path: Path, firmware: Path, small: Path) -> Flash:
    def run(*options: str) -> int:
        fixed = ["--cache", str(tmp_path / "cache"), "--build", str(small), "--firmware", str(firmware)]
        return main([*fixed, *options])

    return run


def wait_for(path: Path, content: str) -> None:
    deadline = time.monotonic() + 20
    while not path.exists() or path.read_text() != content:
        assert time.monotonic() < deadline, f"{path.name} does not become {content!r}"
        time.sleep(0.05)


def authority() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "farm")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_an_empty_chip_becomes_a_hub(tmp_path: Path, firmware: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(authority())
    labels = tmp_path / "labels"
    with FlashBoard(tmp_path / "board", Rom()) as board:
        options = ["--port", board.port, "--firmware", str(firmware), "--host", "https://farm.example"]
        options += ["--label", str(labels), "--ca", str(tmp_path / "ca.pem"), "--cache", str(tmp_path / "cache")]
        options += ["--build", str(build_firmware.compiled())]
        command = [sys.executable, "-m", "tools.flash", *options]
        first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
        assert first.returncode == 0, first.stdout + first.stderr
        secret = json.loads((board.data / "device.json").read_text())["secret"]
        assert [path.suffix for path in board.data.glob("ca-*")] == [".der"]
        assert (board.flash / "hub" / "roots.mpy").exists(), "public authorities, beside one's own"
        assert board.starts == 1
        wait_for(board.data / "tries", "0")  # the application was loaded and runs; the second time it is interrupted
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
        assert second.returncode == 0, second.stdout + second.stderr
        assert json.loads((board.data / "device.json").read_text())["secret"] == secret
    shown = pairing.shown(pairing.device_of(pairing.proof_of(pairing.secret_of(secret))))
    assert f"identity: {shown} (new)" in first.stdout
    assert re.search(r"mp.bin: SHA-256 [0-9a-f]{64}, not known here", first.stdout)
    assert f"PASS  {shown}" in first.stdout
    assert "application: 0 of" in second.stdout
    assert "certificates: 0 of 1 uploaded" in second.stdout
    assert f"identity: {shown} (kept)" in second.stdout
    assert "wrote" not in second.stdout
    with Image.open(labels / f"label-{shown}.png") as picture:
        codes = {code.text for code in zxingcpp.read_barcodes(picture.convert("L"))}
    assert f"https://farm.example/p#{secret}" in codes
    assert all(path.stat().st_mode & 0o077 == 0 for path in labels.iterdir())
    for said in (first.stdout, first.stderr, second.stdout, second.stderr):
        assert secret not in said
        assert secret.lower() not in said.lower()


def test_a_tray(tmp_path: Path, flash: Flash, capsys: pytest.CaptureFixture[str]) -> None:
    with FlashBoard(tmp_path / "board") as board:
        code = flash(
            "--port", board.port, "--count", "2", "--host", "farm.example", "--label", str(tmp_path / "labels")
        )
    said = capsys.readouterr().out
    assert code == 0, said
    assert said.count("PASS") == 2
    assert re.search(r"sheet: .*\.pdf, 2 labels", said)


def test_the_host_is_remembered_and_a_label_needs_one(
    tmp_path: Path, flash: Flash, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        flash("--label", str(tmp_path / "labels"))
    assert "--label needs --host once" in capsys.readouterr().err
    with FlashBoard(tmp_path / "board") as board:
        assert flash("--port", board.port) == 0
        assert "no label: run again with --host" in capsys.readouterr().out
        assert flash("--port", board.port, "--host", "https://Farm.example:8443/") == 0
        assert flash("--port", board.port, "--label", str(tmp_path / "labels")) == 0
    assert (tmp_path / "cache" / "host").read_text() == "farm.example:8443\n"


@pytest.mark.parametrize("address", ["http://farm.example", "https://farm.example/path", "https://a:b@farm.example"])
def test_an_address_that_no_label_can_have(flash: Flash, address: str) -> None:
    with pytest.raises(SystemExit) as ended:
        flash("--host", address)
    assert ended.value.code == 2


def test_a_file_that_changed_since_its_first_use_is_refused(
    tmp_path: Path, flash: Flash, firmware: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = take(firmware, tmp_path / "cache")
    assert "not known here; remembered from now on" in first.trust
    assert take(firmware, tmp_path / "cache").trust == "the same as at its first use"
    firmware.write_bytes(image() + b"more")
    loader = Rom()
    with FlashBoard(tmp_path / "board", loader) as board:
        assert flash("--port", board.port, "--patience", "1") == Stage.IMAGE
    said = capsys.readouterr().out
    assert f"but had {first.sha256} at its first use; if you trust the new one, delete" in said
    assert loader.writes == []
    (tmp_path / "cache" / MEMORY).unlink()
    assert take(firmware, tmp_path / "cache").sha256 != first.sha256


def test_a_file_of_a_published_name_is_held_against_the_published_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / IMAGES[0].name
    path.write_bytes(b"something else")
    assert take(path, tmp_path / "cache").trust.startswith(f"NOT the one others published ({IMAGES[0].sha256})")
    mine = dataclasses.replace(IMAGES[0], sha256=hashlib.sha256(b"something else").hexdigest())
    monkeypatch.setattr(firmware_file, "IMAGES", (mine,))
    assert take(path, tmp_path / "other").trust == "the hash others published for it"
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("chip", "options", "failure"),
    [
        ("esp32s3", ["--keep"], (Stage.NO_MICROPYTHON, "without --keep")),
        ("esp32c3", [], (Stage.WRONG_CHIP, "is for esp32s3, but this board has an esp32c3")),
        ("esp32s2", [], (Stage.WRONG_CHIP, "a hub needs an ESP32, S3, C3 or C6")),
        ("esp32s3", ["--firmware", "/nowhere/mp.bin"], (Stage.IMAGE, "check --firmware")),
    ],
)
def test_what_cannot_be_flashed_is_left_alone(
    tmp_path: Path,
    flash: Flash,
    capsys: pytest.CaptureFixture[str],
    *,
    chip: str,
    options: list[str],
    failure: tuple[Stage, str],
) -> None:
    stage, words = failure
    loader = Rom(chip)
    with FlashBoard(tmp_path / "board", loader) as board:
        assert flash("--port", board.port, "--patience", "1", *options) == stage
    said = capsys.readouterr().out
    assert words in said
    assert said.strip().splitlines()[-1].startswith("FAIL  ")
    assert loader.writes == []


def test_no_such_port_and_a_bad_authority(
    tmp_path: Path, flash: Flash, firmware: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flash("--port", str(tmp_path / "ttyNONE")) == Stage.NO_BOARD
    assert "cannot be opened" in capsys.readouterr().out
    assert flash("--port", str(tmp_path / "ttyNONE"), "--ca", str(firmware)) == Stage.INSTALL
    assert "holds no certificate" in capsys.readouterr().out


def test_a_board_that_is_not_well_fails_and_gets_no_label(
    tmp_path: Path, flash: Flash, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = "def run():\n    print('selftest: radio failed: OSError it hears no network')\n    return ['radio']\n"
    (small / "hub" / "selftest.py").write_text(bad)
    labels = tmp_path / "labels"
    with FlashBoard(tmp_path / "board") as board:
        code = flash("--port", board.port, "--host", "farm.example", "--label", str(labels))
    assert code == Stage.SELF_TEST
    assert "FAIL  the board is not well: radio failed" in capsys.readouterr().out
    assert not labels.exists()


def test_a_label_that_cannot_be_written(tmp_path: Path, flash: Flash, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labels").write_text("a file")
    with FlashBoard(tmp_path / "board") as board:
        code = flash("--port", board.port, "--host", "farm.example", "--label", str(tmp_path / "labels"))
    assert code == Stage.LABEL
    assert "the board is ready, but" in capsys.readouterr().out
