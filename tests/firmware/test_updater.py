"""Updates over the air on a flash chip: whatever is wrong with a release, whenever the power goes, a hub remains."""

from __future__ import annotations

import re

import pytest

from tests.firmware.releases import MOUNTED, NEW, OLD, key, release, run
from tools.release.bundle import manifest
from tools.release.keys import modulus, sign


async def test_an_update_fetches_what_changed_copies_the_rest_and_tidies_the_slot() -> None:
    await run(
        MOUNTED
        + """
app = install(BODY, FILES)
assert app.said() == [("fetching", "")] and app.board.resets == 1, app.said()
assert read("app_b") == NEW
assert len(app.source.fetched) == 3, "hub/same.mpy is copied"
slots = boot()
assert slots.choose() == "app_b"
expected = {"slot": "app_b", "version": "2.0", "state": "testing", "before": "app_a", "before_version": "1.0"}
assert slots.pointer == expected, slots.pointer
assert read("app_a") == OLD
"""
    )


async def test_a_power_cut_at_every_operation_of_an_update_leaves_a_working_hub_that_can_go_on() -> None:
    out = await run(
        """
states = set()

def check(cut):
    slots = boot()
    slot = slots.choose()
    states.add((slot, slots.pointer["state"], slots.pointer.get("before")))
    if slot == "app_a":
        assert read("app_a") == OLD, cut
        app = install(BODY, FILES)
        assert app.said() == [("fetching", "")], (cut, app.said())
    else:
        assert slot == "app_b" and slots.pointer["state"] == "testing", (cut, slots.pointer)
    assert read("app_b") == NEW and read("app_a") == OLD, cut
    assert boot().choose() == "app_b"

cuts = run_to_cut(lambda: install(BODY, FILES), check, 256, prepare)
print(cuts, sorted([str(state) for state in states]))
"""
    )
    cuts = int(out[-1].split()[0])
    assert cuts > 60, out
    # While app_b is neither the old release nor the new one, nobody may fall back to it.
    assert re.findall(r"\('[^)]*\)", out[-1]) == [
        "('app_a', 'good', 'app_b')",
        "('app_a', 'good', None)",
        "('app_b', 'testing', 'app_a')",
    ]


async def test_an_update_that_was_cut_does_not_fetch_again_what_it_has() -> None:
    await run(
        MOUNTED
        + """
class Cut(Source):
    async def file(self, version, target, sha, size, take):
        if len(self.fetched) == 2:
            raise OSError(104)
        await super().file(version, target, sha, size, take)

Whole, Source = Source, Cut
app = install(BODY, FILES)
assert app.said() == [("fetching", ""), ("failed", "unreachable")], app.said()
Source = Whole
app = install(BODY, FILES)
assert app.said() == [("fetching", "")] and len(app.source.fetched) == 1, app.source.fetched
assert read("app_b") == NEW
"""
    )


def spoilt_signature() -> bytes:
    body = release(NEW)
    return (b"1" if body[:1] == b"0" else b"0") + body[1:]


def retold() -> bytes:
    """A signed manifest, of which a byte was changed."""
    return release(NEW).replace(b'"version":"2.0"', b'"version":"2.1"')


def with_path(path: str) -> bytes:
    return release(NEW | {path: b"evil"})


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("bad_signature", spoilt_signature()),
        ("bad_signature", retold()),
        ("bad_signature", release(NEW, signer=1)),
        ("bad_signature", manifest("2.0", "test", NEW)),
        ("bad_signature", b"\n" + manifest("2.0", "test", NEW)),
        ("bad_signature", b"zz\n" + manifest("2.0", "test", NEW)),
        ("bad_signature", b""),
        ("bad_signature", release(NEW)[:900]),
        ("bad_manifest", sign(key(), b"[]")),
        ("bad_manifest", sign(key(), b'{"version":"2.0","target":"test","files":{}}')),
        ("bad_manifest", sign(key(), b"[" * 3000)),
        ("bad_manifest", with_path("../main.py")),
        ("bad_manifest", with_path("/main.py")),
        ("bad_manifest", release({"hub/app.mpy": b"without a start"})),
        ("wrong_version", release(NEW, "2.1")),
        ("wrong_target", release(NEW, target="esp32")),
    ],
)
async def test_a_release_that_is_not_what_it_should_be_changes_nothing(code: str, body: bytes) -> None:
    await run(
        MOUNTED
        + """
before = read("app_b")
app = install(BODY, FILES)
assert app.said() == [("fetching", ""), ("failed", CODE)], app.outbox.events
assert not app.board.resets and not app.updating
assert boot().choose() == "app_a" and read("app_a") == OLD and read("app_b") == before
""",
        BODY=body,
        CODE=code,
    )


async def test_a_step_back_must_be_signed_as_one() -> None:
    await run(
        MOUNTED
        + """
app = install(BODY, FILES, running="3.0")
assert app.said() == [("fetching", ""), ("failed", "downgrade")]
app = install(BACK, FILES, running="3.0")
assert app.said() == [("fetching", "")] and boot().choose() == "app_b"
""",
        BACK=release(NEW, downgrade=True),
    )


async def test_a_new_key_is_known_beside_the_old_one_and_without_a_key_there_are_no_updates() -> None:
    await run(
        MOUNTED
        + """
app = install(BODY, FILES, keys=())
assert app.said() == [("fetching", ""), ("failed", "no_key")]
app = install(BODY, FILES, keys=BOTH)
assert app.said() == [("fetching", "")]
""",
        BOTH=(modulus(key(1)), modulus(key())),
    )


@pytest.mark.parametrize("damage", ["short", "long", "changed"])
async def test_a_file_that_arrives_damaged_is_never_started(damage: str) -> None:
    await run(
        MOUNTED
        + """
for sha, data in list(FILES.items()):
    FILES[sha] = {"short": data[:-1], "long": data + b"!", "changed": data[:-1] + b"!"}[DAMAGE]
app = install(BODY, FILES)
assert app.said() == [("fetching", ""), ("failed", "corrupt")], app.said()
assert boot().choose() == "app_a" and read("app_a") == OLD
""",
        DAMAGE=damage,
    )


async def test_a_full_disk_is_noticed_before_anything_is_fetched() -> None:
    await run(
        MOUNTED
        + """
write("data", {"fill": bytes((os.statvfs("/chip")[3] - 12) * 512)})
app = install(BODY, FILES)
assert app.said() == [("fetching", ""), ("failed", "no_space")], app.outbox.events
assert "KiB" in app.outbox.events[-1]["message"] and not app.source.fetched
assert boot().choose() == "app_a" and read("app_a") == OLD
os.remove("/chip/data/fill")
app = install(BODY, FILES)
assert app.said() == [("fetching", "")]
""",
    )


async def test_a_disk_that_fills_up_half_way_leaves_the_running_release_alone() -> None:
    await run(
        MOUNTED
        + """
class Filling(Source):
    async def file(self, version, target, sha, size, take):
        for number in range(999):
            try:
                write("data", {"fill%d" % number: bytes(500)})
            except OSError:
                break
        await super().file(version, target, sha, size, take)

Whole, Source = Source, Filling
app = install(BODY, FILES)
assert app.said() == [("fetching", ""), ("failed", "flash")], app.outbox.events
assert boot().choose() == "app_a" and read("app_a") == OLD
for name in os.listdir("/chip/data"):
    os.remove("/chip/data/" + name)
Source = Whole
assert install(BODY, FILES).said() == [("fetching", "")] and read("app_b") == NEW
"""
    )


async def test_an_update_waits_for_files_and_commands_on_their_way_to_printers() -> None:
    await run(
        MOUNTED
        + """
hub.updater._QUIET_MS = 300
slots = boot()
slots.choose()
app = App(slots)
work = Update(app, "2.0", "1.0", Source(BODY, FILES))
work._keys = KEYS

async def scenario():
    app.cloud.tunnels_open = 1
    task = asyncio.create_task(work.run())
    await asyncio.sleep_ms(400)
    assert read("app_b") == STALE, "nothing is written while a file is carried"
    app.cloud.tunnels_open = 0
    app.commands.active = 1
    await asyncio.sleep_ms(400)
    assert not app.board.resets and slots.pointer["slot"] == "app_a", "a print is about to start"
    app.commands.active = 0
    await task
    assert app.board.resets == 1 and slots.pointer["slot"] == "app_b"

asyncio.run(scenario())
"""
    )


async def test_the_command_refuses_at_once_what_cannot_be() -> None:
    await run(
        MOUNTED
        + """
async def ask(app, version, running="1.0"):
    return (await update(app, version, running, Source(BODY, FILES))).get("code", "ok")

async def scenario():
    app = App(boot())
    assert await ask(app, "1.0") == "wrong_state"
    assert await ask(app, "latest") == "invalid"
    app.updating = "3.0"
    assert await ask(app, "2.0") == "busy"
    app.updating = ""
    app.slots.write({"slot": "app_b", "version": "1.0", "state": "testing"})
    assert await ask(app, "2.0") == "busy"

asyncio.run(scenario())
"""
    )


def test_the_releases_of_these_tests_differ() -> None:
    assert set(OLD) != set(NEW) and OLD["hub/same.mpy"] == NEW["hub/same.mpy"]
