"""Accounts without HTTP: throttling, hashing, tokens, keys of hubs."""

import asyncio
from datetime import UTC, datetime

import jwt
import pytest

from cloud.accounts import allows, hub_keys
from cloud.accounts.errors import BusyError, WeakPasswordError
from cloud.accounts.passwords import THREADS, WAITING, Passwords
from cloud.accounts.throttle import MAX_KEYS, Throttle
from cloud.accounts.tokens import AUDIENCE, ISSUER, Tokens
from cloud.storage import clock
from cloud.storage.secrets import KeyRing, Secret

RING = KeyRing({"k2": b"\2" * 32, "k1": b"\1" * 32})


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_wait_doubles_with_each_failure_and_has_an_end() -> None:
    time = Time()
    throttle = Throttle(free=3, longest=10, now=time)
    waits = []
    for _ in range(8):
        throttle.attempt("key")
        waits.append(throttle.wait("key"))
        time.now += throttle.wait("key")
    assert waits == [0, 0, 1, 2, 4, 8, 10, 10]
    assert throttle.wait("another") == 0


def test_success_and_silence_forgive() -> None:
    time = Time()
    throttle = Throttle(free=1, forget=60, now=time)
    throttle.attempt("a")
    throttle.attempt("b")
    assert throttle.wait("a") > 0
    throttle.succeeded("a")
    assert throttle.wait("a") == 0
    time.now += 100
    throttle.attempt("b")
    assert throttle.wait("b") == 1


def test_one_success_excuses_one_attempt_only() -> None:
    throttle = Throttle(free=3, now=Time())
    for _ in range(3):
        throttle.attempt("address")
    throttle.excuse("address")
    assert throttle.wait("address") == 0
    throttle.attempt("address")
    assert throttle.wait("address") > 0


def test_the_throttle_keeps_a_bounded_number_of_keys() -> None:
    throttle = Throttle(free=0, now=Time())
    for number in range(MAX_KEYS + 10):
        throttle.attempt(str(number))
    assert len(throttle._records) == MAX_KEYS
    assert throttle.wait(str(MAX_KEYS)) > 0


async def test_passwords_match_themselves_only() -> None:
    passwords = Passwords(memory_kib=64)
    try:
        hashed = await passwords.hash(Secret("correct horse"))
        assert hashed.startswith("$argon2id$")
        assert await passwords.matches(Secret("correct horse"), hashed)
        assert not await passwords.matches(Secret("correct hors"), hashed)
        assert not await passwords.matches(Secret("nobody has this password"), None)
        assert not passwords.outdated(hashed)
        with pytest.raises(WeakPasswordError):
            await passwords.hash(Secret("1234567"))
        with pytest.raises(WeakPasswordError):
            await passwords.hash(Secret("x" * 201))
    finally:
        passwords.close()


async def test_a_flood_of_logins_is_refused_instead_of_queued() -> None:
    passwords = Passwords(memory_kib=8192)
    try:
        tasks = [asyncio.create_task(passwords.hash(Secret("long enough"))) for _ in range(THREADS + WAITING + 5)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(result, BusyError) for result in results) == 5
        assert await passwords.hash(Secret("long enough"))
    finally:
        passwords.close()


def test_tokens_say_who_and_are_signed_with_the_current_key() -> None:
    token = Tokens(RING).make(user_id="usr_a", session_id="ses_a", expires_at=clock.after(60))
    assert jwt.get_unverified_header(token)["kid"] == RING.current == "k2"
    claims = Tokens(RING).read(token)
    assert claims is not None
    assert (claims.user_id, claims.session_id) == ("usr_a", "ses_a")


def test_a_token_of_a_retired_key_is_read_until_the_key_is_gone() -> None:
    token = Tokens(KeyRing({"k1": b"\1" * 32})).make(user_id="u", session_id="s", expires_at=clock.after(60))
    assert Tokens(RING).read(token) is not None
    assert Tokens(KeyRing({"k2": b"\2" * 32})).read(token) is None


@pytest.mark.parametrize(
    "changes",
    [{"exp": 1}, {"aud": "another"}, {"iss": "another"}, {"sid": None}, {"sub": None}],
    ids=["expired", "audience", "issuer", "no session", "no user"],
)
def test_a_token_with_a_wrong_claim_is_not_read(changes: dict[str, object]) -> None:
    moment = datetime.now(UTC).timestamp()
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u", "sid": "s", "iat": moment, "exp": moment + 60}
    kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    key = RING.derive("printfarm access tokens")
    assert Tokens(RING).read(jwt.encode(claims, key, "HS256", headers={"kid": "k2"})) is not None
    assert Tokens(RING).read(jwt.encode(kept, key, "HS256", headers={"kid": "k2"})) is None


def test_another_algorithm_is_not_read() -> None:
    moment = datetime.now(UTC).timestamp()
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u", "sid": "s", "iat": moment, "exp": moment + 60}
    key = RING.derive("printfarm access tokens")
    assert Tokens(RING).read(jwt.encode(claims, key * 2, "HS512", headers={"kid": "k2"})) is None
    assert Tokens(RING).read(jwt.encode(claims, "", "none", headers={"kid": "k2"})) is None


def test_roles_are_steps() -> None:
    assert allows("owner", "viewer")
    assert allows("operator", "operator")
    assert not allows("operator", "owner")
    assert not allows("viewer", "operator")


def test_hub_keys_name_their_hub_and_match_their_hash_only() -> None:
    key = hub_keys.new_key("hub_abc")
    assert hub_keys.hub_of(key) == "hub_abc"
    assert hub_keys.matches(key, hub_keys.hashed(key))
    assert not hub_keys.matches(key, hub_keys.hashed(hub_keys.new_key("hub_abc")))
    assert not hub_keys.matches(key, "")
    assert not hub_keys.matches(key, None)
    assert hub_keys.hub_of(Secret("pfh_hub_abc")) is None
