"""What the hub remembers survives cuts and damage, and its secrets stay out of sight."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from tests.firmware.micropython import run_code
from tests.firmware.powercut import POWERCUT

KEY = "pfh_hub1_verysecretkey"
CODE = "12345678"


def identity(folder: Path, **changes: object) -> None:
    folder.mkdir(exist_ok=True)
    document = {"hub": "hub1", "key": KEY, "cloud": "ws://127.0.0.1:8000/hub/v1/link"} | changes
    (folder / "identity.json").write_text(json.dumps(document))


def printer(number: int = 1, **more: object) -> dict[str, object]:
    return {"id": f"p{number}", "serial": f"S{number}", "host": "127.0.0.1", "code": CODE} | more


async def run(program: str, folder: Path) -> list[str]:
    source = "import sys, json\nfrom hub.config import Config\n" + textwrap.dedent(program)
    finished = await run_code(source, str(folder))
    assert CODE not in finished.out and "verysecret" not in finished.out
    return finished.out.splitlines()


async def test_an_empty_folder_is_a_hub_that_was_not_provisioned(tmp_path: Path) -> None:
    out = await run(
        """
        config = Config(sys.argv[1] + "/data")
        assert (config.identity, config.networks, config.revision, config.printers) == (None, [], 0, [])
        """,
        tmp_path,
    )
    assert out == []


async def test_identity_printers_and_pins_come_back_after_a_reboot(tmp_path: Path) -> None:
    identity(tmp_path)
    document = {"revision": 7, "printers": [printer(1), printer(2, cert="ab" * 32)]}
    program = f"""
        config = Config(sys.argv[1])
        assert (config.identity.hub, config.identity.key) == ("hub1", "{KEY}")
        config.store_printers(json.loads('{json.dumps(document)}'))
        config.pin("S1", "cd" * 32)
        again = Config(sys.argv[1])
        assert again.revision == 7
        assert again.printers == config.printers
        assert [again.pin_of(p) for p in again.printers] == ["cd" * 32, "ab" * 32]
    """
    await run(program, tmp_path)


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "nul", '{"revision": 3}', '{"revision": -1, "printers": []}', "x" * 20000]
)
async def test_a_damaged_document_gives_way_to_the_one_before(tmp_path: Path, damage: str) -> None:
    await run(
        """
        config = Config(sys.argv[1])
        for revision in (1, 2):
            config.store_printers({"revision": revision, "printers": []})
        """,
        tmp_path,
    )
    (tmp_path / "printers.json").write_text(damage)
    out = await run("config = Config(sys.argv[1]); print(config.revision)", tmp_path)
    assert out[-1] == "1"
    assert "printers.json is damaged" in out[0]
    # What comes next is stored again, and the good old one is not overwritten by the damaged one.
    out = await run(
        """
        import os
        Config(sys.argv[1]).store_printers({"revision": 5, "printers": []})
        print(Config(sys.argv[1]).revision)
        os.remove(sys.argv[1] + "/printers.json")
        print(Config(sys.argv[1]).revision)
        """,
        tmp_path,
    )
    assert out[-2:] == ["5", "1"]


async def test_damage_everywhere_is_reported_without_a_secret(tmp_path: Path) -> None:
    (tmp_path / "identity.json").write_text('{"hub": "h", "key": "' + KEY + '", "cloud": 5}')
    (tmp_path / "wifi.json").write_text('{"password": "' + CODE + '"}')
    (tmp_path / "pins.json").write_text("[")
    (tmp_path / "printers.json").write_text('{"revision": 1, "printers": [{"id": "p", "code": "' + CODE + '"}]}')
    out = await run("assert Config(sys.argv[1]).identity is None", tmp_path)
    text = "\n".join(out)
    for name in ("identity.json", "wifi.json", "pins.json", "printers.json"):
        assert name in text


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({"cloud": "wss://cloud.example/hub/v1/link"}, True),
        ({"cloud": "ws://127.0.0.1:1/x"}, True),
        ({"cloud": "ws://localhost:1/x"}, True),
        ({"cloud": "ws://cloud.example/x"}, False),
        ({"cloud": "ws://127.evil.example/x"}, False),
        ({"cloud": "ws://192.168.1.9:8000/x", "insecure": True}, True),
        ({"cloud": "https://cloud.example/"}, False),
        ({"cloud": "wss://user@cloud.example/"}, False),
        ({"cloud": "wss://cloud.example:70000/"}, False),
        ({"cloud": "wss://:1/"}, False),
        ({"key": "with space"}, False),
        ({"key": "line\nbreak"}, False),
        ({"key": ""}, False),
        ({"hub": None}, False),
    ],
)
async def test_which_identities_are_taken(tmp_path: Path, changes: dict[str, object], accepted: bool) -> None:
    identity(tmp_path, **changes)
    out = await run("print(Config(sys.argv[1]).identity is not None)", tmp_path)
    assert out[-1] == str(accepted)


async def test_addresses_are_split() -> None:
    program = """
from hub.address import is_loopback, is_numeric, split_url
assert split_url("wss://a.example/x/y") == (True, "a.example", 443, "/x/y")
assert split_url("ws://127.0.0.1:81") == (False, "127.0.0.1", 81, "/")
assert [is_numeric(a) for a in ("1.2.3.4", "1.2.3", "1.2.3.256", "a.b.c.d", "1.2.3.4.5", "1.2.3.")] == [
    True, False, False, False, False, False
]
assert is_loopback("127.9.9.9") and not is_loopback("127.x.y.z") and not is_loopback("10.0.0.1")
"""
    await run_code(program)


async def test_a_pin_goes_when_the_cloud_lifts_or_replaces_it_and_stays_otherwise(tmp_path: Path) -> None:
    await run(
        """
        def document(revision, **more):
            return {"revision": revision, "printers": [dict(id="p1", serial="S1", host="1.2.3.4", code="c", **more)]}
        config = Config(sys.argv[1])
        config.store_printers(document(1))
        config.pin("S1", "aa")
        config.store_printers(document(2))
        assert config.pin_of(config.printers[0]) == "aa"
        config.store_printers(document(3, cert="aa"))
        assert config.pin_of(config.printers[0]) == "aa"
        config.store_printers(document(4))
        assert config.pin_of(config.printers[0]) == "", "lifted"
        config.pin("S1", "bb")
        config.store_printers(document(5, cert="cc"))
        config.store_printers(document(6, cert="cc"))
        assert config.pin_of(config.printers[0]) == "cc"
        config.store_printers({"revision": 7, "printers": []})
        config.store_printers(document(8))
        assert Config(sys.argv[1]).pin_of(config.printers[0]) == "", "a printer that left is forgotten"
        """,
        tmp_path,
    )


async def test_a_cut_at_every_flash_operation_leaves_the_old_or_the_new_document() -> None:
    program = POWERCUT + textwrap.dedent(
        """
        from hub.config import Config
        stored = [0, None]

        def document(revision):
            printers = [dict(id="p%d" % n, serial="S%d" % n, host="1.2.3.4", code="c") for n in range(6)]
            return {"revision": revision, "printers": printers}

        def scenario():
            stored[0], stored[1] = 0, None
            config = Config("/chip/data")
            for revision in range(1, 9):
                config.store_printers(document(revision))
                stored[0] = revision
                config.pin("S1", "%02d" % revision)
                stored[1] = "%02d" % revision

        def check(cut):
            config = Config("/chip/data")
            assert config.revision in (stored[0], stored[0] + 1), (cut, config.revision, stored)
            assert config.printers == (document(1)["printers"] if config.revision else [])
            if stored[1]:
                pin = config.pin_of(config.printers[1])
                assert pin in (stored[1], "%02d" % (int(stored[1]) + 1)), (cut, pin, stored)
            config.store_printers(document(50))
            assert Config("/chip/data").revision == 50

        print(run_to_cut(scenario, check))
        """
    )
    finished = await run_code(program, heap="4M")
    assert int(finished.out.splitlines()[-1]) > 50
    assert "damaged" not in finished.out
