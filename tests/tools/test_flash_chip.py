"""What the tool tells a chip, where that differs from the Unix port: run here against stand-ins for its modules."""

from __future__ import annotations

import os
import sys
import types

import pytest

from tools.flash import identity, install, micropython
from tools.flash.device import Device
from tools.flash.failures import FlashError, Stage

NOT_FOUND = -0x1102


class Nvs:
    """`esp32.NVS`: what was set lasts when it was committed."""

    kept: dict[tuple[str, str], bytes | int]
    calls: list[str]

    def __init__(self, space: str) -> None:
        self._space = space
        self._set: dict[tuple[str, str], bytes | int] = {}

    def get_blob(self, key: str, into: bytearray) -> int:
        value = self.kept.get((self._space, key))
        if not isinstance(value, bytes):
            raise OSError(NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        into[: len(value)] = value
        return len(value)

    def set_blob(self, key: str, value: bytes) -> None:
        self._set[self._space, key] = value

    def get_i32(self, key: str) -> int:
        value = self.kept.get((self._space, key))
        if not isinstance(value, int):
            raise OSError(NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        return value

    def set_i32(self, key: str, value: int) -> None:
        self._set[self._space, key] = value

    def erase_key(self, key: str) -> None:
        self.calls.append(f"erase {self._space} {key}")
        if self.kept.pop((self._space, key), None) is None:
            raise OSError(NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")

    def commit(self) -> None:
        self.kept.update(self._set)


class Chip(Device):
    """A device whose programs run in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def run(self, program: str) -> str:
        self._capsys.readouterr()
        exec(program, {})  # noqa: S102 - our own programs
        return self._capsys.readouterr().out


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Chip:
    module = types.ModuleType("esp32")
    monkeypatch.setattr(module, "NVS", Nvs, raising=False)
    monkeypatch.setattr(Nvs, "kept", {}, raising=False)
    monkeypatch.setattr(Nvs, "calls", [], raising=False)
    monkeypatch.setitem(sys.modules, "esp32", module)
    monkeypatch.setattr(sys, "platform", "esp32")
    return Chip(capsys)


def test_the_secret_is_kept_in_nvs_and_never_made_twice(chip: Chip) -> None:
    first = identity.ensure(chip)
    assert first.new
    assert Nvs.kept == {("pf", "secret"): first.secret}
    again = identity.ensure(chip)
    assert (again.secret, again.new) == (first.secret, False)


def test_a_secret_that_is_cut_short_is_not_replaced(chip: Chip) -> None:
    Nvs.kept["pf", "secret"] = b"short"
    with pytest.raises(FlashError, match="damaged") as failed:
        identity.ensure(chip)
    assert failed.value.stage == Stage.IDENTITY
    assert Nvs.kept == {("pf", "secret"): b"short"}


def test_a_board_whose_files_were_lost_may_be_paired_as_after_a_factory_reset(chip: Chip) -> None:
    for epoch in (1, 2):
        chip.run(micropython._FORGOTTEN)
        assert Nvs.kept == {("printfarm", "epoch"): epoch}


def test_a_chip_tells_how_many_slots_it_has(chip: Chip, monkeypatch: pytest.MonkeyPatch) -> None:
    class Partition:
        TYPE_APP = 0
        kinds: tuple[int, ...] = (0x00,)

        def __init__(self, kind: int) -> None:
            self._kind = kind

        @classmethod
        def find(cls, kind: int) -> list[Partition]:
            return [cls(one) for one in cls.kinds] if kind == cls.TYPE_APP else []

        def info(self) -> tuple[int, int, int, int, str, bool]:
            return (0, self._kind, 0x10000, 0x270000, "app", False)

    monkeypatch.setattr(sys.modules["esp32"], "Partition", Partition, raising=False)
    monkeypatch.setattr(sys.implementation, "_machine", "a board with ESP32S3", raising=False)
    for kinds, slots in (((0x00,), 0), ((0x10, 0x11), 2)):
        Partition.kinds = kinds
        about = micropython.About(*chip.value(micropython._ABOUT))
        assert (about.platform, about.machine, about.slots) == ("esp32", "a board with ESP32S3", slots)


def test_the_pointer_goes_before_its_spare_copy(chip: Chip, monkeypatch: pytest.MonkeyPatch) -> None:
    Nvs.kept["pf_slots", "pointer"] = b"{}"

    def remove(path: str) -> None:
        Nvs.calls.append(f"remove {path}")

    def none(path: str) -> list[str]:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "remove", remove)
    monkeypatch.setattr(os, "listdir", none)
    chip.run(install._USE_ROOT)
    assert Nvs.calls == [
        "remove /current",
        "erase pf_slots tries",
        "erase pf_slots pointer",
        "remove /fault.txt",
        "remove /app_a",
        "remove /app_b",
    ]
    assert Nvs.kept == {}
