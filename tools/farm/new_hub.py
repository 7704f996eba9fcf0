"""A hub out of its box, on this machine: the real firmware, its Wi-Fi networks in a file, its access point's page on a
port. The same data folder, with what pairing stored there, is the paired hub's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from shared_protocol import pairing
from tools.farm.cloud import free_port
from tools.hub import HubProcess


class NewHub:
    """`label` is what stands beneath its code; `device` its public id; `page` where its access point's page is."""

    def __init__(self, folder: Path, networks: dict[str, str], *, epoch: int = 0, label: str = "") -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        if label:
            (folder / "device.json").write_text(json.dumps({"secret": label}))
        if epoch:
            (folder / "nvs.json").write_text(json.dumps({"epoch": epoch}))
        self.in_range(networks)
        self.secret = HubProcess.unpaired(folder).device_secret
        self.label = pairing.base32(self.secret)
        self.device = pairing.device_of(pairing.proof_of(self.secret))
        self.port = free_port()
        self.page = f"http://127.0.0.1:{self.port}"

    @property
    def radio(self) -> Path:
        """The file of the networks in range."""
        return (self.folder / "radio.json").resolve()

    def in_range(self, networks: dict[str, str], *, dhcp: bool = True) -> None:
        """The Wi-Fi networks that it sees, with their passwords."""
        points = [{"ssid": ssid, "password": password, "dhcp": dhcp} for ssid, password in networks.items()]
        self.radio.write_text(json.dumps(points))

    def process(self, *, firmware: Path | None = None, extra: Mapping[str, str] | None = None) -> HubProcess:
        """The hub, not started. Whoever wants it on a mains socket sets `restarts`."""
        basis = {"PF_RADIO": str(self.radio), "PF_PAGE": str(self.port)}
        return HubProcess.unpaired(self.folder, firmware=firmware, extra=basis | dict(extra or {}))
