"""One board from its box to its label, and a tray of them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools import build_firmware
from tools.flash import identity, install, label, micropython, ports, rom, selftest, settings
from tools.flash.device import Device, DeviceError
from tools.flash.failures import FlashError, Stage
from tools.flash.identity import Identity
from tools.flash.micropython import Wanted
from tools.flash.screen import Screen

NEXT_S = 600.0
"""How long a tray waits for its next board."""


@dataclass(frozen=True)
class Job:
    """What is to be done with each board. `host` is that of the cloud, "" when nobody said; `build` None: compile."""

    wanted: Wanted
    port: str | None = None
    count: int = 1
    host: str = ""
    labels: Path | None = None
    certificates: Mapping[str, bytes] = field(default_factory=dict)
    build: Path | None = None


def flash(job: Job, screen: Screen) -> None:
    """Do it. FlashError where it stops; the labels of the boards that were done are there all the same."""
    files = _files(job.build)
    drawn: list[label.Label] = []
    done: list[str] = []
    try:
        for number in range(job.count):
            if number:
                _next(job, done, screen)
            port = job.port or ports.choose(ports.candidates(), input if screen.person else None)
            who = flash_one(port, job, files, screen)
            done.append(port)
            if job.host:
                screen.say(label.terminal(who, job.host))
                drawn.append(label.design(who, job.host))
            else:
                screen.say("no label: run again with --host and the address of your cloud, which stands on it")
            if job.labels is not None:
                _write_label(drawn[-1], job.labels / f"label-{who.shown}", screen)
            screen.say(f"PASS  {who.shown}")
    finally:
        if job.labels is not None and drawn:
            _write_sheet(drawn, job.labels, screen)


def flash_one(port: str, job: Job, files: Mapping[str, bytes], screen: Screen) -> Identity:
    """One board: MicroPython, application, certificates, identity, self-test, start."""
    micropython.ensure(port, job.wanted, screen)
    try:
        with Device(port) as board:
            install.check_abi(board)
            uploaded = install.install(board, dict(files), screen.bar)
            screen.say(f"application: {len(uploaded)} of {len(files)} files uploaded")
            if job.certificates:
                added = settings.put(board, dict(job.certificates))
                screen.say(f"certificates: {len(added)} of {len(job.certificates)} uploaded")
            who = identity.ensure(board)
            screen.say(f"identity: {who.shown} ({'new' if who.new else 'kept'})")
            for line in selftest.check(board):
                screen.say(f"self-test: {line}")
            board.reset()
    except DeviceError as error:
        raise FlashError(
            Stage.INSTALL, f"the board stopped answering ({error}); check the cable and run the same command again"
        ) from error
    return who


def _files(build: Path | None) -> dict[str, bytes]:
    if build is not None:
        return install.files_of(build)
    with tempfile.TemporaryDirectory() as folder:
        try:
            build_firmware.build(Path(folder), leave_out=build_firmware.NOT_ON_A_BOARD)
        except (build_firmware.BuildError, FileNotFoundError) as error:
            raise FlashError(Stage.INSTALL, f"the application could not be compiled: {error}") from error
        return install.files_of(Path(folder))


def _next(job: Job, done: list[str], screen: Screen) -> None:
    if job.port is not None and rom.is_socket(job.port):
        return  # whoever is behind the address has changed the board
    screen.say("unplug this board and plug in the next one")

    def look() -> list[ports.Port]:
        return [port for port in ports.candidates() if job.port in (None, port.device)]

    ports.next_board(done[-1:], NEXT_S, look)


def _write_label(drawn: label.Label, path: Path, screen: Screen) -> None:
    """A label holds the secret: its files are for their owner's eyes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for kind in (".svg", ".png"):
            path.with_suffix(kind).touch(mode=0o600)
        path.with_suffix(".svg").write_text(label.svg(drawn), encoding="utf-8")
        label.png(drawn, path.with_suffix(".png"))
    except OSError as error:
        raise _no_label(path, error) from error
    screen.say(f"label: {path}.svg, .png")


def _write_sheet(drawn: list[label.Label], folder: Path, screen: Screen) -> None:
    path = folder / time.strftime("sheet-%Y%m%d-%H%M%S.pdf")
    try:
        path.touch(mode=0o600)
        label.sheet(drawn, path)
    except OSError as error:
        raise _no_label(path, error) from error
    screen.say(f"sheet: {path}, {len(drawn)} label{'s' if len(drawn) > 1 else ''}")


def _no_label(path: Path, error: OSError) -> FlashError:
    return FlashError(
        Stage.LABEL,
        f"the board is ready, but {path.name} was not written ({error.strerror}); name another folder with --label",
    )
