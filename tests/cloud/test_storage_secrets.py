"""Secrets at rest."""

import base64
import pickle
from pathlib import Path

import pytest

from cloud.storage.secrets import KeyRing, Secret, SecretKeyError, Vault

PLACE = {"tenant": "ten_a", "table": "printers", "row": "prn_a", "column": "access_code_enc"}


def key(byte: int) -> str:
    return base64.b64encode(bytes([byte]) * 32).decode()


def test_what_was_sealed_opens_in_its_place_only() -> None:
    vault = Vault(KeyRing.parse(key(1)))
    sealed = vault.seal(Secret("12345678"), **PLACE)
    assert "12345678" not in sealed
    assert vault.open(sealed, **PLACE) == Secret("12345678")
    assert vault.seal(Secret("12345678"), **PLACE) != sealed
    for part in PLACE:
        with pytest.raises(SecretKeyError, match="does not open"):
            vault.open(sealed, **{**PLACE, part: "another"})


@pytest.mark.parametrize("damage", ["", "v1", "v1.x.y", "v2", "short", "flipped"])
def test_damage_is_one_error(damage: str) -> None:
    vault = Vault(KeyRing.parse(key(1)))
    version, key_id, body = vault.seal(Secret("12345678"), **PLACE).split(".")
    data = base64.urlsafe_b64decode(body)
    flipped = base64.urlsafe_b64encode(bytes([*data[:-1], data[-1] ^ 1])).decode()
    broken = {
        "v2": f"v2.{key_id}.{body}",
        "short": f"{version}.{key_id}.AAAA",
        "flipped": f"{version}.{key_id}.{flipped}",
    }.get(damage, damage)
    with pytest.raises(SecretKeyError):
        vault.open(broken, **PLACE)


def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    old = Vault(KeyRing.parse(key(1))).seal(Secret("code"), **PLACE)
    both = Vault(KeyRing.parse(f"{key(2)}\n{key(1)}"))
    assert both.open(old, **PLACE).reveal() == "code"
    new = both.seal(Secret("code"), **PLACE)
    assert Vault(KeyRing.parse(key(2))).open(new, **PLACE).reveal() == "code"
    with pytest.raises(SecretKeyError, match="no secret key"):
        Vault(KeyRing.parse(key(2))).open(old, **PLACE)


def test_the_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    first = KeyRing.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert KeyRing.load_or_create(path).derive("x") == first.derive("x")
    path.chmod(0o644)
    with pytest.raises(SecretKeyError, match="chmod 600"):
        KeyRing.load_or_create(path)


@pytest.mark.parametrize("text", ["", "not base64!", base64.b64encode(b"short").decode()])
def test_a_bad_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(SecretKeyError) as refused:
        KeyRing.parse(text)
    assert not text or text not in str(refused.value)


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret("hidden")
    assert "hidden" not in f"{secret} {secret!r} {[secret]} {secret!s:>10}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert secret == Secret("hidden") != Secret("other")
    assert not Secret("")
