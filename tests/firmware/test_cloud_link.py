"""The hub's connection to the cloud: order, patience and resumption."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from shared_protocol import codec
from tests.firmware.conftest import check_log
from tests.firmware.fake_cloud import KEY, FakeCloud, Hub, cut, document, fake_cloud, printer
from tests.firmware.micropython import run_code
from tools.hub import HubProcess

TWO = document(3, printer(1), printer(2))


def kinds(hub: Hub) -> list[str]:
    return [message["kind"] for message in hub.log]


# ---- coming up ---------------------------------------------------------------------------------------------------


async def test_the_order_after_connecting(cloud: FakeCloud, hub: HubProcess) -> None:
    cloud.welcome = {"config": TWO}
    link = await cloud.hub()
    await link.wait("status", 2)
    first = [kind for kind in kinds(link) if kind != "telemetry"]  # which comes when it comes
    assert first == ["configured", "event", "status", "status"]
    assert link.hello == {
        "kind": "hello",
        "hub": "hub1",
        "firmware": link.hello["firmware"],
        "board": "unix",
        "boot": link.hello["boot"],
        "uptime_ms": link.hello["uptime_ms"],
        "last_event": 1,
        "revision": 0,
        "sockets": 10,
        "max_printers": 6,
        "target": "unix",
        "reset": "start",
        "safe": False,
        "image": link.hello["image"],
        "image_room": 0,
    }
    assert re.fullmatch("[0-9a-f]{16}", link.hello["boot"])
    assert re.fullmatch(r"1\.\d+\.\d+", link.hello["image"])
    assert link.log[0] == {"kind": "configured", "revision": 3}
    assert link.log[1]["name"] == "boot" and link.log[1]["data"]["reason"] == "start"
    assert [(m["printer"], m["full"]) for m in link.all("status")] == [("p1", True), ("p2", True)]
    assert cloud.requests[0]["Authorization"] == f"Bearer {KEY}"
    assert cloud.requests[0]["Sec-WebSocket-Protocol"] == "printfarm.hub.v1"


async def test_a_full_status_of_every_printer_and_the_known_revision_after_each_connect(
    cloud: FakeCloud, hub: HubProcess
) -> None:
    cloud.welcome = {"config": TWO}
    await (await cloud.hub()).wait("status", 2)
    cut_link = None
    for _ in range(3):
        if cut_link is not None:
            await cut(cut_link)
        link = await cloud.hub() if cut_link is not None else None
        if link is None:
            await hub.kill()
            await hub.start()
            link = await cloud.hub()
        await link.wait("status", 2)
        assert link.hello["revision"] == 3
        assert "configured" not in kinds(link)
        assert all(m["full"] for m in link.all("status"))
        cut_link = link


async def test_events_wait_for_the_acknowledgement_across_reconnects_and_reboots(
    cloud: FakeCloud, hub: HubProcess
) -> None:
    link = await cloud.hub()
    first = await link.wait("event")
    await cut(link)
    link = await cloud.hub()
    assert await link.wait("event") == first, "not acknowledged: sent again"
    await hub.kill()
    await hub.start()
    link = await cloud.hub()
    second = await link.wait("event", 2)
    assert link.all("event")[0] == first, "the earlier boot first"
    assert second["boot"] == link.hello["boot"] != first["boot"]
    await link.send("ack", boot=first["boot"], n=1)
    await link.send("ack", boot=second["boot"], n=1)
    await link.command("sync", "refresh")
    await cut(link)
    link = await cloud.hub()
    await link.command("sync2", "refresh")
    assert link.all("event") == []
    await cut(link)
    cloud.welcome = {"acked": 1}
    await hub.kill()
    await hub.start()
    link = await cloud.hub()
    await link.command("sync3", "refresh")
    assert link.all("event") == [], "the welcome says what the cloud has"


async def test_new_printers_arrive_and_old_ones_leave_without_a_reconnect(cloud: FakeCloud, hub: HubProcess) -> None:
    cloud.welcome = {"config": TWO}
    link = await cloud.hub()
    await link.wait("status", 2)
    await link.send("config", config=document(4, printer(2), printer(3)))
    assert (await link.wait("configured", 2))["revision"] == 4
    assert (await link.wait("status", printer="p3"))["full"] is True
    assert (await link.command("c1", "light", "p1", args={"on": True}))["code"] == "unknown_printer"
    assert (await link.command("c2", "light", "p2", args={"on": True}))["code"] == "offline"
    assert len(link.all("status", printer="p2")) == 1, "an unchanged printer is left alone"
    await hub.kill()
    await hub.start()
    cloud.welcome = {}
    link = await cloud.hub()
    await link.wait("status", 2)
    assert link.hello["revision"] == 4
    assert {m["printer"] for m in link.all("status")} == {"p2", "p3"}


async def test_more_printers_than_the_board_takes(cloud: FakeCloud, hub: HubProcess) -> None:
    cloud.welcome = {"config": document(1, *[printer(n) for n in range(1, 9)])}
    link = await cloud.hub()
    await link.wait("status", 6)
    assert (await link.command("c1", "refresh", "p8"))["code"] == "unknown_printer"
    assert any("only 6 run" in line for line in hub.lines)


# ---- beats and silence -------------------------------------------------------------------------------------------


async def test_beats_flow_when_nothing_else_does(cloud: FakeCloud, hub: HubProcess) -> None:
    cloud.welcome = {"beat_ms": 200, "dead_ms": 5000}
    link = await cloud.hub()
    began = time.monotonic()
    beat = await link.wait("beat", 5)
    assert 0.6 < time.monotonic() - began < 3
    assert beat["uptime_ms"] > 0
    assert link.all("beat")[0]["heap_free"] > 10_000


async def test_a_silent_cloud_is_left_after_dead_ms(cloud: FakeCloud, hub: HubProcess) -> None:
    cloud.welcome = {"beat_ms": 200, "dead_ms": 600}
    link = await cloud.hub()
    began = time.monotonic()
    again = await cloud.hub()
    assert 0.4 < time.monotonic() - began < 3
    assert again.hello["boot"] == link.hello["boot"], "the hub lives, only the connection was given up"
    # A cloud that beats is kept.
    for _ in range(8):
        await asyncio.sleep(0.2)
        await again.send("beat")
    assert again.connection.close_code is None and cloud.hubs.empty()


async def test_a_cloud_that_does_not_read_is_left_too(cloud: FakeCloud, hub: HubProcess) -> None:
    """It beats, so it lives; but our words do not reach it."""
    await cloud.hub()
    left = asyncio.Event()

    async def blast(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(bytes(65536))
                await writer.drain()

    async def script(link: Hub) -> None:
        await link.greet(beat_ms=200, dead_ms=800, config=TWO)
        await link.send("tunnel_open", tunnel=1, printer="p1", port=port, window=2**20)
        try:
            for _ in range(15):
                await link.connection.send(codec.credit(1, 2**20))
            while True:
                await link.send("beat")
                await asyncio.sleep(0.1)
        except ConnectionClosed:
            left.set()

    server = await asyncio.start_server(blast, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        cloud.script = script
        await cloud.stop()
        await cloud.start()
        async with asyncio.timeout(30):
            await left.wait()
        cloud.script = None
        await cloud.hub()


# ---- being refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "said", "between"),
    [
        ((401, {}, b"no"), "does not accept this hub's key (401)", (30, 90)),
        ((403, {}, b"no"), "does not accept this hub's key (403)", (30, 90)),
        ((426, {}, b"firmware 2.0 wanted\x1b[31m"), "firmware too old for this cloud: firmware 2.0 wanted", (150, 450)),
        ((503, {"Retry-After": "7"}, b"draining"), "asks for patience (503)", (7, 8.5)),
        ((429, {"Retry-After": "3"}, b""), "asks for patience (429)", (3, 3.7)),
        ((500, {}, b"oops"), "HTTP 500", (0.2, 0.8)),
        ((503, {"Retry-After": "soon"}, b""), "HTTP 503", (0.2, 0.8)),
    ],
)
async def test_how_long_a_refused_hub_waits(
    cloud: FakeCloud,
    tmp_path: Path,
    refusal: tuple[int, dict[str, str], bytes],
    said: str,
    between: tuple[float, float],
) -> None:
    cloud.refusal = refusal
    async with HubProcess(tmp_path / "data", "hub1", KEY, cloud.url) as hub:
        line = await hub.wait_for("offline")
    assert said in line
    wait = float(line.rsplit("next try in ", 1)[1].removesuffix(" s"))
    assert between[0] <= wait <= between[1], line
    assert "\x1b" not in line
    check_log(hub)


async def test_503_is_obeyed_and_then_the_hub_returns(cloud: FakeCloud, hub: HubProcess) -> None:
    await cloud.hub()
    cloud.refusal = (503, {"Retry-After": "1"}, b"draining")
    await cloud.stop()
    await cloud.start()
    await hub.wait_for("patience (503)")
    began = time.monotonic()
    cloud.refusal = None
    await cloud.hub()
    assert 0.7 < time.monotonic() - began < 5


async def test_bye_says_when_to_come_back(cloud: FakeCloud, hub: HubProcess) -> None:
    link = await cloud.hub()
    await link.send("bye", code="draining", retry_ms=1500)
    began = time.monotonic()
    await link.ended()
    await cloud.hub()
    assert 1.3 < time.monotonic() - began < 5
    line = await hub.wait_for("bye: draining")
    assert "next try in 1." in line


async def test_bye_instead_of_a_welcome(cloud: FakeCloud, hub: HubProcess) -> None:
    await cloud.hub()

    async def script(link: Hub) -> None:
        await link.connection.recv()
        await link.send("bye", code="full", retry_ms=60_000)
        await link.read()

    cloud.script = script
    await cloud.stop()
    await cloud.start()
    line = await hub.wait_for("bye: full")
    assert 60 <= float(line.rsplit("next try in ", 1)[1].removesuffix(" s")) <= 72


async def test_waits_grow_with_jitter_between_the_limits_the_cloud_gave(cloud: FakeCloud, hub: HubProcess) -> None:
    cloud.welcome = {"backoff_min_ms": 100, "backoff_max_ms": 1000}
    await cloud.hub()
    waits: list[float] = []

    async def script(link: Hub) -> None:
        waits.append(time.monotonic())
        await cut(link)

    cloud.script = script
    await cloud.stop()
    await cloud.start()
    async with asyncio.timeout(30):
        while len(waits) < 8:
            await asyncio.sleep(0.02)
    gaps = [b - a for a, b in itertools.pairwise(waits)]
    assert max(gaps) < 1.6, gaps
    assert min(gaps[4:]) >= 0.45, gaps
    quiet = [line for line in hub.lines if "offline" in line]
    assert len(quiet) < 5, "the same trouble is not told each time"


async def test_the_backoff_on_its_own() -> None:
    program = """
from hub.cloud_link import Backoff
seen = []
for _ in range(200):
    backoff = Backoff()
    backoff.least_ms, backoff.most_ms = 500, 30000
    seen.append([backoff.next() for _ in range(10)])
for step in range(10):
    base = min(30000, 500 << step)
    waits = [row[step] for row in seen]
    assert base // 2 <= min(waits) and max(waits) <= min(30000, base * 3 // 2 + 1), (step, min(waits), max(waits))
    assert max(waits) - min(waits) > base // 4, "no jitter"
backoff = Backoff()
backoff.least_ms, backoff.most_ms = 0, 0
assert [backoff.next() for _ in range(50)] == [0] * 50
backoff.most_ms = 400
assert backoff.next() == 0, "the first may be at once when the cloud says so"
assert 50 <= backoff.next() <= 150
for _ in range(5000):
    assert backoff.next() <= 400
"""
    await run_code(program)


# ---- epochs ------------------------------------------------------------------------------------------------------


async def test_after_a_connection_of_eight_days_it_comes_back_at_once() -> None:
    """The chip's ticks can be told apart for six days only."""
    await run_code("""
import asyncio
from hub import cloud_link

class Ticks:
    now = 0
    @staticmethod
    def ticks_ms():
        return Ticks.now % 2 ** 30
    @staticmethod
    def ticks_diff(one, other):
        return (one - other + 2 ** 29) % 2 ** 30 - 2 ** 29

class Board:
    tunnel_window = tunnel_pieces = 1
    @staticmethod
    def uptime_ms():
        return Ticks.now

class Fleet:
    links, apply = {}, None

cloud_link.time = Ticks
link = cloud_link.CloudLink(Board, None, None, Fleet, "1")
link._backoff._step = 6

async def eight_days():
    link._session = link
    Ticks.now += 8 * 24 * 3_600_000
    raise OSError(104)

link._connect_and_serve = eight_days
wait, _ = asyncio.run(link._attempt())
assert wait <= 750, wait
""")


async def test_a_lower_epoch_is_refused_a_few_times_then_believed(cloud: FakeCloud, hub: HubProcess) -> None:
    link = await cloud.hub()
    cloud.epoch = 100
    await cut(link)
    link = await cloud.hub()
    assert link.epoch == 101
    cloud.epoch = 0
    await cut(link)
    for _ in range(3):
        stale = await cloud.hub()
        bye = await stale.wait("bye")
        assert bye["code"] == "superseded"
        assert stale.all("status") == stale.all("event") == []
        await stale.ended()
    # A cloud restored from an old copy: it stays at that, so it is right.
    link = await cloud.hub()
    await link.wait("event")
    assert link.epoch == 4


# ---- commands over the link --------------------------------------------------------------------------------------


async def test_a_command_is_answered_once_and_its_repeat_after_a_reconnect_and_a_reboot(
    cloud: FakeCloud, hub: HubProcess
) -> None:
    cloud.welcome = {"config": TWO}
    link = await cloud.hub()
    first = await link.command("c1", "pause")
    assert first["code"] == "offline"
    await cut(link)
    link = await cloud.hub()
    assert await link.command("c1", "pause") == first
    await hub.kill()
    await hub.start()
    link = await cloud.hub()
    assert await link.command("c1", "resume") == first, "the id decides, not what it says now"


async def test_kill_at_many_moments_leaves_a_hub_that_comes_back(cloud: FakeCloud, tmp_path: Path) -> None:
    """kill -9 while it starts, connects, stores, answers: no file is ever left unreadable."""
    cloud.welcome = {"config": TWO}
    hub = HubProcess(tmp_path / "data", "hub1", KEY, cloud.url)
    for n in range(25):
        cloud.welcome = {"config": document(n + 10, printer(1), printer(2))}
        await hub.start()
        pusher = asyncio.create_task(keep_busy(cloud, n))
        await asyncio.sleep(0.02 + 0.012 * n)
        await hub.kill()
        pusher.cancel()
        await asyncio.gather(pusher, return_exceptions=True)
        while not cloud.hubs.empty():
            cloud.hubs.get_nowait()
    async with hub:
        link = await cloud.hub()
        await link.wait("status", 2)
        boots = [event["boot"] for event in link.all("event")]
        assert len(boots) == len(set(boots)) <= 26
        assert boots[-1] == link.hello["boot"]
    check_log(hub)
    assert not any("damaged" in line for line in hub.lines)


async def keep_busy(cloud: FakeCloud, n: int) -> None:
    link = await cloud.hub()
    for i in range(1000):
        await link.send("config", config=document(100 * n + i + 11, printer(1), printer(2)))
        await link.send("command", id=f"k{n}-{i}", name="pause", printer="p1", args={}, ttl_ms=1000)
        await asyncio.sleep(0.002)


# ---- TLS ---------------------------------------------------------------------------------------------------------


async def test_wss_with_the_clouds_own_authority(tmp_path: Path) -> None:
    context, authority = tls_material(tmp_path)
    async with fake_cloud(context) as cloud:
        hub = HubProcess(tmp_path / "data", "hub1", KEY, cloud.url.replace("127.0.0.1", "localhost"))
        (tmp_path / "data" / "cloud.der").write_bytes(authority)
        async with hub:
            link = await cloud.hub()
            assert (await link.command("c1", "refresh"))["code"] == "unknown_printer"
            await cut(link)
            await cloud.hub()
        check_log(hub)


@pytest.mark.parametrize("authorities", ["none", "another"])
async def test_wss_is_refused_without_the_right_authority(tmp_path: Path, authorities: str) -> None:
    context, _ = tls_material(tmp_path)
    async with fake_cloud(context) as cloud:
        hub = HubProcess(tmp_path / "data", "hub1", KEY, cloud.url.replace("127.0.0.1", "localhost"))
        if authorities == "another":
            (tmp_path / "data" / "cloud.der").write_bytes(tls_material(tmp_path)[1])
        async with hub:
            await hub.wait_for("certificate is not trusted")
        assert cloud.requests == [], "the key was not sent"
        check_log(hub)


async def test_wss_is_refused_when_the_name_is_another(tmp_path: Path) -> None:
    context, authority = tls_material(tmp_path)
    async with fake_cloud(context) as cloud:
        hub = HubProcess(tmp_path / "data", "hub1", KEY, cloud.url)  # 127.0.0.1 is not in the certificate
        (tmp_path / "data" / "cloud.der").write_bytes(authority)
        async with hub:
            await hub.wait_for("certificate is not trusted")
        assert cloud.requests == []


def tls_material(folder: Path) -> tuple[ssl.SSLContext, bytes]:
    """A server context for `localhost` with an authority of its own, and that authority as DER."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.datetime.now(datetime.UTC)

    def certificate(name: str, ca: bool, issuer: Any, signer: Any, key: Any) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(signer, hashes.SHA256())
        )

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = certificate("test authority", True, None, ca_key, ca_key)
    leaf = certificate("localhost", False, authority.subject, ca_key, key)
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + leaf.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context, authority.public_bytes(serialization.Encoding.DER)
