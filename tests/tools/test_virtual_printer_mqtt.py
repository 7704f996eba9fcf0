"""The broker face: logins, topics, each family's way of reporting, answers to commands."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.tools.virtual_printer_driver import LoginRefused, Mqtt, client_context, own_address
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm
from tools.virtual_printer.spec import AmsSpec, PrinterSpec, TraySpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRAYS = [TraySpec(color="1F8B4C", remain=64, tag_uid="A1B2C3D4E5F60708"), TraySpec("PETG"), None, None]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def farm() -> AsyncIterator[VirtualFarm]:
    specs = [
        PrinterSpec(model="P1S", report_interval=0.2, trays=list(TRAYS)),
        PrinterSpec(model="A1 mini", report_interval=0.2, ams_diffs="whole", trays=list(TRAYS)),
        PrinterSpec(model="X1C", report_interval=0.2, ams=[AmsSpec(list(TRAYS)), AmsSpec([TraySpec()], "ams_ht")]),
        PrinterSpec(model="P2S", report_interval=60),
        PrinterSpec(model="H2D", report_interval=0.2),
    ]
    async with VirtualFarm.start(specs, address=own_address()) as running:
        yield running


def of_model(farm: VirtualFarm, model: str) -> RunningPrinter:
    return next(printer for printer in farm.printers if printer.model == model)


@pytest.fixture
def p1s(farm: VirtualFarm) -> RunningPrinter:
    return of_model(farm, "P1S")


@pytest.mark.parametrize(("code", "user"), [("00000000", "bblp"), (None, "admin"), ("", "bblp")])
async def test_a_wrong_login_is_answered_with_5(p1s: RunningPrinter, code: str | None, user: str) -> None:
    with pytest.raises(LoginRefused) as refused:
        async with Mqtt.session(p1s, code=code, user=user):
            pass
    assert refused.value.code == 5


async def test_mqtt_5_is_told_the_protocol_version_is_wrong(p1s: RunningPrinter) -> None:
    with pytest.raises(LoginRefused) as refused:
        async with Mqtt.session(p1s, level=5):
            pass
    assert refused.value.code == 1


async def test_mqtt_3_1_is_let_in(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s, level=3) as client:
        assert await client.report(msg=0)


async def test_the_certificate_names_the_serial_and_tls_is_1_2(p1s: RunningPrinter) -> None:
    context = client_context(maximum=ssl.TLSVersion.TLSv1_3)
    _, writer = await asyncio.open_connection(p1s.address, p1s.ports["mqtt"], ssl=context)
    tls = writer.get_extra_info("ssl_object")
    certificate = ssl.DER_cert_to_PEM_cert(tls.getpeercert(True))
    writer.transport.abort()
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    leaf = x509.load_pem_x509_certificate(certificate.encode())
    assert tls.version() == "TLSv1.2"
    assert leaf.subject.rfc4514_string() == f"CN={p1s.serial}"
    assert leaf.fingerprint(hashes.SHA256()).hex() == p1s.fingerprint


async def test_tls_1_1_only_is_refused(p1s: RunningPrinter) -> None:
    context = client_context(maximum=ssl.TLSVersion.TLSv1_3)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection(p1s.address, p1s.ports["mqtt"], ssl=context)


async def test_p1_sends_everything_once_and_then_only_what_changed(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s) as client:
        first = await client.report()
        assert first["msg"] == 0
        assert first["gcode_state"] == "IDLE"
        assert first["home_flag"] >> 8 & 3 == 1
        assert first["sdcard"] is True
        assert first["chamber_temper"] == 5
        assert "fun" not in first
        answer = await client.request("system", "ledctrl", led_node="chamber_light", led_mode="off")
        assert answer["result"] == "success"
        change = await client.report(lights_report=[{"node": "chamber_light", "mode": "off"}])
        assert change["msg"] == 1
        assert set(change) <= {"lights_report", "wifi_signal", "command", "msg", "sequence_id"}
        assert b"\n" not in client.raw[0]
        await client.request("system", "ledctrl", led_node="chamber_light", led_mode="on")


async def test_x1_sends_everything_each_beat_indented_by_four(farm: VirtualFarm) -> None:
    async with Mqtt.session(of_model(farm, "X1C")) as client:
        await client.until(lambda _: len(client.messages) >= 4)
        assert all(report["msg"] == 0 for report in client.reports())
        assert client.raw[0].startswith(b'{\n    "print": {\n        ')
        report = client.reports()[-1]
        assert int(report["fun"], 16) & 0x20000000 == 0
        assert report["home_flag"] < 0
        assert report["ams"]["ams_exist_bits"] == "11"
        assert report["ams"]["tray_exist_bits"] == "10003"
        assert report["ams"]["ams"][0]["tray"][2] == {"id": "2", "state": 9}


async def test_p2s_sends_a_partial_report_when_something_changes_between_beats(farm: VirtualFarm) -> None:
    async with Mqtt.session(of_model(farm, "P2S")) as client:
        await client.report(msg=0)
        await client.request("print", "gcode_line", param="M140 S60\n")
        change = await client.report(bed_target_temper=60.0)
        assert change["msg"] == 1
        assert "gcode_state" not in change
        assert set(change["device"]) <= {"bed", "bed_temp"}


async def test_h2d_shows_two_nozzles_and_two_external_slots(farm: VirtualFarm) -> None:
    async with Mqtt.session(of_model(farm, "H2D")) as client:
        report = await client.report(msg=0)
        assert [item["id"] for item in report["device"]["extruder"]["info"]] == [0, 1]
        assert [item["id"] for item in report["vir_slot"]] == ["254", "255"]
        assert len(client.raw[0]) > 10_000


async def test_pushall_is_answered_with_a_full_report_and_nothing_else(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s) as client:
        await client.report(msg=0)
        seen = len(client.messages)
        await client.publish(b'{"pushing":{"command":"pushall","sequence_id":"1"}}')
        full = await client.report(after=seen, msg=0)
        assert full["ams"]["tray_exist_bits"] == "3"
        assert not any("pushing" in message for message in client.messages)


async def test_one_message_with_three_sections_no_ids_and_a_nul_is_understood(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s) as client:
        message = {"pushing": {"command": "pushall"}, "info": {"command": "get_version"}, "system": {"led_mode": "on"}}
        await client.publish(json.dumps(message).encode() + b"\0")
        version = await client.until(lambda m: "info" in m)
        ota = next(module for module in version["info"]["module"] if module["name"] == "ota")
        assert ota["product_name"] == "Bambu Lab P1S"
        assert ota["sn"] == p1s.serial
        assert {module["name"] for module in version["info"]["module"]} >= {"ota", "esp32", "mc", "th", "ams/0"}
        assert await client.until(lambda m: "system" in m)


@pytest.mark.parametrize(
    "garbage", [b"", b"\xff\xfe", b"[]", b'"x"', b"{", b'{"print": 3}', b'{"print": {"command": 5}}']
)
async def test_nonsense_does_not_disturb(p1s: RunningPrinter, garbage: bytes) -> None:
    async with Mqtt.session(p1s) as client:
        await client.publish(garbage, qos=1, packet_id=99)
        assert (await client.request("info", "get_version"))["result"] == "success"
        assert 99 in client.acknowledged


async def test_sequence_ids_come_back_as_they_went(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s) as client:
        await client.publish(b'{"print":{"command":"print_speed","param":"3","sequence_id":5}}')
        answer = await client.until(lambda m: m.get("print", {}).get("command") == "print_speed")
        assert answer["print"]["sequence_id"] == 5
        assert (await client.report(spd_lvl=3))["spd_mag"] == 124
        await client.request("print", "print_speed", param="2")


async def test_only_the_right_serial_and_wildcards_get_reports(p1s: RunningPrinter) -> None:
    async with (
        Mqtt.session(p1s, topic=f"device/{p1s.serial.lower()}/report") as wrong,
        Mqtt.session(p1s, topic="#") as everything,
    ):
        await everything.report(msg=0)
        await everything.until(lambda _: len(everything.messages) >= 3)
        assert wrong.messages == []
        await wrong.ping()
        async with asyncio.timeout(10):
            await wrong.ponged.wait()


async def test_commands_on_the_report_topic_are_ignored_and_noted(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s) as client:
        await client.publish(
            b'{"print":{"command":"gcode_line","param":"M140 S99"}}', topic=f"device/{p1s.serial}/report"
        )
        await client.request("info", "get_version")
        assert (await p1s.control.state())["bed"]["target"] != 99
        assert "wrong_topic" in (await p1s.control.journal())["counters"]


async def test_the_same_client_id_kicks_the_older_session(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s, client_id="hub") as old:
        await old.report(msg=0)
        async with Mqtt.session(p1s, client_id="hub") as new:
            async with asyncio.timeout(10):
                await old.closed.wait()
            assert await new.report(msg=0)


async def test_gcode_lines_set_temperatures_and_fans(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s) as client:
        await client.request("print", "gcode_line", param="M104 S200\nM140 S61 ; bed\nM106 P1 S255\nM106 P2 S128\n")
        state = await p1s.control.state()
        assert (state["nozzle"]["target"], state["bed"]["target"]) == (200.0, 61.0)
        assert state["fans"]["cooling"] == 15
        assert state["fans"]["aux"] == 8
        report = await client.report(cooling_fan_speed="15")
        assert report["big_fan1_speed"] == "8"
        await client.request("print", "gcode_line", param="M104 S0\nM140 S0\nM107\n")


async def test_ams_filament_setting_shows_in_a_reduced_difference(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s) as client:
        await client.report(msg=0)
        answer = await client.request(
            "print", "ams_filament_setting", ams_id=0, slot_id=1, tray_id=1, tray_info_idx="GFB00",
            tray_color="FF0000FF", tray_type="ABS", nozzle_temp_min=240, nozzle_temp_max=270,
        )  # fmt: skip
        assert answer["result"] == "success"
        change = await client.until(lambda m: "ams" in m.get("print", {}) and m["print"].get("msg") == 1)
        units = change["print"]["ams"]["ams"]
        assert [(unit["id"], [tray["id"] for tray in unit["tray"]]) for unit in units] == [("0", ["1"])]
        assert units[0]["tray"][0]["tray_type"] == "ABS"
        await p1s.control.do("set_tray", slot=1, tray=None)
        emptied = await client.until(lambda m: m.get("print", {}).get("ams", {}).get("tray_exist_bits") == "1")
        assert emptied["print"]["ams"]["ams"][0]["tray"] == [{"id": "1"}]
        await p1s.control.do("set_tray", slot=1, tray={"type": "PETG"})


async def test_whole_ams_differences_carry_every_tray(farm: VirtualFarm) -> None:
    mini = of_model(farm, "A1 mini")
    async with Mqtt.session(mini) as client:
        await client.report(msg=0)
        await mini.control.do("set_tray", slot=3, tray={"type": "TPU"})
        change = await client.until(lambda m: "ams" in m.get("print", {}) and m["print"].get("msg") == 1)
        assert [tray["id"] for tray in change["print"]["ams"]["ams"][0]["tray"]] == ["0", "1", "2", "3"]


async def test_the_access_code_is_told_to_who_knows_it(p1s: RunningPrinter) -> None:
    async with Mqtt.session(p1s) as client:
        answer = await client.request("system", "get_access_code")
        assert answer["access_code"] == p1s.access_code


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        ("print_speed", {"param": "9"}),
        ("skip_objects", {"obj_list": [1]}),
        ("ams_change_filament", {"target": 77}),
        ("ams_filament_setting", {"ams_id": 0, "slot_id": 2, "tray_type": "PLA"}),
        ("ams_filament_drying", {"ams_id": 0, "mode": 1, "duration": 8}),
        ("gcode_line", {"param": 5}),
    ],
)
async def test_what_cannot_be_done_is_refused(p1s: RunningPrinter, command: str, fields: dict[str, object]) -> None:
    async with Mqtt.session(p1s) as client:
        assert (await client.request("print", command, **fields))["result"] == "fail"
