"""Power cut at every flash operation while keys, faults and the end of an ownership are written."""

from __future__ import annotations

import textwrap

from tests.firmware.micropython import run_code
from tests.firmware.powercut import POWERCUT


async def run_cuts(program: str) -> int:
    """Run a scenario with every cut; how many there were."""
    finished = await run_code(POWERCUT + textwrap.dedent(program), heap="6M", limit=120)
    assert "damaged" not in finished.out, finished.out
    return int(finished.out.splitlines()[-1])


async def test_a_cut_leaves_a_key_that_works() -> None:
    """The old key alone, the new beside the old, or the new alone: never none, and never the identity lost."""
    program = """
        import json
        from hub import keys
        from hub.config import Config
        from hub.flash import make_folder, write_whole

        def scenario():
            make_folder("/chip/data")
            whole = {"hub": "hub1", "key": "old_old_old", "cloud": "ws://127.0.0.1:1/x", "more": 5}
            write_whole("/chip/data/identity.json", json.dumps(whole).encode())
            config = Config("/chip/data")
            keys.store_new(config, "new_new_new")
            keys.keep_one(config)

        seen = set()

        def check(cut):
            identity = Config("/chip/data").identity
            if identity is not None:
                seen.add((identity.key, identity.old_key))
            else:
                assert not seen, "once there, an identity stays"

        cuts = run_to_cut(scenario, check)
        assert seen == {("old_old_old", None), ("new_new_new", "old_old_old"), ("new_new_new", None)}, seen
        print(cuts)
    """
    assert await run_cuts(program) > 10


async def test_a_cut_in_a_release_is_made_good_and_the_epoch_rises_once() -> None:
    """Either the owner is known as before, or after the next start all of him is gone; never a part."""
    program = """
        import json, os
        from hub import wipe
        from hub.flash import exists, make_folder, write_whole

        OWNERS = ("identity.json", "wifi.json", "printers.json", "printers.old", "pins.json", "commands.log")

        class Board:
            data_dir = "/chip/data"
            def all(self):
                try:
                    with open("/chip/data/nvs.json") as file:
                        return json.loads(file.read())
                except OSError:
                    return {}
            def recall(self, name, default):
                return self.all().get(name, default)
            def remember(self, name, value):
                kept = self.all()
                kept[name] = value
                write_whole("/chip/data/nvs.json", json.dumps(kept).encode())

        ready = [False]

        def scenario():
            ready[0] = False
            make_folder("/chip/data")
            make_folder("/chip/data/outbox")
            for name in OWNERS + ("device.json", "root.der", "outbox/00000001.log"):
                write_whole("/chip/data/" + name, b"{}")
            Board().remember("epoch", 4)
            ready[0] = True
            wipe.wipe(Board())

        ended = [0, 0]

        def check(cut):
            if not ready[0]:
                return
            wipe.resume(Board())
            left = [name for name in OWNERS if exists("/chip/data/" + name)]
            assert exists("/chip/data/device.json") and exists("/chip/data/root.der"), cut
            assert not exists("/chip/data/wipe")
            gone = not left
            assert gone or len(left) == len(OWNERS), (cut, left)
            assert gone == (not exists("/chip/data/outbox")), cut
            assert Board().recall("epoch", 0) == (5 if gone else 4), cut
            ended[gone] += 1

        cuts = run_to_cut(scenario, check)
        assert ended[0] and ended[1] > 5, ended
        print(cuts)
    """
    assert await run_cuts(program) > 30


async def test_a_cut_leaves_a_fault_whole_or_not_at_all() -> None:
    program = """
        from hub import mishaps
        from hub.flash import make_folder

        stored = [False]

        def scenario():
            stored[0] = False
            make_folder("/chip/data")
            mishaps.keep("/chip/data", "hub", "x" * 1200)
            stored[0] = mishaps.take("/chip/data") is not None
            mishaps.keep("/chip/data", "hub", "later")

        def check(cut):
            found = mishaps.take("/chip/data")
            assert found in (None, {"part": "hub", "text": "x" * 1200}), found
            assert found or not stored[0], "the first stays"

        print(run_to_cut(scenario, check))
    """
    assert await run_cuts(program) > 3
