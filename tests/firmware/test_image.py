"""MicroPython itself over the air, with the application that is compiled for it: on a flash chip with slots in memory,
whatever is wrong with the image, and whenever the power goes, a hub remains.
"""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.firmware.releases import MOUNTED, NEW, OLD, key, release, run
from tests.tools.chip_images import MACHINE, application, program
from tools.release.bundle import Image, manifest
from tools.release.keys import sign

OLD_IMAGE, NEW_IMAGE = application("1.28.0"), application("1.29.0", size=13_000)
THIRD_IMAGE = application("1.30.0", size=11_000)

CHIP = r"""
import hub.slots
from hub.board.partition_unix import start

hub.slots._BEAT_MS = 1
hub.updater._QUIET_MS = 0
CURRENT = []
_init = Flash.__init__

def _remember(self, blocks=128):
    _init(self, blocks)
    CURRENT[:] = [self]
Flash.__init__ = _remember

class Parts:
    # The slots and otadata: in the same chip as the files, so one cut ends both.
    def __init__(self):
        self.data = {}
        self.put("ota_0", OLD_IMAGE)
    def put(self, label, data):
        self._part(label)[: len(data)] = data
    def _part(self, label):
        return self.data.setdefault(label, bytearray(b"\xff" * (16 * 4096)))
    def read(self, label, at, size):
        return bytes(self._part(label)[at : at + size])
    def erase(self, label, at):
        CURRENT[0]._spend()
        self._part(label)[at : at + 4096] = b"\xff" * 4096
    def write(self, label, at, data):
        try:
            CURRENT[0]._spend()
        except OSError:
            data = data[: len(data) // 2]
            self._part(label)[at : at + len(data)] = data
            raise
        self._part(label)[at : at + len(data)] = data
    def copy(self):
        other = Parts()
        for label, data in self.data.items():
            other.data[label] = bytearray(data)
        return other

class Reset(BaseException):
    pass

class Chip(Board):
    data_dir = "/chip"
    healthy_ms, trial_ms, safe = 3, 20, False
    def __init__(self):
        self.partition, self.image, self.image_room = start(PARTS[0])
        self.began = time.ticks_ms()
    def uptime_ms(self):
        return time.ticks_diff(time.ticks_ms(), self.began)
    def keep_image(self):
        self.partition.mark_app_valid_cancel_rollback()
    def reset(self, reason):
        raise Reset(reason)

class Outbox(Outbox):
    boot = "boot0001"
    def acked(self, proof):
        return WORLD["cloud"] or self.old
class Link(Cloud):
    online = True

def app_on(slots, board):
    app = App(slots)
    app.board, app.outbox, app.cloud = board, Outbox(), Link()
    app.outbox.old = slots.running == "app_a"
    app.outbox.events = TOLD
    return app

PARTS = [Parts()]
TOLD = []
WORLD = {"starts": True, "cloud": True, "abi": 6}

def loads(slot, image):
    # Whether the interpreter reads the modules of a slot: the new release may be compiled for the new image.
    if WORLD["abi"] == 6:
        return True
    return (slot == "app_b") == (image == "1.29.0")

def power_on():
    # From the plug to a hub that runs: which slot, which image. What is not good resets itself.
    for _ in range(30):
        board = Chip()
        if board.image == "1.29.0" and not WORLD["starts"]:
            continue
        slots = boot()
        slots.memory.other_image = lambda: board.partition("ota_0").set_boot()
        slots.choose()
        if not loads(slots.running, board.image):
            slots.blame("ValueError incompatible .mpy file")
            continue
        if slots.pointer["state"] != "testing":
            slots.confirm()
            board.keep_image()
        app = app_on(slots, board)
        try:
            if slots.pointer["state"] != "good":
                asyncio.run(hub.slots.Trial(app, slots, "2.0").run())
        except Reset:
            continue
        assert slots.pointer["state"] == "good", slots.pointer
        return slots.running, board.image
    raise AssertionError("no working hub")

def said():
    return [(one["state"], one.get("code", "")) for one in TOLD]

def take(body, running="1.0"):
    # The update, on a hub that runs; ended by its reset.
    slots = boot()
    slots.choose()
    slots.confirm()
    app = app_on(slots, Chip())
    app.board.keep_image()
    app.source = Source(body, FILES)
    work = Update(app, "2.0", running, app.source)
    work._keys = KEYS
    try:
        asyncio.run(work.run())
    except Reset:
        pass
    return app

def flashed():
    # The stock state: files on littlefs, the old image in its slot.
    PARTS[0] = Parts()
    TOLD.clear()
"""


def with_image(image: bytes = NEW_IMAGE, **more: object) -> bytes:
    return release(NEW, image=image, **more)  # type: ignore[arg-type]


async def on_chip(program: str, **values: object) -> list[str]:
    images = (OLD_IMAGE, NEW_IMAGE, *(value for value in values.values() if isinstance(value, bytes)))
    known = {hashlib.sha256(image).hexdigest(): image for image in images}
    values = {"OLD_IMAGE": OLD_IMAGE, "NEW_IMAGE": NEW_IMAGE, "IMAGES": known, "BOTH": with_image()} | values
    setup = "import time\nFILES.update(IMAGES)\n"
    return await run(setup + CHIP + program, **values)


async def test_image_and_application_are_started_together_and_confirmed_together() -> None:
    await on_chip(
        MOUNTED
        + """
assert power_on() == ("app_a", "1.28.0")
app = take(BOTH)
assert said() == [("fetching", "")], TOLD
pointer = boot().pointer
assert (pointer["slot"], pointer["state"], pointer["image"]) == ("app_b", "testing", "ota_1"), pointer
assert power_on() == ("app_b", "1.29.0")
assert said() == [("fetching", ""), ("testing", ""), ("good", "")]
assert "image" not in boot().pointer
for _ in range(5):
    assert power_on() == ("app_b", "1.29.0"), "it stays"
assert PARTS[0].read("ota_0", 0, len(OLD_IMAGE)) == OLD_IMAGE
"""
    )


async def test_the_next_image_goes_where_the_one_before_was() -> None:
    """And a hub that goes back then goes back to the image it ran, not to the one it was flashed with."""
    await on_chip(
        MOUNTED
        + """
take(BOTH)
assert power_on() == ("app_b", "1.29.0")

def update_from_b(body):
    slots = boot()
    slots.choose()
    slots.confirm()
    app = app_on(slots, Chip())
    work = Update(app, "3.0", "2.0", Source(body, FILES))
    work._keys = KEYS
    try:
        asyncio.run(work.run())
    except Reset:
        pass

WORLD["cloud"] = False
Outbox.acked = lambda self, proof: False
update_from_b(THIRD)
assert boot().pointer["image"] == "ota_0", boot().pointer
assert power_on() == ("app_b", "1.29.0") and said()[-1] == ("rolled_back", "unconfirmed"), TOLD
Outbox.acked = lambda self, proof: True
update_from_b(THIRD)
assert power_on() == ("app_a", "1.30.0") and said()[-1] == ("good", ""), TOLD
""",
        THIRD=release(OLD, "3.0", image=THIRD_IMAGE, micropython="1.30.0"),
        IMAGE=THIRD_IMAGE,
    )


WORLDS = {
    "all is well": {"starts": True, "cloud": True, "abi": 6},
    "the application needs the new image": {"starts": True, "cloud": True, "abi": 7},
    "the image does not start": {"starts": False, "cloud": True, "abi": 6},
    "the image does not start and the application needs it": {"starts": False, "cloud": True, "abi": 7},
    "it cannot reach the cloud": {"starts": True, "cloud": False, "abi": 6},
    "it cannot reach the cloud and needs the new image": {"starts": True, "cloud": False, "abi": 7},
}


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    "world", ["all is well", "it cannot reach the cloud", "the image does not start and the application needs it"]
)
async def test_a_power_cut_at_every_operation_of_an_update_leaves_a_hub_that_runs(world: str) -> None:
    """While it is written, verified and chosen; the restart after the cut finds all of the old or all of the new."""
    out = await on_chip(
        """
WORLD.update(IN)
good = WORLD["starts"] and WORLD["cloud"]
OLD_PAIR, NEW_PAIR = ("app_a", "1.28.0"), ("app_b", "1.29.0")
seen = set()

def scenario():
    flashed()
    take(BOTH)

def check(cut):
    kept, TOLD[:] = PARTS[0].copy(), []
    found = power_on()
    assert found == OLD_PAIR or (good and found == NEW_PAIR), (cut, found)
    assert read("app_a") == OLD, cut
    seen.add((found, tuple(said())))
    if found == OLD_PAIR:
        TOLD.clear()
        take(BOTH)
        found = power_on()
        assert found == (NEW_PAIR if good else OLD_PAIR), (cut, found)
        assert said()[-1] == (("good", "") if good else ("rolled_back", "unconfirmed")), (cut, TOLD)
    assert power_on() == found, cut

cuts = run_to_cut(scenario, check, 256, prepare)
print(cuts, len(seen))
""",
        IN=WORLDS[world],
    )
    assert int(out[-1].split()[0]) > 80, out


@pytest.mark.timeout(200)
@pytest.mark.parametrize("world", sorted(WORLDS))
async def test_a_power_cut_at_every_operation_of_the_trial_leaves_a_hub_that_runs(world: str) -> None:
    """From the restart into the release to its confirmation, or to the end of its roll-back."""
    out = await on_chip(
        """
WORLD.update(IN)
good = WORLD["starts"] and WORLD["cloud"]
OLD_PAIR, NEW_PAIR = ("app_a", "1.28.0"), ("app_b", "1.29.0")
left = []

def installed():
    prepare()
    flashed()
    take(BOTH)
    left[:] = [PARTS[0].copy()]

def scenario():
    PARTS[0] = left[0].copy()
    TOLD.clear()
    power_on()

def check(cut):
    found = power_on()
    assert found in (OLD_PAIR, NEW_PAIR) if good else found == OLD_PAIR, (cut, found)
    if found == OLD_PAIR:
        assert ("rolled_back", "unconfirmed") in said(), (cut, TOLD)
    assert power_on() == found, cut
    TOLD.clear()
    if found == OLD_PAIR:
        take(BOTH)
        assert power_on() == (NEW_PAIR if good else OLD_PAIR), cut

print(run_to_cut(scenario, check, 256, installed))
""",
        IN=WORLDS[world],
    )
    assert int(out[-1]) > 10, out


@pytest.mark.parametrize(
    ("code", "body", "sent"),
    [
        ("corrupt", with_image(), NEW_IMAGE[:-1]),
        ("corrupt", with_image(), NEW_IMAGE + b"!"),
        ("flash", with_image(), NEW_IMAGE[:5000] + b"!" + NEW_IMAGE[5001:]),
        ("wrong_image", with_image(application("1.29.0", "esp32c3"), target="esp32s3"), None),
        ("wrong_image", with_image(b"PK\x03\x04" * 3000), None),
        ("wrong_image", with_image(program("esp32s3", b"MicroPython v1.29.0 on", hashed=False)), None),
        ("bad_manifest", sign(key(), manifest("2.0", "test", NEW).replace(b"}}", b'},"image":["1.29"]}')), None),
    ],
)
async def test_an_image_that_is_not_what_it_should_be_is_never_started(
    code: str, body: bytes, sent: bytes | None
) -> None:
    brought = json.loads(body.partition(b"\n")[2]).get("image", ["", ""])
    others = (
        application("1.29.0", "esp32c3"),
        b"PK\x03\x04" * 3000,
        program("esp32s3", b"MicroPython v1.29.0 on", hashed=False),
    )
    by_sha = {hashlib.sha256(one).hexdigest(): one for one in (NEW_IMAGE, *others)}
    await on_chip(
        MOUNTED
        + """
FILES.update(MORE)
Chip.target = TARGET
app = take(BODY)
assert said() == [("fetching", ""), ("failed", CODE)], TOLD
assert not app.updating
assert power_on() == ("app_a", "1.28.0") and read("app_a") == OLD
assert "image" not in boot().pointer and boot().pointer["state"] == "good"
""",
        BODY=body,
        CODE=code,
        MORE=by_sha | ({} if sent is None else {brought[1]: sent}),
        TARGET="esp32s3" if b'"esp32s3"' in body else "test",
    )


async def test_without_slots_the_application_is_updated_alone_or_the_cable_is_asked_for() -> None:
    """Also where the slots are too small for the image."""
    await on_chip(
        MOUNTED
        + """
Whole = Chip
def small(room):
    class Small(Whole):
        def __init__(self):
            Whole.__init__(self)
            self.image_room = room
    return Small
for room in (0, 8192):
    flashed()
    Chip = small(room)
    take(OTHER)
    assert said() == [("fetching", ""), ("failed", "needs_cable")], TOLD
    assert boot().choose() == "app_a"
    assert ("no slot" in TOLD[-1]["message"]) == (room == 0), TOLD
    TOLD.clear()
Chip = small(0)
take(BOTH)
assert power_on() == ("app_b", "1.28.0") and said()[-1] == ("good", "")
""",
        OTHER=sign(
            key(),
            manifest("2.0", "test", NEW, image=Image("1.29.0", MACHINE, NEW_IMAGE)).replace(b'"mpy":6', b'"mpy":7'),
        ),
    )


async def test_an_image_of_another_build_is_left_alone() -> None:
    """Of one for other memory than the board has, a hub would start, and be short of memory ever after."""
    await on_chip(
        MOUNTED
        + """
app = take(QUAD)
assert all([sha not in IMAGES for sha in app.source.fetched])
assert power_on() == ("app_b", "1.28.0") and said()[-1] == ("good", "")
boot().write({"slot": "app_a", "version": "1.0", "state": "good"})
take(HYPHEN)
assert power_on() == ("app_b", "1.29.0"), "one version writes ESP32S3, another ESP32-S3"
""",
        QUAD=with_image(machine="Test board with quad memory with ESP32S3"),
        HYPHEN=with_image(machine="Test board with ESP32-S3"),
    )


async def test_an_image_is_taken_when_it_is_newer_or_signed_as_a_step_back() -> None:
    await on_chip(
        MOUNTED
        + """
PARTS[0].put("ota_0", NEW_IMAGE)
for body in (BOTH, OLDER):
    app = take(body)
    assert all([sha not in IMAGES for sha in app.source.fetched]), "no image is fetched"
    assert power_on()[1] == "1.29.0" and said()[-1] == ("good", ""), TOLD
    TOLD.clear()
    slots = boot()
    slots.write({"slot": "app_a", "version": "1.0", "state": "good"})
take(BACK, running="3.0")
assert power_on() == ("app_b", "1.28.0") and said()[-1] == ("good", ""), TOLD
""",
        OLDER=with_image(OLD_IMAGE, micropython="1.28.0"),
        BACK=with_image(OLD_IMAGE, micropython="1.28.0", downgrade=True),
    )


async def test_an_image_that_is_there_already_is_not_fetched_again() -> None:
    await on_chip(
        MOUNTED
        + """
PARTS[0].put("ota_1", NEW_IMAGE)
app = take(BOTH)
assert all([sha not in IMAGES for sha in app.source.fetched]), app.source.fetched
assert power_on() == ("app_b", "1.29.0")
"""
    )


async def test_no_block_is_written_while_a_file_is_carried_to_a_printer() -> None:
    await on_chip(
        MOUNTED
        + """
slots = boot()
slots.choose()
app = app_on(slots, Chip())

class Busy(Source):
    async def file(self, version, target, sha, size, take):
        data = self.files[sha]
        for start in range(0, len(data), 2048):
            if sha in IMAGES and start == 6144:
                app.cloud.tunnels_open = 1
                asyncio.create_task(self.quiet(bytes(PARTS[0].data["ota_1"])))
            await take(data[start:start + 2048])
    async def quiet(self, before):
        await asyncio.sleep_ms(300)
        after = PARTS[0].data["ota_1"]
        self.written = sum([after[at : at + 4096] != before[at : at + 4096] for at in range(0, len(before), 4096)])
        app.cloud.tunnels_open = 0

work = Update(app, "2.0", "1.0", Busy(BOTH, FILES))
work._keys = KEYS
try:
    asyncio.run(work.run())
except Reset:
    pass
assert work._source.written <= 1, "the block that was full already"
assert power_on() == ("app_b", "1.29.0")
"""
    )


async def test_when_nothing_loads_any_more_the_other_image_is_started() -> None:
    """The last resort: what was flashed is compiled for the image of before, and nothing else is left."""
    await on_chip(
        MOUNTED
        + """
WORLD["abi"] = 7
take(BOTH)
assert power_on() == ("app_b", "1.29.0")
boot().write({"slot": "", "version": "", "state": "good"})     # both slots are lost
assert power_on() == ("", "1.28.0")
assert power_on() == ("", "1.28.0"), "and it stays"
"""
    )
