"""Each command id takes effect at most once, whatever is repeated, cut or restarted."""

from __future__ import annotations

import asyncio
import textwrap
from pathlib import Path

from tests.firmware.micropython import run_code, start
from tests.firmware.powercut import POWERCUT

HELPERS = """
import asyncio, json, sys, time
import hub.commands
from hub.commands import Commands

class Link:
    "A printer that notes what it was told, and answers when it is let."
    def __init__(self, answer=None):
        self.told = []
        self.answer = answer or {"ok": True, "code": "", "message": "", "data": {}}
        self.gate = asyncio.Event()
        self.gate.set()
        self.active = self.most = 0

    async def command(self, name, args, expect, timeout_ms):
        self.active += 1
        self.most = max(self.most, self.active)
        self.told.append(name)
        await self.gate.wait()
        self.active -= 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

class Cloud:
    def __init__(self):
        self.results = []
        self.connected = True

    async def deliver(self, ident, result):
        if self.connected:
            self.results.append((ident, result.get("code", "ok")))
        return self.connected

def message(ident, name="pause", printer="p1", ttl_ms=5000, **more):
    return dict(kind="command", id=ident, name=name, printer=printer, args={}, ttl_ms=ttl_ms, **more)

async def until(condition):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep_ms(2)
    raise AssertionError("never came")
"""


async def run(program: str, folder: Path) -> list[str]:
    body = textwrap.indent(textwrap.dedent(program), "    ")
    source = (
        HELPERS + "async def main():\n    path = sys.argv[1] + '/commands.log'\n    link, cloud = Link(), Cloud()\n"
        "    links = {'p1': link}\n    commands = Commands(path, links, cloud.deliver)\n"
        + body
        + "\nasyncio.run(main())\n"
    )
    return (await run_code(source, str(folder))).out.splitlines()


async def test_a_repeat_gets_the_first_answer_also_after_a_reboot(tmp_path: Path) -> None:
    program = """
        for _ in range(3):
            commands.accept(message("c1"))
            await until(lambda: not commands.active)
        assert cloud.results == [("c1", "ok")] * 3, cloud.results
        print(len(link.told))
    """
    assert await run(program, tmp_path) == ["1"]
    assert await run(program, tmp_path) == ["0"]


async def test_a_repeat_while_it_runs_waits_for_the_one_result(tmp_path: Path) -> None:
    await run(
        """
        link.gate.clear()
        commands.accept(message("c1"))
        await until(lambda: link.told)
        commands.accept(message("c1"))
        link.gate.set()
        await until(lambda: not commands.active)
        assert (link.told, cloud.results) == (["pause"], [("c1", "ok")])
        """,
        tmp_path,
    )


async def test_one_command_at_a_time_for_each_printer_and_printers_side_by_side(tmp_path: Path) -> None:
    await run(
        """
        other = links["p2"] = Link()
        link.gate.clear()
        for n in range(10):
            commands.accept(message("c%d" % n))
        commands.accept(message("x", printer="p2"))
        await until(lambda: cloud.results)
        assert cloud.results == [("x", "ok")]
        commands.accept(message("late"))
        await until(lambda: len(cloud.results) == 2)
        assert cloud.results[1] == ("late", "busy"), "a queue has an end"
        link.gate.set()
        await until(lambda: not commands.active)
        assert link.most == 1
        assert [ident for ident, _ in cloud.results[2:]] == ["c%d" % n for n in range(10)]
        assert commands._queues == {}
        """,
        tmp_path,
    )


async def test_a_command_that_waited_too_long_is_not_done(tmp_path: Path) -> None:
    await run(
        """
        link.gate.clear()
        commands.accept(message("c1"))
        await until(lambda: link.told)
        commands.accept(message("c2", ttl_ms=20))
        commands.accept(message("c3", ttl_ms=5000))
        await asyncio.sleep_ms(40)
        link.gate.set()
        await until(lambda: not commands.active)
        assert cloud.results == [("c1", "ok"), ("c2", "expired"), ("c3", "ok")], cloud.results
        assert len(link.told) == 2
        """,
        tmp_path,
    )


async def test_what_the_printer_refuses_is_passed_on_and_remembered(tmp_path: Path) -> None:
    program = """
        link.answer = {"ok": False, "code": "wrong_state", "message": "it is printing", "data": {}}
        for ident in ("c1", "c1"):
            commands.accept(message(ident, name="start", expect=["idle"]))
            await until(lambda: not commands.active)
        assert cloud.results == [("c1", "wrong_state")] * 2
        print(len(link.told))
    """
    assert await run(program, tmp_path) == ["1"]
    assert await run(program, tmp_path) == ["0"]


async def test_an_unknown_printer_and_a_fault_of_our_own_have_their_codes(tmp_path: Path) -> None:
    out = await run(
        """
        commands.accept(message("c1", printer="nobody"))
        await until(lambda: not commands.active)
        link.answer = RuntimeError("boom")
        commands.accept(message("c2"))
        await until(lambda: not commands.active)
        assert cloud.results == [("c1", "unknown_printer"), ("c2", "no_answer")], cloud.results
        link.answer = {"ok": True}
        commands.accept(message("c3"))
        await until(lambda: not commands.active)
        assert cloud.results[-1] == ("c3", "ok"), "the printer's queue goes on"
        """,
        tmp_path,
    )
    assert "RuntimeError" in "\n".join(out), "a fault is told, not swallowed"


async def test_a_printer_that_is_removed_meanwhile_gets_nothing(tmp_path: Path) -> None:
    await run(
        """
        link.gate.clear()
        commands.accept(message("c1"))
        await until(lambda: link.told)
        commands.accept(message("c2"))
        await until(lambda: commands._queues["p1"][1] == 2)
        del links["p1"]
        link.gate.set()
        await until(lambda: not commands.active)
        assert cloud.results == [("c1", "ok"), ("c2", "unknown_printer")]
        """,
        tmp_path,
    )


async def test_a_flash_without_room_keeps_no_hub_from_starting(tmp_path: Path) -> None:
    """What tears a journal, a full flash, is still there at the next start; safe mode reads the journal too."""
    await run(
        """
        import hub.commands
        with open(path, "wb") as file:
            file.write(hub.commands.line(["b", "c1"]) + b"0000")
        def full(path, data):
            raise OSError(28)
        write, hub.commands.write_whole = hub.commands.write_whole, full
        commands = Commands(path, links, cloud.deliver)
        await commands.resend()
        commands.accept(message("c2"))
        await until(lambda: not commands.active)
        assert cloud.results == [("c1", "interrupted"), ("c2", "rejected")], cloud.results
        hub.commands.write_whole = write
        commands.accept(message("c3"))
        await until(lambda: not commands.active)
        again = Commands(path, links, cloud.deliver)
        for ident in ("c1", "c3"):
            again.accept(message(ident))
        await until(lambda: not again.active)
        assert cloud.results[2:] == [("c3", "ok"), ("c1", "interrupted"), ("c3", "ok")], cloud.results
        """,
        tmp_path,
    )


async def test_results_found_no_connection_and_are_sent_after_the_next(tmp_path: Path) -> None:
    await run(
        """
        cloud.connected = False
        for n in range(70):
            commands.accept(message("c%d" % n))
            await until(lambda: not commands.active)
        cloud.connected = True
        await commands.resend()
        assert cloud.results == [("c%d" % n, "ok") for n in range(6, 70)], "the last 64 are remembered"
        await commands.resend()
        assert len(cloud.results) == 64
        """,
        tmp_path,
    )


async def test_the_last_64_are_remembered_and_the_journal_stays_small(tmp_path: Path) -> None:
    await run(
        """
        import os
        most = 0
        for n in range(1000):
            commands.accept(message("c%d" % n))
            await until(lambda: not commands.active)
            most = max(most, os.stat(path)[6])
        assert most < 32 * 1024, most
        again = Commands(path, links, cloud.deliver)
        told = len(link.told)
        for n in range(936, 1000):
            again.accept(message("c%d" % n))
            await until(lambda: not again.active)
        assert len(link.told) == told
        """,
        tmp_path,
    )


async def test_harmless_commands_spare_the_flash(tmp_path: Path) -> None:
    await run(
        """
        from hub.flash import exists
        for name in ("refresh", "light"):
            for _ in range(2):
                commands.accept(message(name, name=name))
                await until(lambda: not commands.active)
        assert link.told == ["refresh", "light"]
        assert not exists(path)
        """,
        tmp_path,
    )


async def test_without_flash_nothing_that_matters_is_begun(tmp_path: Path) -> None:
    await run(
        """
        commands = Commands(sys.argv[1] + "/no/such/folder.log", links, cloud.deliver)
        commands.accept(message("c1", name="start"))
        commands.accept(message("c2", name="light"))
        await until(lambda: not commands.active)
        assert sorted(cloud.results) == [("c1", "rejected"), ("c2", "ok")], cloud.results
        assert link.told == ["light"]
        """,
        tmp_path,
    )


async def test_a_journal_cut_at_every_byte_never_repeats_an_effect(tmp_path: Path) -> None:
    await run(
        """
        for n in range(3):
            commands.accept(message("c%d" % n))
            await until(lambda: not commands.active)
        """,
        tmp_path,
    )
    await run(
        """
        with open(path, "rb") as f:
            whole = f.read()
        lines = whole.split(b"\\n")[:-1]
        for cut in range(len(whole) + 1):
            with open(path, "wb") as f:
                f.write(whole[:cut])
            complete = whole[:cut].count(b"\\n")
            link.told.clear()
            cloud.results.clear()
            again = Commands(path, links, cloud.deliver)
            for n in range(3):
                again.accept(message("c%d" % n))
                await until(lambda: not again.active)
            codes = dict(cloud.results)
            # Lines come in pairs: begun, finished. One that is begun is never done again.
            for n in range(3):
                expected = "ok" if complete != 2 * n + 1 else "interrupted"
                assert codes["c%d" % n] == expected, (cut, n, codes)
            assert len(link.told) == 3 - (complete + 1) // 2, (cut, complete, link.told)
            third = Commands(path, links, cloud.deliver)
            assert third._journal.results == again._journal.results
        """,
        tmp_path,
    )


async def test_a_cut_at_every_flash_operation_never_repeats_an_effect() -> None:
    program = (
        POWERCUT
        + HELPERS
        + textwrap.dedent(
            """
        hub.commands.log = lambda part, text: None
        hub.commands._JOURNAL_LINES = 12      # compactions too
        hub.commands.REMEMBERED = 5
        effects, answered = {}, {}

        class Printer:
            ident = None
            async def command(self, name, args, expect, timeout_ms):
                effects[self.ident] = effects.get(self.ident, 0) + 1
                return {"ok": True}

        printer = Printer()

        async def deliver(ident, result):
            answered[ident] = result.get("code", "ok")
            return True

        def work(first, last):
            async def main():
                commands = Commands("/chip/journal", {"p1": printer}, deliver)
                for n in range(first, last):
                    printer.ident = "c%d" % n
                    commands.accept(message(printer.ident))
                    while commands.active:
                        await asyncio.sleep_ms(0)
                    if commands._journal._torn:
                        raise OSError(5)      # the flash is dead, and so is this hub
            asyncio.new_event_loop()
            asyncio.run(main())

        def scenario():
            effects.clear()
            answered.clear()
            work(0, 20)

        def check(cut):
            done = [n for n in range(20) if "c%d" % n in effects]
            last = done[-1] if done else 0
            before = dict(answered)
            # The cloud repeats what it has no answer for, and the last one in any case.
            work(max(0, last - 1), last + 3)
            for ident, count in effects.items():
                assert count == 1, (cut, ident, count)
            for ident, code in before.items():
                if code == "ok" and answered[ident] == "interrupted":
                    # Done and told, but the result never reached the flash: says that it may have happened.
                    assert ident == "c%d" % last, (cut, ident)
        print(run_to_cut(scenario, check))
        """
        )
    )
    finished = await run_code(program, heap="4M", limit=60)
    assert int(finished.out.splitlines()[-1]) > 100


async def test_kill_in_the_middle_of_a_command(tmp_path: Path) -> None:
    """kill -9 while the printer has the command: after the restart it is `interrupted`, and not repeated."""
    source = HELPERS + textwrap.dedent(
        """
        async def main():
            link, cloud = Link(), Cloud()
            link.gate.clear()
            commands = Commands(sys.argv[1] + "/commands.log", {"p1": link}, cloud.deliver)
            commands.accept(message("c1", name="start"))
            await until(lambda: link.told)
            print("in the middle")
            await asyncio.sleep(60)
        asyncio.run(main())
        """
    )
    async with start("-c", source, str(tmp_path)) as process:
        assert process.stdout
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b"in the middle\n"
        process.kill()
        await process.wait()
    await run(
        """
        await commands.resend()
        assert cloud.results == [("c1", "interrupted")], "told without being asked"
        commands.accept(message("c1", name="start"))
        await until(lambda: not commands.active)
        assert cloud.results == [("c1", "interrupted")] * 2
        assert link.told == []
        """,
        tmp_path,
    )
