"""Commands over connections that come and go: one outcome each, never two effects, never later than allowed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud.bus import NoResponder
from cloud.hubs import commands as commands_module
from cloud.hubs.commands import MAX_PENDING, CommandDesk
from cloud.printing.asks import Answer, CommandAsk, ask_subject, decode_answer, encode
from shared_protocol import codec
from shared_protocol.schema import CLOUD
from tests.cloud.hub_kit import HubCloud, hub_cloud


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[HubCloud]:
    async with hub_cloud(tmp_path) as cloud:
        yield cloud


def ask(cloud: HubCloud, ident: str, **changes: Any) -> CommandAsk:
    values: dict[str, Any] = {"printer_id": cloud.printers[0], "id": ident, "name": "pause", "ttl_ms": 5000}
    return CommandAsk(**{**values, **changes})


def asking(cloud: HubCloud, command: CommandAsk) -> "asyncio.Task[Answer]":
    """Ask over the bus, as the rest of the cloud does."""

    async def run() -> Answer:
        return decode_answer(await cloud.bus.request(ask_subject(cloud.hub), encode(command), 30))

    return asyncio.create_task(run())


async def test_a_command_goes_out_and_its_result_comes_back(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        answer = asking(cloud, ask(cloud, "c1", name="speed", args={"level": 2}, expect=["running"]))
        message = await hub.until("command")
        assert {key: message[key] for key in ("id", "name", "printer", "args", "expect")} == {
            "id": "c1", "name": "speed", "printer": cloud.printers[0], "args": {"level": 2}, "expect": ["running"],
        }  # fmt: skip
        assert 0 < message["ttl_ms"] <= 5000
        await hub.say("result", id="c1", ok=False, code="wrong_state", message="not printing", data={"x": 1})
        assert await answer == Answer(ok=False, code="wrong_state", message="not printing")


async def test_results_find_their_command_in_any_order(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        answers = {ident: asking(cloud, ask(cloud, ident)) for ident in ("c1", "c2", "c3")}
        for _ in answers:
            await hub.until("command")
        for ident in ("c3", "c1", "c2"):
            await hub.say("result", id=ident, ok=True, message=ident)
        await hub.say("result", id="c1", ok=False, code="busy", message="said twice: the first counts")
        await hub.say("result", id="never asked", ok=True)
        assert {ident: (await answer).message for ident, answer in answers.items()} == {
            "c1": "c1",
            "c2": "c2",
            "c3": "c3",
        }


async def test_nobody_there_is_known_at_once(cloud: HubCloud) -> None:
    with pytest.raises(NoResponder):
        await asking(cloud, ask(cloud, "c1"))
    async with cloud.connected():
        pass
    await cloud.watcher.until("offline")
    with pytest.raises(NoResponder):
        await asking(cloud, ask(cloud, "c2"))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "explode"},
        {"name": "speed", "args": {"level": 9}},
        {"ttl_ms": 0},
        {"expect": ["nonsense"]},
        {"name": "gcode", "args": {"lines": "G1", "pad": "x" * 20_000}},
    ],
)
async def test_what_the_protocol_forbids_never_leaves(cloud: HubCloud, changes: dict[str, Any]) -> None:
    async with cloud.connected() as hub:
        answer = await asking(cloud, ask(cloud, "c1", **changes))
        assert (answer.ok, answer.code) == (False, "invalid")
        await hub.socket.send("{")
        assert (await hub.hear())["kind"] == "error"  # and not a command


async def test_what_is_no_ask_at_all_is_answered(cloud: HubCloud) -> None:
    async with cloud.connected():
        for data in (b"", b"{}", b'{"op":"dance"}', b'{"op":"command","id":3}'):
            answer = decode_answer(await cloud.bus.request(ask_subject(cloud.hub), data, 5))
            assert (answer.ok, answer.code) == (False, "invalid")


async def test_a_command_cut_off_is_sent_again_under_its_id_with_the_time_that_is_left(cloud: HubCloud) -> None:
    async with cloud.connected() as hub:
        answer = asking(cloud, ask(cloud, "c1", ttl_ms=20_000))
        first = await hub.until("command")
        hub.socket.transport.abort()  # no goodbye
    await cloud.watcher.until("offline")
    async with cloud.connected() as hub:
        again = await hub.until("command")
        assert again["id"] == first["id"]
        assert again["ttl_ms"] < first["ttl_ms"]
        await hub.say("result", id="c1", ok=True)
        assert (await answer).ok


async def test_a_newer_connection_takes_the_open_commands_over(cloud: HubCloud) -> None:
    async with cloud.connected() as old:
        answer = asking(cloud, ask(cloud, "c1"))
        await old.until("command")
        async with cloud.connected() as new:
            assert (await new.until("command"))["id"] == "c1"
            await new.say("result", id="c1", ok=True)
            assert (await answer).ok


async def test_a_result_that_found_no_connection_is_taken_after_the_time_to_live(cloud: HubCloud) -> None:
    """The hub did it in time, lost the line, and tells later: that is the outcome, and nothing is sent again."""
    async with cloud.connected() as hub:
        answer = asking(cloud, ask(cloud, "c1", ttl_ms=200))
        await hub.until("command")
        hub.socket.transport.abort()
    await cloud.watcher.until("offline")
    await asyncio.sleep(0.25)
    async with cloud.connected() as hub:
        await hub.say("result", id="c1", ok=True)
        assert (await answer).ok
        await hub.socket.send("{")
        assert (await hub.hear())["kind"] == "error"  # no second command came before it


async def test_a_hub_that_never_answers_leaves_the_outcome_open(
    cloud: HubCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands_module, "GRACE_S", 0.1)
    async with cloud.connected() as hub:
        answer = asking(cloud, ask(cloud, "c1", ttl_ms=50))
        await hub.until("command")
        assert (await answer).code == "no_answer"


# ---- the desk alone


def command(ident: str, ttl_ms: int = 5000) -> CommandAsk:
    return CommandAsk(printer_id="prn_1", id=ident, name="pause", ttl_ms=ttl_ms)


async def test_what_never_left_did_not_happen() -> None:
    desk = CommandDesk()
    assert (await desk.run(command("c1", ttl_ms=20))).code == "offline"
    assert desk.idle


async def test_what_waited_for_the_hub_is_sent_when_it_comes_and_not_after_its_time() -> None:
    desk, sent = CommandDesk(), list[str]()
    late = asyncio.create_task(desk.run(command("late", ttl_ms=20)))
    early = asyncio.create_task(desk.run(command("early", ttl_ms=5000)))
    assert (await late).code == "offline"
    desk.connected(sent.append)
    assert [codec.decode(frame, CLOUD)["id"] for frame in sent] == ["early"]
    desk.on_result({"id": "early", "ok": True})
    assert (await early).ok


async def test_asking_twice_is_one_command_with_one_outcome_for_both() -> None:
    desk, sent = CommandDesk(), list[str]()
    desk.connected(sent.append)
    askers = [asyncio.create_task(desk.run(command("c1"))) for _ in range(2)]
    await asyncio.sleep(0)
    askers[0].cancel()
    await asyncio.gather(askers[0], return_exceptions=True)
    assert desk.on_result({"id": "c1", "ok": True})
    assert (await askers[1]).ok
    assert len(sent) == 1
    assert desk.idle
    assert not desk.on_result({"id": "c1", "ok": True})


async def test_more_than_the_hub_can_remember_are_refused() -> None:
    desk, sent = CommandDesk(), list[str]()
    desk.connected(sent.append)
    askers = [asyncio.create_task(desk.run(command(f"c{n}"))) for n in range(MAX_PENDING)]
    await asyncio.sleep(0)
    assert (await desk.run(command("one more"))).code == "busy"
    for n in range(MAX_PENDING):
        desk.on_result({"id": f"c{n}", "ok": True})
    assert all(answer.ok for answer in await asyncio.gather(*askers))
