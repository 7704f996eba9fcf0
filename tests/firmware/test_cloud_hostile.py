"""The hub's connection to a cloud that says what it should not, or breaks off in the middle."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from shared_protocol import codec
from tests.firmware.conftest import check_log
from tests.firmware.fake_cloud import KEY, FakeCloud, Hub, cut
from tools.hub import HubProcess


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "not_json"),
        ("\x00\x01\x02", "not_json"),
        ("[]", "not_object"),
        ("{}", "no_kind"),
        ('{"kind": "levitate"}', "unknown_kind"),
        ('{"kind": "hello"}', "wrong_sender"),
        ('{"kind": "pace", "status_ms": -1}', "invalid"),
        ('{"kind": "config", "config": {"revision": 1, "printers": [{"id": "x"}]}}', "invalid"),
        ("[" * 1000, "not_json"),
        ("[" * 16000, "no_memory"),
        ('{"kind": "pace", "status_ms": 1' + " " * 16300 + "}", "invalid"),
    ],
)
async def test_what_cannot_be_accepted_is_answered_and_the_connection_stays(
    cloud: FakeCloud, hub: HubProcess, text: str, code: str
) -> None:
    link = await cloud.hub()
    await link.connection.send(text)
    assert (await link.wait("error"))["code"] == code
    assert (await link.command("c1", "refresh"))["code"] == "unknown_printer"


async def test_a_bad_command_gets_a_result_for_whoever_waits(cloud: FakeCloud, hub: HubProcess) -> None:
    link = await cloud.hub()
    command: dict[str, Any] = {"kind": "command", "id": "c1", "name": "dance", "printer": "p1", "args": {}, "ttl_ms": 1}
    await link.connection.send(json.dumps(command))
    assert (await link.wait("result", id="c1"))["code"] == "unknown_command"
    await link.connection.send(json.dumps(command | {"id": "c2", "name": "speed", "args": {"level": 9}}))
    assert (await link.wait("result", id="c2"))["code"] == "invalid"
    await link.connection.send(json.dumps(command | {"id": 5}))
    assert (await link.wait("error"))["code"] == "invalid"


async def test_binary_nonsense_is_answered_or_ignored(cloud: FakeCloud, hub: HubProcess) -> None:
    link = await cloud.hub()
    for frame in (b"", b"\x00", b"\x07\x00\x01", b"\x01\x00\x01\x00", b"\x01\x00\x01\x00\x00\x00\x00\x00\x00"):
        await link.connection.send(frame)
    await link.wait("error", 5)
    await link.connection.send(codec.data_header(9) + b"for nobody")
    await link.connection.send(codec.credit(9, 100))
    await link.send("tunnel_close", tunnel=9, code="done")
    assert (await link.command("c1", "refresh"))["code"] == "unknown_printer"
    assert len(link.all("error")) == 5


async def test_a_message_over_the_limit_closes_with_1009(cloud: FakeCloud, hub: HubProcess) -> None:
    link = await cloud.hub()
    await link.connection.send("x" * (codec.MAX_TEXT + 1))
    await link.ended()
    assert link.connection.close_code == 1009
    again = await cloud.hub()
    assert again.hello["boot"] == link.hello["boot"]


async def test_text_that_is_not_utf8_closes_with_1007(cloud: FakeCloud, hub: HubProcess) -> None:
    link = await cloud.hub()
    await link.connection.send(b'{"kind": "\xff"}', text=True)
    await link.ended()
    assert link.connection.close_code == 1007
    await cloud.hub()


async def test_a_cut_in_the_middle_of_a_frame(cloud: FakeCloud, hub: HubProcess) -> None:
    link = await cloud.hub()
    link.connection.transport.write(b"\x81\x7e\x10\x00" + b"{" * 100)
    await cut(link)
    again = await cloud.hub()
    assert again.hello["boot"] == link.hello["boot"]


async def test_messages_before_the_welcome(cloud: FakeCloud, hub: HubProcess) -> None:
    first = await cloud.hub()
    done = asyncio.Event()

    async def script(link: Hub) -> None:
        await link.connection.recv()
        await link.send("ack", boot="whatever-1", n=7)
        await link.connection.send("nonsense")
        await link.send("command", id="c1", name="refresh", printer="p1", args={}, ttl_ms=1000)
        await link.connection.recv()  # the error
        await link.send("welcome", **{**WELCOME_FIELDS, "epoch": link.epoch})
        done.set()
        await link.read()

    cloud.script = script
    await cut(first)
    async with asyncio.timeout(10):
        await done.wait()
    await hub.wait_for("online, epoch 2")
    assert any("command before welcome" in line for line in hub.lines)


WELCOME_FIELDS: dict[str, Any] = {
    "time": 1_800_000_000,
    "beat_ms": 3000,
    "dead_ms": 8000,
    "status_ms": 1000,
    "backoff_min_ms": 20,
    "backoff_max_ms": 200,
    "acked": 0,
}


async def test_a_slow_drip_is_put_together(cloud: FakeCloud, hub: HubProcess) -> None:
    link = await cloud.hub()
    text = b'{"kind": "command", "id": "c1", "name": "refresh", "printer": "p1", "args": {}, "ttl_ms": 1000}'
    for byte in bytes([0x81, len(text)]) + text:
        link.connection.transport.write(bytes([byte]))
        await asyncio.sleep(0.003)
    assert (await link.wait("result", id="c1"))["code"] == "unknown_printer"


async def test_a_port_without_a_cloud_and_one_that_says_nothing(tmp_path: Path) -> None:
    connected = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, HubProcess(tmp_path / "data", "hub1", KEY, f"ws://127.0.0.1:{port}/hub/v1/link") as hub:
        async with asyncio.timeout(10):
            await connected.wait()
        await hub.wait_for("offline: OSError", timeout=25)
    async with HubProcess(tmp_path / "data", "hub1", KEY, f"ws://127.0.0.1:{port}/hub/v1/link") as hub:
        await hub.wait_for("offline")
    check_log(hub)


async def test_a_hub_without_identity_runs_and_says_so(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path / "data", "hub1", KEY, "ws://127.0.0.1:1/")
    (tmp_path / "data" / "identity.json").write_text("{")
    async with hub:
        await hub.wait_for("waiting for somebody")
        assert hub.running
    check_log(hub)
