"""Which slot starts: counted tries, the way back, and a power cut at every operation of the flash."""

from __future__ import annotations

import textwrap

from tests.firmware.micropython import run_code
from tests.firmware.powercut import POWERCUT

PRELUDE = r"""
import main, json, os
TESTING = {"slot": "app_b", "version": "2.0", "state": "testing", "before": "app_a", "before_version": "1.0"}

def boot():
    return main.Slots("/chip", main.FileMemory("/chip"))

def starts(count):
    return [boot().choose() for _ in range(count)]
"""


async def run(program: str) -> list[str]:
    finished = await run_code(POWERCUT + PRELUDE + textwrap.dedent(program), heap="2M")
    return finished.out.splitlines()


ON_A_CHIP = """
flash = Flash()
vfs.VfsLfs2.mkfs(flash)
vfs.mount(vfs.VfsLfs2(flash), "/chip")
"""


async def test_a_fresh_board_runs_what_was_flashed_however_often_it_falls() -> None:
    await run(ON_A_CHIP + "assert starts(9) == [''] * 9\nassert boot().folder('') == '/chip'")


async def test_a_release_that_is_never_confirmed_has_three_tries_and_the_one_before_says_so() -> None:
    out = await run(
        ON_A_CHIP
        + textwrap.dedent("""
        slots = boot()
        slots.memory.count(0)
        slots.write(TESTING)
        assert starts(2) == ["app_b"] * 2
        boot().blame("ImportError no module named 'x'")
        assert starts(3) == ["app_b", "app_a", "app_a"]
        pointer = boot().pointer
        assert pointer == {"slot": "app_a", "version": "1.0", "state": "rolled_back", "failed": "2.0",
                           "why": "ImportError no module named 'x'"}, pointer
        """)
    )
    assert out == ["main: slot app_b (2.0) did not come up"]


async def test_whatever_stands_in_the_sentence_of_a_fault_the_one_before_starts_and_is_remembered() -> None:
    """A letter that the cut divides is no text, and signs that JSON doubles would not fit the spare copy."""
    await run(
        ON_A_CHIP
        + textwrap.dedent("""
        for why in ("x" + "\u00e9" * 200, '"' * 300, "\\0\\1" * 150):
            slots = boot()
            slots.memory.count(0)
            slots.write(TESTING)
            starts(3)
            boot().blame(why)
            assert starts(2) == ["app_a"] * 2
            assert boot().pointer["failed"] == "2.0" and len(boot().pointer["why"]) == 200
        """)
    )


async def test_a_confirmed_release_is_started_for_ever_and_one_that_cannot_be_loaded_gives_way_to_factory() -> None:
    out = await run(
        ON_A_CHIP
        + textwrap.dedent("""
        boot().write({"slot": "app_a", "version": "1.0", "state": "good"})
        for _ in range(9):
            slots = boot()
            assert slots.choose() == "app_a"
            slots.confirm()
        assert starts(5) == ["app_a"] * 3 + ["", ""]
        assert boot().pointer["failed"] == "1.0"
        """)
    )
    assert len(out) == 1


async def test_a_damaged_pointer_is_replaced_by_its_spare_copy() -> None:
    await run(
        ON_A_CHIP
        + textwrap.dedent("""
        boot().write(TESTING)
        for damage in (b"", b"\\xff" * 300, b"00000000 {}\\n", b'{"slot": "app_a"}'):
            with open("/chip/current", "wb") as file:
                file.write(damage)
            assert boot().choose() == "app_b", damage
            boot().memory.count(0)
        os.remove("/chip/current")
        assert boot().choose() == "app_b"
        os.remove("/chip/current.spare")
        assert boot().choose() == ""
        """)
    )


async def test_a_power_cut_at_every_operation_leaves_the_old_pointer_or_the_new_one() -> None:
    out = await run("""
        def scenario():
            slots = boot()
            slots.write({"slot": "app_a", "version": "1.0", "state": "good"})
            slots.choose()
            slots.memory.count(0)
            slots.write(TESTING)
            slots.choose()
            slots.confirm()
            slots.blame("some fault")
            slots.write({"slot": "app_b", "version": "2.0", "state": "good"})

        seen = []
        def check(cut):
            slots = boot()
            name = (slots.choose(), slots.pointer["state"])
            if not seen or seen[-1] != name:
                seen.append(name)

        cuts = run_to_cut(scenario, check)
        assert seen == [("", "good"), ("app_a", "good"), ("app_b", "testing"), ("app_b", "good")], seen
        print(cuts)
        """)
    assert int(out[-1]) > 20


async def test_a_power_cut_in_a_fall_back_does_not_blame_the_release_before_for_the_tries() -> None:
    out = await run("""
        def prepare():
            boot().write(TESTING)
            boot().memory.count(3)

        seen = set()
        def check(cut):
            slots = boot()
            name = slots.choose()
            if name == "app_b":
                names = starts(3)
                assert "app_a" in names, "it has tries anew, and then gives way"
                name = names[-1]
            assert name == "app_a", (cut, name, slots.pointer)

        print(run_to_cut(lambda: boot().choose(), check, prepare=prepare))
        """)
    assert int(out[-1]) > 3


async def test_a_flash_that_takes_nothing_still_starts_what_it_holds() -> None:
    out = await run(
        ON_A_CHIP
        + textwrap.dedent("""
        boot().write(TESTING)
        boot().memory.count(3)
        vfs.umount("/chip")
        class Worn(Flash):
            def writeblocks(self, block, buffer, offset=0):
                return -5
        worn = Worn()
        worn.data[:] = flash.data
        vfs.mount(vfs.VfsLfs2(worn), "/chip")
        assert starts(2) == ["app_a"] * 2
        """)
    )
    assert "main: the flash takes nothing: OSError(5,)" in out, out
