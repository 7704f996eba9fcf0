"""The golden vectors, and random messages, under both interpreters."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.firmware.micropython import ROOT, environment, run_code, start
from tests.protocol import check_vectors

VECTORS = ROOT / "shared_protocol" / "vectors"
TOTAL = sum(len(json.loads(file.read_text())) for file in VECTORS.glob("*.json"))

RANDOM = """
import random, sys, json
from shared_protocol import codec
from shared_protocol.schema import ProtocolError
random.seed(int(sys.argv[1]))
seeds = [row["text"].encode() for row in json.load(open(sys.argv[2] + "/messages.json"))]
good = bad = 0
for turn in range(3000):
    data = bytearray(random.choice(seeds))
    for _ in range(random.randrange(1, 6)):
        at = random.randrange(len(data))
        how = random.randrange(4)
        if how == 0:
            data[at] = random.getrandbits(8)
        elif how == 1:
            data = data[:at]
        elif how == 2:
            data = data[:at] + data[random.randrange(len(data)):]
        else:
            data = data[:at] + bytes([random.choice(b'{}[]",:0-9tn')]) + data[at:]
        if not data:
            data = bytearray(b" ")
    for sender in ("hub", "cloud"):
        try:
            assert isinstance(codec.decode(bytes(data), sender), dict)
            good += 1
        except ProtocolError as error:
            assert error.code and error.sentence
            bad += 1
    frame = bytes(random.getrandbits(8) for _ in range(random.randrange(20)))
    try:
        codec.split_binary(frame)
    except ProtocolError:
        pass
print(good, bad)
"""


def test_every_file_of_vectors_is_checked() -> None:
    assert {file.stem for file in VECTORS.glob("*.json")} == {name for name, _check in check_vectors.CHECKS}


def test_every_kind_of_message_has_a_vector() -> None:
    from shared_protocol.messages import MESSAGES

    texts = [row["text"] for row in json.loads((VECTORS / "messages.json").read_text())]
    assert {json.loads(text)["kind"] for text in texts} == {message.kind for message in MESSAGES}


async def test_vectors_under_micropython() -> None:
    script = str(Path(check_vectors.__file__))
    async with start(script, str(VECTORS)) as process:
        out, err = await process.communicate()
    assert out.decode().split("\n")[-2:] == [f"checked {TOTAL}", ""], out.decode() + err.decode()
    assert out.decode().count("\n") == 1, out.decode()


def test_vectors_under_cpython() -> None:
    import subprocess

    script = str(Path(check_vectors.__file__))
    done = subprocess.run(
        [sys.executable, script, str(VECTORS)],
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == f"checked {TOTAL}\n"


async def test_random_messages_never_break_micropython() -> None:
    for seed in ("1", "2"):
        finished = await run_code(RANDOM, seed, str(VECTORS), limit=60)
        good, bad = map(int, finished.out.split())
        assert good > 0
        assert bad > 1000
