"""Releases for tests, signed with a key of their own, and a MicroPython program that updates a hub on a flash chip in
memory: the real slots, updater and littlefs; the cloud is a dictionary.
"""

from __future__ import annotations

import functools
import hashlib
import textwrap

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.firmware.micropython import run_code
from tests.firmware.powercut import POWERCUT
from tests.tools.chip_images import MACHINE
from tools.release.bundle import Image, manifest
from tools.release.keys import modulus, sign

OLD = {"hub/start.mpy": b"start 1", "hub/same.mpy": b"same" * 250, "hub/left.mpy": b"left" * 9, "lib/x.mpy": b"x" * 700}
NEW = {
    "hub/start.mpy": b"start 2",
    "hub/same.mpy": b"same" * 250,
    "hub/more/deep.mpy": b"deep" * 200,
    "lib/x.mpy": b"y" * 700,
}
STALE = {"hub/gone.mpy": b"gone" * 99, "hub/old/deep.mpy": b"older", "lib/x.mpy": b"z" * 400, "top.mpy": b"top"}


@functools.cache
def _key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def key(number: int = 0) -> rsa.RSAPrivateKey:
    """A key pair of this test run; one a number."""
    return _key(number)


def release(
    files: dict[str, bytes], version: str = "2.0", target: str = "test", *, signer: int = 0, downgrade: bool = False,
    image: bytes | None = None, micropython: str = "1.29.0",
    machine: str = MACHINE,
) -> bytes:  # fmt: skip
    """A signed manifest."""
    brought = None if image is None else Image(micropython, machine, image)
    return sign(key(signer), manifest(version, target, files, downgrade=downgrade, image=brought))


PROGRAM = r"""
import asyncio, json, os
import main, hub.updater, hub.log
from hub.updater import Update, UpdateError, update
from hub.flash import make_folder

hub.updater._QUIET_MS = 0
hub.updater._RETRY_MS = ()
hub.log.print = lambda *words, end="": None

def write(slot, files):
    for path, data in files.items():
        parts = ("/chip/" + slot + "/" + path).split("/")
        for depth in range(2, len(parts)):
            make_folder("/".join(parts[:depth]))
        with open("/".join(parts), "wb") as file:
            file.write(data)

def read(slot):
    found = {}
    def walk(folder, prefix):
        for name in os.listdir(folder):
            if os.stat(folder + "/" + name)[0] & 0x4000:
                walk(folder + "/" + name, prefix + name + "/")
            else:
                with open(folder + "/" + name, "rb") as file:
                    found[prefix + name] = file.read()
    walk("/chip/" + slot, "")
    return found

def boot():
    return main.Slots("/chip", main.FileMemory("/chip"))

def prepare():
    write("app_a", OLD)
    write("app_b", STALE)
    slots = boot()
    slots.write({"slot": "app_a", "version": "1.0", "state": "good", "before": "app_b", "before_version": "0.9"})
    slots.memory.count(0)

class Source:
    def __init__(self, body, files):
        self.body, self.files, self.fetched = body, files, []
    async def manifest(self, version, target, limit):
        return self.body
    async def file(self, version, target, sha, size, take):
        self.fetched.append(sha)
        data = self.files[sha]
        for start in range(0, len(data), 300):
            await take(data[start:start + 300])

class Board:
    target = "test"
    resets = 0
    partition = None
    image = "1.28.0"
    image_room = 0
    machine = "Test board with ESP32S3"
    def uptime_ms(self):
        return 1
    def reset(self, reason):
        self.resets += 1

class Outbox:
    def __init__(self):
        self.events = []
    def add(self, name, printer, at_ms, data):
        self.events.append(data)
        return len(self.events)

class Cloud:
    tunnels_open = 0
    def event_added(self):
        pass

class Commands:
    active = 0

class App:
    updating = ""
    def __init__(self, slots):
        self.slots, self.board, self.outbox, self.cloud, self.commands = slots, Board(), Outbox(), Cloud(), Commands()
    def said(self):
        return [(one["state"], one.get("code", "")) for one in self.outbox.events]

def install(body, files, version="2.0", keys=KEYS, running="1.0"):
    slots = boot()
    slots.choose()
    slots.confirm()
    app = App(slots)
    source = Source(body, files)
    work = Update(app, version, running, source)
    work._keys = keys
    asyncio.run(work.run())
    app.source = source
    return app
"""


def constants(**values: object) -> str:
    """Assignments for a program; files of a release are also found by their hash."""
    by_sha = {hashlib.sha256(data).hexdigest(): data for files in (OLD, NEW) for data in files.values()}
    known = {"OLD": OLD, "NEW": NEW, "STALE": STALE, "FILES": by_sha, "KEYS": (modulus(key()),), "BODY": release(NEW)}
    return "".join(f"{name} = {value!r}\n" for name, value in (known | values).items())


async def run(program: str, **values: object) -> list[str]:
    """Run a program that begins with PROGRAM; its lines."""
    source = POWERCUT + constants(**values) + PROGRAM + textwrap.dedent(program)
    finished = await run_code(source, heap="4M", limit=120)
    return finished.out.splitlines()


MOUNTED = """
flash = Flash(256)
flash.data[:] = prepared(prepare, 256)
vfs.mount(vfs.VfsLfs2(flash), "/chip")
"""
