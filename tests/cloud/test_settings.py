"""Settings from the environment: typed, checked, and silent about secrets."""

import base64
from pathlib import Path

import pytest

from cloud.settings import Settings, SettingsError
from cloud.storage.secrets import Secret

KEY = base64.b64encode(b"\1" * 32).decode()


def test_an_empty_environment_is_an_embedded_installation() -> None:
    settings = Settings.from_env({})
    assert settings.database == f"sqlite:///{Path('data').resolve() / 'printfarm.db'}"
    assert settings.address == "http://127.0.0.1:8000"
    assert not settings.secure_cookies


def test_every_kind_of_setting_is_read() -> None:
    settings = Settings.from_env(
        {
            "PRINTFARM_DATA_DIR": "/srv/farm",
            "PRINTFARM_PORT": "9000",
            "PRINTFARM_PUBLIC_URL": "https://farm.example/",
            "PRINTFARM_ALLOWED_ORIGINS": "http://localhost:5173/, https://other.example",
            "PRINTFARM_SQLITE_DURABLE": "true",
            "PRINTFARM_LOG_FORMAT": "console",
            "PRINTFARM_DRAIN_SECONDS": "0.5",
            "PRINTFARM_SECRET_KEY": KEY,
            "PRINTFARM_COOKIE_SECURE": "",
            "UNRELATED": "x",
        }
    )
    assert (settings.data_dir, settings.port, settings.sqlite_durable) == (Path("/srv/farm"), 9000, True)
    assert settings.allowed_origins == ("http://localhost:5173", "https://other.example")
    assert (settings.address, settings.secure_cookies) == ("https://farm.example", True)
    assert (settings.log_format, settings.drain_seconds) == ("console", 0.5)
    assert settings.key_ring().derive("x") != b""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("LOG_FORMAT", "xml"),
        ("PUBLIC_URL", "farm.example"),
        ("DEAD_MS", "100"),
        ("SESSION_HOURS", "0"),
        ("DRAIN_SECONDS", "-1"),
        ("DEMO_EMAIL", "demo@example.com"),
    ],
)
def test_a_bad_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({f"PRINTFARM_{name}": value})


def test_what_is_shown_holds_no_secret() -> None:
    settings = Settings(
        secret_key=Secret(KEY),
        demo_email="demo@example.com",
        demo_password=Secret("demo password"),
        database_url="postgresql://farm:hunter2@db.example/farm",
    )
    for text in (str(settings.shown()), repr(settings), str(settings)):
        assert KEY not in text
        assert "demo password" not in text
    assert "hunter2" not in str(settings.shown())
    assert "db.example" in str(settings.shown())
