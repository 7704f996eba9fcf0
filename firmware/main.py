"""Starts the hub: choose the slot the application runs from, count the try, arm the watchdog, import, run.

Installed once and never changed by an update, for nothing could mend it. So it is small, needs nothing of the
application, and what the application gets from it (`Slots`, by `hub.start.main(slots)`) is a promise to every release
to come. README, "Slots", says how the slots work.
"""

import gc
import json
import os
import sys
import time
from binascii import crc32

TRIES = 3
"""So often a slot that is not confirmed is started; then the one before it."""

FACTORY = ""
"""The application that was flashed: it lies at the root and no update touches it."""

WATCHDOG_MS = 30_000

_POINTER = "/current"
_FAULT = "/fault.txt"
_FRESH = {"slot": FACTORY, "version": "", "state": "good"}


class ChipMemory:
    """The try counter and the pointer's spare copy in NVS, where a damaged file system does not reach."""

    def __init__(self) -> None:
        from esp32 import NVS

        self._nvs = NVS("pf_slots")

    def tries(self) -> int:
        """Starts that nobody has confirmed."""
        try:
            return self._nvs.get_i32("tries")
        except OSError:
            return 0

    def count(self, tries: int) -> None:
        """Remember the number of tries."""
        self._nvs.set_i32("tries", tries)
        self._nvs.commit()

    def spare(self) -> bytes:
        """The pointer's copy; empty when there is none."""
        data = bytearray(400)
        try:
            return bytes(data[: self._nvs.get_blob("pointer", data)])
        except OSError:
            return b""

    def keep(self, line: bytes) -> None:
        """Replace the pointer's copy."""
        self._nvs.set_blob("pointer", line)
        self._nvs.commit()

    def other_image(self) -> None:
        """Not even what was flashed loads: perhaps it is compiled for the MicroPython that ran before this one."""
        import machine
        from esp32 import Partition

        try:
            Partition(Partition.RUNNING).get_next_update().set_boot()  # type: ignore[arg-type]
        except OSError:
            return  # there is no other
        machine.reset()


class FileMemory:
    """The same in two files, where there is no NVS."""

    def __init__(self, root: str) -> None:
        self._root = root

    def tries(self) -> int:
        """Starts that nobody has confirmed."""
        text = _read(self._root + "/tries")
        return int(text) if text.isdigit() else 0

    def count(self, tries: int) -> None:
        """Remember the number of tries."""
        _replace(self._root + "/tries", b"%d" % tries)

    def spare(self) -> bytes:
        """The pointer's copy; empty when there is none."""
        return _read(self._root + "/current.spare")

    def keep(self, line: bytes) -> None:
        """Replace the pointer's copy."""
        _replace(self._root + "/current.spare", line)

    def other_image(self) -> None:
        """There is but one interpreter."""


class Slots:
    """Where the application may lie below `root`: FACTORY, "app_a", "app_b"; and which of them is to run.

    `pointer` is {"slot", "version", "state"} with "state" one of "good", "testing" (not confirmed yet, falls back to
    "before", of version "before_version") and "rolled_back" (from version "failed", because of "why").
    """

    def __init__(self, root: str, memory, factory: "str | None" = None) -> None:  # type: ignore[no-untyped-def]
        self.root = root
        self._factory = root if factory is None else factory
        self.memory = memory
        self.running = FACTORY
        self.pointer: "dict" = self._load()  # type: ignore[type-arg]

    def _load(self) -> "dict":  # type: ignore[type-arg]
        line, spare = _read(self.root + _POINTER), self.memory.spare()
        pointer = _parse(line)
        if pointer is not None:
            if spare != line:  # the power went between the two
                try:
                    self.memory.keep(line)
                except OSError:
                    pass  # a flash that takes nothing; what can be read may run
            return pointer
        return _parse(spare) or dict(_FRESH)

    def write(self, pointer: "dict") -> None:  # type: ignore[type-arg]
        """Replace the pointer: afterwards it is the new one or the old one, whenever the power goes. Raises OSError."""
        text = json.dumps(pointer).encode()
        line = b"%08x %s\n" % (crc32(text), text)
        _replace(self.root + _POINTER, line)
        self.pointer = pointer
        self.memory.keep(line)

    def folder(self, slot: str) -> str:
        """Where a slot's files lie."""
        return self.root + "/" + slot if slot else self._factory

    def choose(self) -> str:
        """The slot of this start, counted as one try. Falls back when the pointer's slot has had its tries."""
        tries = self.memory.tries() + 1
        try:
            if tries > TRIES:
                tries = 1
                if self.pointer["slot"] != FACTORY:
                    self._fall_back()
                else:
                    self.memory.count(0)
                    self.memory.other_image()
            self.memory.count(tries)
        except OSError as error:
            print("main: the flash takes nothing: %r" % error)
        self.running = self.pointer["slot"]
        return self.running

    def _fall_back(self) -> None:
        old = self.pointer
        print("main: slot %s (%s) did not come up" % (old["slot"], old["version"]))
        # Cut anywhere it must be text, and short enough for both copies of the pointer, where JSON doubles some signs.
        why = [byte if 32 <= byte < 127 and byte not in b'"\\' else 63 for byte in _read(self.root + _FAULT)]
        self.pointer = {
            "slot": old.get("before", FACTORY),
            "version": old.get("before_version", ""),
            "state": "rolled_back",
            "failed": old["version"],
            "why": bytes(why).decode(),
        }
        # First the tries: should the power go between the two, they are not those of the release before.
        self.memory.count(1)
        self.write(self.pointer)

    def confirm(self) -> None:
        """This start was a good one: its tries do not count any more."""
        if self.memory.tries():
            self.memory.count(0)

    def blame(self, why: str) -> None:
        """Leave a sentence for the roll-back that may follow; "" takes it away. Never raises."""
        try:
            if why or _read(self.root + _FAULT):
                _replace(self.root + _FAULT, why.encode()[:200])
        except OSError:
            pass


def _parse(line: bytes) -> "dict | None":  # type: ignore[type-arg]
    """The pointer in a line, None when it is damaged or names a slot that there is not."""
    text = line[9:-1]
    if len(line) < 12 or line[:9] != b"%08x " % crc32(text):
        return None
    pointer = json.loads(text)
    return pointer if pointer["slot"] in (FACTORY, "app_a", "app_b") else None


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(400)
    except OSError:
        return b""


def _replace(path: str, data: bytes) -> None:
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.rename(path + ".new", path)


def _machine() -> "Slots":
    if sys.platform == "esp32":
        return Slots("", ChipMemory())
    root = os.getenv("PF_DATA") or "."
    try:
        os.mkdir(root)
    except OSError:
        pass  # it is there, or the application will say what is wrong
    # The build that this process was started from is what was "flashed".
    return Slots(root, FileMemory(root), __file__.rpartition("/")[0] or ".")


def _arm() -> None:
    """Before the import: code that hangs there is reset, and that was a try."""
    if sys.platform == "esp32":
        import machine

        machine.WDT(timeout=WATCHDOG_MS)


def _reset() -> None:
    time.sleep(2)  # so that a fault at every start does not become a storm, and its text can be read
    if sys.platform == "esp32":
        import machine

        machine.reset()
    sys.exit(1)


def _let_go() -> None:
    """What has done its work makes room: the heap of a small board has none to spare."""
    for name in ("choose", "_fall_back", "_load"):
        delattr(Slots, name)
    for memory in (ChipMemory, FileMemory):
        del memory.other_image  # type: ignore[attr-defined]
    for name in ("_machine", "_arm", "_parse", "FileMemory" if sys.platform == "esp32" else "ChipMemory"):
        del globals()[name]


def main() -> None:
    """Never returns on a board; on Unix a fault ends the process with status 1."""
    slots = _machine()
    slot = slots.choose()
    if slot:
        sys.path.insert(0, slots.folder(slot))
    _arm()
    _let_go()
    gc.collect()
    try:
        from hub.start import main as run

        run(slots)
    except Exception as error:
        sys.print_exception(error)
        slots.blame("%s %s" % (type(error).__name__, error))
    _reset()


if __name__ == "__main__":
    main()
