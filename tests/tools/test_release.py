"""The tool that makes keys and releases: nothing secret in the repository, nothing that hubs would refuse."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from cloud.hubs.releases import read_release
from tests.tools.chip_images import MACHINE, application, program, published
from tools import build_firmware
from tools.build_firmware import ROOT
from tools.flash import chip_image
from tools.release import __main__ as tool
from tools.release import bundle, keys
from tools.release.keys import BUILT_IN, KeyFileError


def copied(folder: Path) -> Path:
    """A repository with nothing but the firmware."""
    for name, path in build_firmware.modules().items():
        copy = folder / (name if name.startswith("shared_protocol/") else f"firmware/{name}")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return folder


def test_keys_are_built_in_one_after_the_other_and_stay_readable(tmp_path: Path) -> None:
    root = copied(tmp_path / "repository")
    (root / BUILT_IN).write_text((ROOT / BUILT_IN).read_text())
    made = [keys.modulus(keys.new_key(tmp_path / f"{n}.pem")) for n in range(3)]
    keys.build_in(made[:1], root)
    assert keys.built_in(root) == made[:1]
    keys.build_in(made[1:], root)
    assert keys.built_in(root) == made[1:]
    assert all(len(line) <= 120 for line in (root / BUILT_IN).read_text().splitlines())
    with pytest.raises(KeyFileError, match="knows 2 keys"):
        keys.build_in(made, root)
    keys.build_in([], root)
    assert keys.built_in(root) == []


def test_a_private_key_is_for_its_owner_outside_the_repository_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "release.pem"
    key = keys.new_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.modulus(keys.load_key(path)) == keys.modulus(key)
    with pytest.raises(KeyFileError, match="never overwritten"):
        keys.new_key(path)
    with pytest.raises(KeyFileError, match="inside the repository"):
        keys.new_key(ROOT / "release.pem")
    assert not (ROOT / "release.pem").exists()
    with pytest.raises(KeyFileError, match="There is no key"):
        keys.load_key(tmp_path / "nothing.pem")
    (tmp_path / "text.pem").write_text("nonsense")
    with pytest.raises(KeyFileError, match="no private key"):
        keys.load_key(tmp_path / "text.pem")


def test_a_release_has_the_whole_application_of_each_target_and_the_cloud_takes_it(tmp_path: Path) -> None:
    root = copied(tmp_path / "repository")
    file = tmp_path / "release.zip"
    version = bundle.build(file, keys.new_key(tmp_path / "release.pem"), ("esp32s3", "unix"), root=root)
    release = read_release(file)
    assert release.version == version == build_firmware.package()["version"]
    assert set(release.manifests) == {"esp32s3", "unix"}
    assert '"hub/board/esp32.mpy"' in release.manifests["esp32s3"][0]
    assert '"hub/board/unix.mpy"' not in release.manifests["esp32s3"][0]
    assert '"hub/start.mpy"' in release.manifests["unix"][0] and '"main.py"' not in release.manifests["unix"][0]
    with zipfile.ZipFile(file) as content:
        assert b"PRIVATE" not in b"".join(content.read(name) for name in content.namelist())


def test_a_release_brings_a_micropython_cut_out_of_the_published_file(tmp_path: Path) -> None:
    published_file, plain = tmp_path / "mp.bin", tmp_path / "plain.bin"
    published_file.write_bytes(published("1.29.0"))
    plain.write_bytes(application("1.29.0") + b"\xff" * 500)
    first = tmp_path / "esp32.bin"
    first.write_bytes(published("1.29.0", "esp32", offset=0x1000))
    for file, target in ((published_file, "esp32s3"), (plain, "esp32s3"), (first, "esp32")):
        image = bundle.image_of(file, target)
        assert image == bundle.Image("1.29.0", MACHINE, application("1.29.0", target))
    release = tmp_path / "release.zip"
    files = {"hub/start.mpy": b"M\x06start"}
    image = bundle.image_of(plain, "esp32s3")
    bundle.pack(
        release,
        keys.new_key(tmp_path / "k.pem"),
        "1.0.0",
        {"esp32s3": files, "esp32": files},
        images={"esp32s3": image},
    )
    with zipfile.ZipFile(release) as content:
        manifests = {
            name: json.loads(content.read(f"manifests/{name}").partition(b"\n")[2]) for name in ("esp32s3", "esp32")
        }
        version, sha256, size, machine = manifests["esp32s3"]["image"]
        assert (version, size, machine) == ("1.29.0", len(application("1.29.0")), MACHINE)
        assert content.read(f"files/{sha256}") == application("1.29.0")
    hyphen = application(machine="Generic ESP32S3 module with Octal-SPIRAM with ESP32-S3")
    assert chip_image.machine_of(hyphen) == "Generic ESP32S3 module with Octal-SPIRAM with ESP32-S3"
    assert "image" not in manifests["esp32"] and manifests["esp32"]["mpy"] == 6


def test_what_is_no_micropython_for_the_board_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mp.bin"
    mute = program("esp32s3", b"something else")
    for content, words in (
        (published(chip="esp32c3"), "is for esp32c3"),
        (published()[:-1], "not whole"),
        (b"PK\x03\x04" * 99, "not an image"),
        (mute, "does not say which MicroPython"),
    ):
        file.write_bytes(content)
        with pytest.raises(bundle.ReleaseError, match=words):
            bundle.image_of(file, "esp32s3")
    file.write_bytes(published())
    with pytest.raises(bundle.ReleaseError, match="unix is no chip"):
        bundle.image_of(file, "unix")
    with pytest.raises(bundle.ReleaseError, match="cannot be read"):
        bundle.image_of(tmp_path / "nothing.bin", "esp32s3")
    with pytest.raises(bundle.ReleaseError, match="different versions"):
        bundle.compiled_for({"a.mpy": b"M\x06", "b.mpy": b"M\x07"})
    assert tool.main(["build", "--image", "esp32s4=x.bin"]) == 1
    assert "it is like esp32s3=FILE" in capsys.readouterr().err


def test_a_release_that_no_hub_would_take_is_not_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "other.pem")
    keys.new_key(Path(path))
    assert tool.main(["--key", path, "build", "--output", str(tmp_path / "x.zip")]) == 1
    assert "would refuse its releases" in capsys.readouterr().err
    assert not (tmp_path / "x.zip").exists()
    with pytest.raises(bundle.ReleaseError, match="no version"):
        bundle.pack(tmp_path / "x.zip", keys.load_key(Path(path)), "latest", {})
