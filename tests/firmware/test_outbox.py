"""Events survive whatever happens to the hub: power cuts at every flash operation, a torn file, a full flash."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from tests.firmware.micropython import run_code
from tests.firmware.powercut import POWERCUT

DATA = (
    '{"from": "running", "to": "finish", "task": "t", "task_id": "1", "file": "f",'
    ' "error": 0, "percent": 100, "layer": 9}'
)

HELPERS = f"""
from hub.outbox import Outbox
DATA = {DATA}
def add(outbox):
    return outbox.add("state", "p1", 5, DATA)
def pending(outbox):
    reader = outbox.reader()
    found = []
    while True:
        event = reader.next()
        if event is None:
            return found
        found.append((event["boot"], event["n"]))
"""


async def run(program: str, folder: Path | None = None, heap: str = "416k") -> list[str]:
    finished = await run_code(HELPERS + textwrap.dedent(program), *([str(folder)] if folder else []), heap=heap)
    return finished.out.splitlines()


async def test_events_come_back_oldest_first_after_a_reboot(tmp_path: Path) -> None:
    await run(
        """
        import sys
        outbox = Outbox(sys.argv[1], "boot-one")
        assert [add(outbox) for _ in range(40)] == list(range(1, 41))
        assert outbox.last == 40
        """,
        tmp_path / "outbox",
    )
    out = await run(
        """
        import sys, json
        outbox = Outbox(sys.argv[1], "boot-two")
        assert outbox.last == 0
        add(outbox)
        event = outbox.reader().next()
        assert event == {"boot": "boot-one", "n": 1, "name": "state", "printer": "p1", "at_ms": 5, "data": DATA}, event
        print(json.dumps(pending(outbox)))
        """,
        tmp_path / "outbox",
    )
    assert json.loads(out[-1]) == [["boot-one", n] for n in range(1, 41)] + [["boot-two", 1]]


async def test_acknowledged_events_go_and_their_files_with_them(tmp_path: Path) -> None:
    out = await run(
        """
        import sys, os
        outbox = Outbox(sys.argv[1], "boot-one")
        for _ in range(100):
            add(outbox)
        reader = outbox.reader()
        for n in range(1, 6):
            assert reader.next()["n"] == n
        outbox.ack("boot-one", 50)
        assert reader.next()["n"] == 51, "a walk under way leaves out what was acknowledged meanwhile"
        assert [n for _, n in pending(outbox)] == list(range(51, 101))
        outbox.ack("boot-one", 20)
        outbox.ack("another", 99)
        assert len(pending(outbox)) == 50, "an older or foreign acknowledgement takes nothing back or away"
        outbox.ack("boot-one", 100)
        assert pending(outbox) == []
        print(os.listdir(sys.argv[1]))
        assert add(outbox) == 101
        assert pending(outbox) == [("boot-one", 101)]
        assert reader.next()["n"] == 101
        assert reader.next() is None
        """,
        tmp_path / "outbox",
    )
    assert out == ["[]"]


async def test_a_file_cut_at_every_byte_yields_the_events_before_the_cut(tmp_path: Path) -> None:
    folder = tmp_path / "outbox"
    await run("import sys\noutbox = Outbox(sys.argv[1], 'boot-one')\nfor _ in range(3): add(outbox)", folder)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    out = await run(
        """
        import sys, os
        path = sys.argv[1] + "/00000001.log"
        with open(path, "rb") as f:
            whole = f.read()
        for cut in range(len(whole) + 1):
            for name in os.listdir(sys.argv[1]):
                os.remove(sys.argv[1] + "/" + name)
            with open(path, "wb") as f:
                f.write(whole[:cut])
            outbox = Outbox(sys.argv[1], "boot-two")
            add(outbox)
            again = Outbox(sys.argv[1], "boot-two")
            assert pending(again) == pending(outbox)
            assert pending(outbox)[-1] == ("boot-two", 1)
            print(len(pending(outbox)) - 1)
        """,
        folder,
    )
    ends = [sum(map(len, lines[: i + 1])) for i in range(3)]
    assert [int(line) for line in out] == [sum(end <= cut for end in ends) for cut in range(len(whole) + 1)]


async def test_a_damaged_line_in_the_middle_costs_only_itself(tmp_path: Path) -> None:
    folder = tmp_path / "outbox"
    await run("import sys\noutbox = Outbox(sys.argv[1], 'boot-one')\nfor _ in range(3): add(outbox)", folder)
    (file,) = folder.iterdir()
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[1].replace(b"running", b"ru\x00ning") + lines[2])
    out = await run("import sys\nprint(pending(Outbox(sys.argv[1], 'boot-two')))", folder)
    assert out == ["[('boot-one', 1), ('boot-one', 3)]"]


async def test_the_oldest_events_go_when_there_are_too_many_and_are_counted(tmp_path: Path) -> None:
    await run(
        """
        import sys, os
        outbox = Outbox(sys.argv[1], "boot-one")
        for _ in range(1000):
            add(outbox)
        kept = [n for _, n in pending(outbox)]
        assert 300 < len(kept) <= 384, len(kept)
        assert kept == list(range(1001 - len(kept), 1001))
        assert outbox.lost == 1000 - len(kept)
        again = Outbox(sys.argv[1], "boot-two")
        assert again.lost == outbox.lost
        again.lost_reported()
        assert Outbox(sys.argv[1], "boot-three").lost == 0
        assert len(os.listdir(sys.argv[1])) <= 12
        """,
        tmp_path / "outbox",
    )


async def test_a_cut_at_every_flash_operation_loses_nothing_that_was_stored() -> None:
    program = POWERCUT + textwrap.dedent(
        """
        stored, acked = [], [0]
        import hub.outbox, hub.flash
        hub.outbox.log = lambda part, text: None

        def scenario():
            stored.clear()
            acked[0] = 0
            outbox = Outbox("/chip/outbox", "boot-one")
            for i in range(1, 70):
                add(outbox)
                if outbox._files[-1].memory is not None:
                    raise OSError(5)       # the flash is dead: so is this hub
                stored.append(i)
                if i in (33, 40, 66):
                    acked[0] = i
                    outbox.ack("boot-one", i)

        def check(cut):
            outbox = Outbox("/chip/outbox", "boot-two")
            found = pending(outbox)
            numbers = [n for boot, n in found if boot == "boot-one"]
            assert numbers == sorted(set(numbers)), (cut, numbers)
            last = stored[-1] if stored else 0
            for n in stored:
                assert n <= acked[0] or n in numbers, (cut, n, numbers)
            assert not numbers or numbers[-1] <= last + 1, (cut, numbers, last)
            add(outbox)
            assert pending(outbox)[-1] == ("boot-two", 1), cut

        print(run_to_cut(scenario, check))
        """
    )
    out = await run(program, heap="4M")
    assert int(out[-1]) > 150


async def test_a_full_flash_keeps_the_last_events_in_memory_and_then_on_flash_again() -> None:
    program = POWERCUT + textwrap.dedent(
        """
        import hub.outbox
        hub.outbox.log = lambda part, text: None
        flash = Flash(24)
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(vfs.VfsLfs2(flash), "/chip")
        outbox = Outbox("/chip/outbox", "boot-one")
        add(outbox)
        with open("/chip/ballast", "wb") as f:
            try:
                while True:
                    f.write(bytes(256))
                    f.flush()
            except OSError:
                pass
        for _ in range(30):
            add(outbox)
        kept = [n for _, n in pending(outbox)]
        assert kept[0] == 1 and kept[-1] == 31, kept
        assert kept == sorted(kept) and 8 <= len(kept) <= 31, kept
        assert outbox.lost == 31 - len(kept), (outbox.lost, kept)
        os.remove("/chip/ballast")
        add(outbox)
        assert [n for _, n in pending(outbox)][-1] == 32
        outbox.ack("boot-one", 31)
        assert pending(outbox) == [("boot-one", 32)]
        assert pending(Outbox("/chip/outbox", "boot-two")) == [("boot-one", 32)]
        """
    )
    await run(program)
