"""The fault switches: what can be made to go wrong, at start or while running."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass
class Faults:
    """All switches of one printer; the defaults are a healthy printer in LAN-only mode with Developer Mode on."""

    # Commands
    developer_mode: bool = True
    """False: `print.*` answered with 84033543, HMS 0500_0500_0001_0007, bit 29 of `fun`."""
    lan_only: bool = True
    """False: bound to the maker's cloud, as announcements and the detect service say; commands refused as without
    Developer Mode, which only LAN-only mode offers."""
    ack_without_start: bool = False
    """`project_file` is acknowledged and nothing happens."""
    start_delay: float = 0.0
    """Real seconds between the acknowledgement and PREPARE."""
    busy: bool = False
    """Every start is refused with 0500_4004 although the printer looks idle."""
    start_kills_running_job: bool = False
    """A start while printing cancels the running job (A1 mini)."""
    refused_url_forms: list[str] = field(default_factory=list)
    """Forms of `url` that end in 0500_C010: "file", "ftp"."""
    ignore_commands: bool = False
    """Commands are taken (PUBACK) and neither answered nor done."""
    # A job
    fail_at_layer: int = 0
    """FAILED with 0300_4006 when this layer begins; 0 never. Switches itself off when it fired."""
    runout_at_layer: int = 0
    """Filament runs out when this layer begins; 0 never. Switches itself off when it fired."""
    # Connections
    silent: bool = False
    """TCP and PINGRESP live on, but nothing is ever published."""
    flood: float = 0.0
    """Reports per second instead of the regular rate; 0 off."""
    max_clients: int = 0
    """MQTT clients tolerated; 0 means what the model tolerates. Further ones are dropped."""
    tls_hang: bool = False
    """TCP is accepted, and no byte of a handshake is ever answered (all ports)."""
    frozen: bool = False
    """As if its power or cable were cut without a word: open connections stay, and no byte moves any more."""
    drip_bytes: int = 0
    """Send at most so many bytes at a time over MQTT, `drip_pause` seconds apart; 0 off."""
    drip_pause: float = 0.1
    no_puback: bool = False
    # FTPS
    storage: str = "ok"
    """"ok", "missing" (553) or "full" (552)."""
    throttle_kbps: float = 0.0
    """Upload speed of the storage in kB/s; 0 unlimited."""
    require_session_reuse: bool | None = None
    """None: what the model does. True: 522 on data connections without a resumed TLS session."""
    prot_p_works: bool = True
    """False: the encrypted data channel hangs, only `PROT C` works (seen on A1)."""
    answer_close_notify: bool | None = None
    """None: what the model does."""
    pasv_zero_address: bool = False
    """227 names 0.0.0.0."""
    epsv: bool = False
    """True: EPSV is answered 229, otherwise 502."""
    abort_after_complete: bool = False
    """426 although the file arrived whole."""
    truncate_upload_at: int = 0
    """426 and only so many bytes kept; 0 never."""
    lie_about_upload: bool = False
    """With `truncate_upload_at`: say 226 all the same."""
    stall_upload_at: int = 0
    """Stop reading after so many bytes, until the fault is cleared; 0 never."""
    reply_delay: float = 0.0
    """Seconds between the last byte and the 226."""
    # Power
    ghost_print: bool = False
    """After a power cycle the newest file on the storage is printed again (A1, P1S)."""
    resume_prompt: bool = True
    """After a power loss during a print: IDLE with 0300_8007; False: plain IDLE."""

    def apply(self, changes: dict[str, Any]) -> None:
        """Set switches by name. Raises ValueError for an unknown name or a value of the wrong type."""
        kinds = {item.name: item for item in fields(self)}
        checked = {}
        for name, value in changes.items():
            if name not in kinds:
                raise ValueError(f"unknown fault {name!r}; known: {', '.join(kinds)}")
            checked[name] = _checked(name, str(kinds[name].type), value)
        for name, value in checked.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def changed(self) -> dict[str, Any]:
        """Only the switches that differ from a healthy printer."""
        healthy = asdict(Faults())
        return {name: value for name, value in asdict(self).items() if value != healthy[name]}


def _checked(name: str, kind: str, value: Any) -> Any:
    if value is None and "None" in kind:
        return None
    if kind.startswith("bool"):
        good = isinstance(value, bool)
    elif kind == "int":
        good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    elif kind == "float":
        good = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    elif kind == "str":
        good = value in ("ok", "missing", "full")
    else:
        good = isinstance(value, list) and all(form in ("file", "ftp") for form in value)
    if not good:
        raise ValueError(f"fault {name}: {value!r} is not a valid {kind}")
    return value
