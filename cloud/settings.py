"""Everything that can be configured, from environment variables, in one typed object."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from cloud.storage.secrets import KeyRing, Secret

PREFIX: Final = "PRINTFARM_"


class SettingsError(ValueError):
    """A setting cannot be used; the message names its variable."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Each field is read from PRINTFARM_<FIELD IN CAPITALS>; lists are separated by commas."""

    data_dir: Path = Path("data")
    """Database, files and keys of an embedded installation."""
    host: str = "127.0.0.1"
    port: int = 8000
    """0 = any free one; the ready line tells which."""
    database_url: str = ""
    """`sqlite:///<path>` or `postgresql://…`; empty = SQLite in the data directory."""
    sqlite_durable: bool = False
    """Flush the disk on every commit: slower, and not even a power cut loses one."""
    secret_key: Secret | None = None
    """Master keys, 32 bytes of base64 each, the current one first; else `secret.key` in the data directory."""
    public_url: str = ""
    """Where browsers find this installation, such as `https://farm.example`; empty = this host and port."""
    hub_page: str = "http://192.168.4.1/"
    """Where a hub's own page is for a phone in its access point; elsewhere only with a hub that is simulated."""
    allowed_origins: tuple[str, ...] = ()
    """Further origins whose pages may use the API, such as a development server."""
    trusted_proxies: str = "127.0.0.1"
    """Addresses whose X-Forwarded-For is believed; `*` = all."""
    cookie_secure: bool | None = None
    """Whether cookies are for HTTPS only; unset = as the public URL says."""
    access_minutes: int = 10
    """How long an access token is good; browsers renew it by themselves."""
    session_hours: int = 24 * 14
    """A login that nobody uses ends after so long."""
    session_max_days: int = 90
    """Every login ends after so long."""
    signup: Literal["closed", "open"] = "closed"
    """Whether strangers may make farms of their own here."""
    oidc_issuer: str = ""
    """An OpenID Connect provider to log in at, such as `https://accounts.example.com`; empty = none."""
    oidc_client_id: str = ""
    oidc_client_secret: Secret | None = None
    oidc_name: str = "single sign-on"
    """On the button of the login page."""
    smtp_url: Secret | None = None
    """`smtp://user:password@host:587` or `smtps://…`; unset = no mail: links are shown to whoever may pass them on."""
    mail_from: str = "PrintFarm <printfarm@localhost>"
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    upload_limit_bytes: int = 2 * 2**30
    upload_concurrency: int = 8
    """Uploads to printers at the same time."""
    status_ms: int = 1000
    """How often a hub tells a printer's status while somebody watches."""
    idle_status_ms: int = 5000
    """… and while nobody does."""
    beat_ms: int = 3000
    dead_ms: int = 8000
    """A hub that is silent for so long is offline."""
    rollout_failures: int = 1
    """On so many hubs a release of their firmware may fail before it is offered to no more of them."""
    drain_seconds: float = 5.0
    """Over how long the sockets are closed when the process is told to stop."""
    dashboard_dir: Path = Path(__file__).parent / "dashboard" / "dist"
    demo_email: str = ""
    demo_password: Secret | None = None
    """Both set: this owner is created on the first start, instead of a set-up link. For demonstrations only."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Raises SettingsError, which never repeats the value of a secret."""
        values = {
            name: text
            for name in cls.__struct_fields__
            if (text := (os.environ if environ is None else environ).get(PREFIX + name.upper(), ""))
        }
        return cls(**{name: _convert(name, text) for name, text in values.items()}).checked()

    def checked(self) -> "Settings":
        """Refuse combinations that cannot work; returns itself."""
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"{PREFIX}PORT must be 0..65535")
        if self.public_url and urlsplit(self.public_url).scheme not in ("http", "https"):
            raise SettingsError(f"{PREFIX}PUBLIC_URL must begin with http:// or https://")
        if self.dead_ms < 2 * self.beat_ms:
            raise SettingsError(f"{PREFIX}DEAD_MS must be at least twice {PREFIX}BEAT_MS")
        for name in (
            "access_minutes",
            "session_hours",
            "session_max_days",
            "upload_limit_bytes",
            "upload_concurrency",
            "status_ms",
            "idle_status_ms",
        ):
            if getattr(self, name) < 1:
                raise SettingsError(f"{PREFIX}{name.upper()} must be at least 1")
        if self.rollout_failures < 0:
            raise SettingsError(f"{PREFIX}ROLLOUT_FAILURES must not be negative")
        if self.smtp_url and urlsplit(self.smtp_url.reveal()).scheme not in ("smtp", "smtps"):
            raise SettingsError(f"{PREFIX}SMTP_URL must begin with smtp:// or smtps://")
        if self.oidc_issuer and not (self.oidc_client_id and self.oidc_client_secret):
            raise SettingsError(f"{PREFIX}OIDC_ISSUER takes {PREFIX}OIDC_CLIENT_ID and {PREFIX}OIDC_CLIENT_SECRET")
        issuer = urlsplit(self.oidc_issuer)
        if self.oidc_issuer and issuer.scheme != "https" and issuer.hostname not in ("127.0.0.1", "localhost"):
            raise SettingsError(f"{PREFIX}OIDC_ISSUER must begin with https://")
        if self.drain_seconds < 0:
            raise SettingsError(f"{PREFIX}DRAIN_SECONDS must not be negative")
        if bool(self.demo_email) != bool(self.demo_password):
            raise SettingsError(f"{PREFIX}DEMO_EMAIL and {PREFIX}DEMO_PASSWORD go together")
        return self

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'printfarm.db'}"

    @property
    def address(self) -> str:
        """Where this installation is found, without a final slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - not bound here
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"

    @property
    def secure_cookies(self) -> bool:
        return self.public_url.startswith("https://") if self.cookie_secure is None else self.cookie_secure

    def key_ring(self) -> KeyRing:
        """The keys from the environment, or from the data directory, where they are made on first use."""
        if self.secret_key is not None:
            return KeyRing.parse(self.secret_key.reveal())
        return KeyRing.load_or_create(self.data_dir / "secret.key")

    def shown(self) -> dict[str, Any]:
        """For the log: every setting, without secrets and passwords in URLs."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__}
        shown["database_url"] = re.sub(r"//[^/@]*@", "//***@", self.database)
        return {name: value if isinstance(value, int | float | bool) else str(value) for name, value in shown.items()}


def _convert(name: str, text: str) -> Any:
    kind = next(field.type for field in msgspec.structs.fields(Settings) if field.name == name)
    if kind == tuple[str, ...]:
        return tuple(word.strip().rstrip("/") for word in text.split(",") if word.strip())
    if kind is Path:
        return Path(text)
    if kind == Secret | None:
        return Secret(text)
    try:
        return msgspec.convert(text.strip(), kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{PREFIX}{name.upper()}: {error}") from None
