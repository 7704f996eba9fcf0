"""The codec on CPython: whatever arrives has one of a few defined outcomes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_protocol import codec, status
from shared_protocol.messages import MESSAGES
from shared_protocol.schema import CLOUD, HUB, Message, ProtocolError
from tests.protocol.strategies import JSON, records, valid

if TYPE_CHECKING:
    from shared_protocol.schema import Sender

CODES = {
    "too_large",
    "not_json",
    "not_object",
    "no_kind",
    "unknown_kind",
    "wrong_sender",
    "invalid",
    "unknown_command",
    "unknown_event",
}
SENDERS: tuple[Sender, Sender] = (HUB, CLOUD)


def outcome(data: str | bytes, sender: Sender) -> dict[str, Any] | str:
    try:
        return codec.decode(data, sender)
    except ProtocolError as error:
        return error.code


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.kind)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_what_is_declared_survives_the_wire(message: Message, data: st.DataObject) -> None:
    value = data.draw(valid(message))
    text = codec.encode(**value)
    for sender in SENDERS:
        assert outcome(text, sender) == (value if sender in message.senders else "wrong_sender")


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.kind)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_field_from_the_future_is_tolerated(message: Message, data: st.DataObject) -> None:
    value = data.draw(valid(message)) | {"from_the_future": data.draw(JSON)}
    assert isinstance(outcome(json.dumps(value), message.senders[0]), dict)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.kind)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_spoiled_field_is_named(message: Message, data: st.DataObject) -> None:
    value = data.draw(valid(message))
    required = [field for field in message.record.fields if not field.optional]
    if not required:
        return
    field = data.draw(st.sampled_from(required))
    value[field.name] = None
    with pytest.raises(ProtocolError) as caught:
        codec.decode(json.dumps(value), message.senders[0])
    assert caught.value.code == "invalid"
    assert caught.value.path.startswith(field.name)


@given(st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=150, deadline=None)
def test_garbage_has_a_defined_outcome(data: bytes) -> None:
    for sender in SENDERS:
        result = outcome(data, sender)
        assert isinstance(result, dict) or result in CODES


@given(st.dictionaries(st.sampled_from(["kind", "id", "name", "args", "data", "printer"]), JSON), st.data())
@settings(max_examples=120, deadline=None)
def test_nearly_right_messages_have_a_defined_outcome(value: dict[str, Any], data: st.DataObject) -> None:
    value["kind"] = data.draw(st.sampled_from([message.kind for message in MESSAGES]))
    for sender in SENDERS:
        result = outcome(json.dumps(value), sender)
        assert isinstance(result, dict) or result in CODES


def test_too_large_is_refused_on_both_ways() -> None:
    with pytest.raises(ProtocolError, match="too_large"):
        codec.encode("error", code="x", message="y" * codec.MAX_TEXT)
    assert outcome(" " * (codec.MAX_TEXT + 1), HUB) == "too_large"
    assert outcome('{"kind":"beat"}' + " " * (codec.MAX_TEXT - 15), HUB) == {"kind": "beat"}


def test_endless_nesting_is_refused() -> None:
    assert outcome("[" * 16000, HUB) in {"not_json", "not_object"}
    assert outcome('{"kind":' * 2000, HUB) == "not_json"


def test_numbers_json_does_not_know_are_refused() -> None:
    for word in ("NaN", "Infinity", "-Infinity"):
        text = f'{{"kind":"status","printer":"p","full":true,"data":{{"nozzle":{word}}}}}'
        assert outcome(text, HUB) == "invalid"


@given(st.binary(max_size=64))
def test_binary_frames_have_a_defined_outcome(frame: bytes) -> None:
    try:
        kind, tunnel, _rest = codec.split_binary(frame)
    except ProtocolError as error:
        assert error.code in {"invalid", "too_large"}
    else:
        assert kind in {codec.DATA, codec.CREDIT}
        assert 0 <= tunnel <= 65535


@given(records(status.STATUS), records(status.STATUS))
@settings(max_examples=60, deadline=None)
def test_a_delta_merged_gives_the_new_status(old: dict[str, Any], new: dict[str, Any]) -> None:
    old = {name: value for name, value in old.items() if value is not None}
    new = {name: value for name, value in new.items() if value is not None}
    changes = status.delta(old, new)
    status.STATUS.check(changes, "")
    status.merge(old, changes)
    assert old == new
    assert status.delta(old, new) == {}
