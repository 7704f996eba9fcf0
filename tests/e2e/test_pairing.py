"""A hub out of its box becomes a farm's hub: real firmware, real cloud, the box of a phone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from shared_protocol import pairing
from tests.firmware.ble_bridge import BleBridge
from tools.farm.client import ApiError
from tools.farm.farm import Farm
from tools.hub import HubProcess
from tools.virtual_printer.spec import PrinterSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRINTERS = [PrinterSpec(model="P1S", name="one")]
FARM_WIFI = {"ssid": "Farm", "password": "secret123", "rssi": -40}


def encrypt(key: bytes, blocks: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(blocks)  # noqa: S305 - blocks of CTR


class Phone:
    """Somebody with the label of a hub, who is logged in."""

    def __init__(self, farm: Farm, bridge: BleBridge, hub: HubProcess) -> None:
        self.farm = farm
        self.bridge = bridge
        self.hub = hub
        self.secret = hub.device_secret
        self.device = pairing.device_of(pairing.proof_of(self.secret))
        self._nonce = self._salt = b""

    async def leave(self, **more: Any) -> dict[str, Any]:
        """Leave to claim it."""
        made: dict[str, Any] = await self.farm.api.post("/api/pairings/", {"device_id": self.device, **more})
        return made

    async def send(self, token: str, ssid: str = "Farm", psk: str = "secret123", **more: str) -> None:
        """Seal a box and hand it over."""
        info = json.loads(await self.bridge.read(pairing.INFO_UUID))
        assert info["id"] == self.device
        self._nonce, self._salt = bytes.fromhex(info["nonce"]), secrets.token_bytes(pairing.SALT_BYTES)
        content = {"ssid": ssid, "psk": psk, "url": self.farm.cloud.url, "t": token, **more}
        box = pairing.seal(encrypt, self.secret, self._nonce, self._salt, json.dumps(content).encode())
        await self.bridge.write_long(pairing.IN_UUID, box)

    async def outcome(self) -> dict[str, Any]:
        """What became of it: the first reply that is final."""
        async with asyncio.timeout(30):
            while True:
                reply = await self.bridge.read(pairing.OUT_UUID)
                plain = pairing.read_answer(self.secret, self._nonce, self._salt, reply) if reply else None
                told: dict[str, Any] = json.loads(plain) if plain else {}
                if told.get("state") in ("done", "failed"):
                    return told
                await self.bridge.hints.get()


def free_port() -> int:
    """The firmware cannot tell a port that it was given, so it is told one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest_asyncio.fixture(loop_scope="module")
async def phone(farm: Farm, tmp_path: Path) -> AsyncIterator[Phone]:
    radio = tmp_path / "radio.json"
    radio.write_text(json.dumps([FARM_WIFI, {"ssid": "Tired", "password": "secret123", "dhcp": False}]))
    async with BleBridge.open() as bridge:
        extra = {"PF_BLE": bridge.address, "PF_RADIO": str(radio), "PF_PAGE": str(free_port())}
        hub = HubProcess.unpaired(tmp_path / "hub", extra=extra)
        async with hub:
            await bridge.connected()
            yield Phone(farm, bridge, hub)


async def online(farm: Farm, hub_id: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            hub: dict[str, Any] = await farm.api.get(f"/api/hubs/{hub_id}")
            if hub["online"]:
                return hub
            await asyncio.sleep(0.1)


async def test_a_hub_is_paired_by_a_phone_with_bluetooth(farm: Farm, phone: Phone) -> None:
    leave = await phone.leave(name="Shelf")
    await phone.send(leave["token"])
    told = await phone.outcome()
    assert told["state"] == "done"
    pairing_now = await farm.api.get(f"/api/pairings/{leave['id']}")
    assert (pairing_now["state"], pairing_now["hub_id"]) == ("claimed", told["hub"])
    await phone.hub.ended()
    await phone.hub.start()
    hub = await online(farm, told["hub"])
    assert (hub["name"], hub["device_id"]) == ("Shelf", phone.device)
    log = "\n".join(phone.hub.lines)
    for secret in (pairing.base32(phone.secret), leave["token"], "secret123"):
        assert secret not in log
        assert secret not in farm.cloud.log.read_text(errors="replace")


async def test_each_failure_has_its_name_and_the_same_token_goes_on(farm: Farm, phone: Phone) -> None:
    token = (await phone.leave())["token"]
    for ssid, psk, code in (
        ("Elsewhere", "", "no_network"),
        ("Farm", "wrong password", "wrong_password"),
        ("Tired", "secret123", "no_address"),
    ):
        await phone.send(token, ssid, psk)
        assert await phone.outcome() == {"state": "failed", "code": code}
    await phone.send(token, url="http://127.0.0.1:1")
    assert (await phone.outcome())["code"] == "cloud_unreachable"
    await phone.send(token, url="http://192.0.2.1")
    assert (await phone.outcome())["code"] == "cloud_refused"  # never in clear over a network
    await phone.send("another token")
    assert (await phone.outcome())["code"] == "token_invalid"
    await phone.send(token)
    assert (await phone.outcome())["state"] == "done"


async def test_a_hub_of_somebody_is_not_given_away(farm: Farm, phone: Phone) -> None:
    await phone.send((await phone.leave())["token"])
    assert (await phone.outcome())["state"] == "done"
    with pytest.raises(ApiError) as error:
        await phone.leave()
    assert error.value.code == "already_owned"


async def test_a_hub_is_paired_at_its_own_access_point(farm: Farm, phone: Phone) -> None:
    line = await phone.hub.wait_for("page on http://")
    page = line.split("page on ")[1]
    leave = await phone.leave()
    content = {"ssid": "Farm", "psk": "secret123", "url": farm.cloud.url, "t": leave["token"]}
    async with aiohttp.ClientSession(page) as web:
        async with web.get("/") as answer:
            assert answer.content_type == "text/html"
            assert "Set up your hub" in await answer.text()
        async with web.get("/networks") as answer:
            assert [one[0] for one in await answer.json(content_type=None)] == ["Farm", "Tired"]
        async with web.get("/generate_204") as answer:
            assert answer.status == 204
        async with web.post("/setup", json=content | {"psk": "wrong one"}) as answer:
            assert answer.status == 202
        assert (await state(web))["code"] == "wrong_password"
        async with web.post("/setup", json=content) as answer:
            assert answer.status == 202
        assert (await state(web))["state"] == "done"
    await phone.hub.ended()
    await phone.hub.start()
    assert (await farm.api.get(f"/api/pairings/{leave['id']}"))["state"] == "claimed"


async def state(web: aiohttp.ClientSession) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            async with web.get("/state") as answer:
                told: dict[str, Any] = await answer.json(content_type=None)
            if told["state"] in ("done", "failed"):
                return told
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"POST /setup HTTP/1.1\r\nContent-Length: 99999\r\n\r\n",
        b"POST /setup HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /setup HTTP/1.1\r\nContent-Length: 3\r\n\r\n[1,",
        b"POST /setup HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]",
        b"DELETE / HTTP/1.1\r\n\r\n",
    ],
)
async def test_nonsense_on_the_access_point_changes_nothing(farm: Farm, phone: Phone, sent: bytes) -> None:
    port = int((await phone.hub.wait_for("page on http://")).rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    writer.write_eof()
    answer = b""
    with contextlib.suppress(ConnectionResetError):  # it does not listen to the end of what is too long
        answer = await reader.read()
    writer.close()
    assert not answer or answer.split(b" ")[1] in (b"400", b"404", b"413")
    assert json.loads(await phone.bridge.read(pairing.INFO_UUID))["state"] == "ready"


async def test_a_hub_restarted_from_afar_comes_back_and_says_why(farm: Farm) -> None:
    mark = farm.hub.mark
    await farm.api.post(f"/api/hubs/{farm.hub_ids[0]}/restart")
    await farm.hub.wait_for("hub: online", mark=mark)
    assert (await online(farm, farm.hub_ids[0]))["reset"] == "restart"
    await farm.online()
