"""What the hub remembers: identity, Wi-Fi, its printers and their pinned certificates.

One JSON file each, in the board's data folder. A file is only ever replaced whole; the last good content of the
printers' document is kept beside it. A damaged file is reported, and the hub goes on with what is left: without
printers the cloud sends them anew, without identity the hub says so and waits to be provisioned.
"""

import json
import os

import tls
from hub.address import is_loopback, split_url
from hub.flash import exists, make_folder, write_whole
from hub.life import rare
from hub.log import log
from lib.wire import UntrustedError

from shared_protocol.messages import CONFIG, NETWORK
from shared_protocol.schema import ProtocolError

IDENTITY = "identity.json"
_NETWORKS = "networks.json"
_WIFI = "wifi.json"  # of hubs that knew one network
_PRINTERS = "printers.json"
_PRINTERS_OLD = "printers.old"
_PINS = "pins.json"

_MAX_FILE = 16 * 1024
"""Nothing we write comes near it; a damaged directory entry must not eat the heap."""


class Identity:
    """Who the hub is and where its cloud lives. `key` is a secret; nothing here prints it."""

    def __init__(self, document: "dict") -> None:  # type: ignore[type-arg]
        for name in ("hub", "key", "cloud"):
            value = document.get(name)
            if not isinstance(value, str) or not 1 <= len(value) <= 300 or not plain(value):
                raise ValueError("identity: %s is missing or not plain text" % name)
        old = document.get("old_key")
        if old is not None and not (isinstance(old, str) and 1 <= len(old) <= 300 and plain(old)):
            raise ValueError("identity: old_key is not plain text")
        self.hub = document["hub"]
        self.key = document["key"]
        self.old_key: "str | None" = old
        self.cloud = document["cloud"]
        self.tls, self.host, self.port, self.path = split_url(self.cloud)
        if not self.tls and document.get("insecure") is not True and not is_loopback(self.host):
            # In clear the hub's key would be readable by anyone on the way.
            raise ValueError("identity: the cloud must be wss:// unless it is on this machine")


def plain(value: str) -> bool:
    """Whether this is printable ASCII without blanks."""
    return all("!" <= c <= "~" for c in value)


def _networks_in(document: "dict") -> "list[dict]":  # type: ignore[type-arg]
    networks = document["networks"]
    for network in networks:
        network.setdefault("password", "")
        NETWORK.check(network, "")
    return networks  # type: ignore[no-any-return]


class Config:
    """The files of one data folder. `identity` is None until the hub is provisioned."""

    def __init__(self, folder: str) -> None:
        make_folder(folder)
        self._folder = folder
        self.identity = self._load_identity()
        self.networks = self._load_networks()
        self._pins = self._load_pins()
        document, self._printers_good = self._load_printers()
        self.revision = document["revision"]
        self.printers = document["printers"]

    def path(self, name: str) -> str:
        """Where a file of the data folder is."""
        return self._folder + "/" + name

    def read(self, name: str) -> "object | None":
        """The JSON in a file; None when there is no file, ValueError when it is damaged."""
        path = self.path(name)
        if not exists(path):
            return None
        if os.stat(path)[6] > _MAX_FILE:
            raise ValueError("too large")
        with open(path, "rb") as file:
            text = file.read()
        try:
            return json.loads(text)
        except RuntimeError:
            raise ValueError("nested without end")

    def _load_identity(self) -> "Identity | None":
        try:
            document = self.read(IDENTITY)
            if document is None:
                return None
            if not isinstance(document, dict):
                raise ValueError("identity: not an object")
            return Identity(document)
        except ValueError as error:
            # Not the content: it holds the key.
            log("config", "%s cannot be used: %s" % (IDENTITY, error))
            return None

    def _load_networks(self) -> "list[dict]":  # type: ignore[type-arg]
        for name in (_NETWORKS, _WIFI):
            try:
                document = self.read(name)
                if document is not None:
                    return _networks_in(document if name == _NETWORKS else {"networks": [document]})  # type: ignore[arg-type]
            except (ValueError, KeyError, TypeError, AttributeError):
                # Not the content: it holds passwords.
                log("config", name + " is damaged")
        return []

    def store_networks(self, networks: "list[dict]") -> None:  # type: ignore[type-arg]
        """Know these networks and no others (protocol NETWORK, checked). Raises OSError; nothing has changed then."""
        write_whole(self.path(_NETWORKS), json.dumps({"networks": networks}).encode())
        self.networks = networks

    def _load_pins(self) -> "dict[str, str]":
        try:
            document = self.read(_PINS)
            if document is None:
                return {}
            if not isinstance(document, dict):
                raise ValueError("not an object")
            return {k: v for k, v in document.items() if isinstance(v, str)}
        except ValueError:
            log("config", _PINS + " is damaged: certificates are pinned anew")
            return {}

    def _load_printers(self) -> "tuple[dict, bool]":  # type: ignore[type-arg]
        for name in (_PRINTERS, _PRINTERS_OLD):
            try:
                document = self.read(name)
                if document is not None:
                    CONFIG.check(document, "")
                    return document, name == _PRINTERS  # type: ignore[return-value]
            except ProtocolError as error:
                log("config", "%s is damaged at %s" % (name, error.path))
            except ValueError:
                log("config", name + " is damaged")
        return {"revision": 0, "printers": []}, False

    def store_printers(self, document: "dict") -> None:  # type: ignore[type-arg]
        """Take over the cloud's document (already checked). Raises OSError; what was stored is then still there."""
        self._retire_pins(document["printers"])
        self.revision = document["revision"]
        self.printers = document["printers"]
        path = self.path(_PRINTERS)
        old = self.path(_PRINTERS_OLD)
        if self._printers_good:
            # A cut between the two renames leaves no new file, but the old one, which is read then.
            os.rename(path, old)
            self._printers_good = False
        known = {"revision": document["revision"], "printers": document["printers"]}
        write_whole(path, json.dumps(known).encode())
        self._printers_good = True

    def _retire_pins(self, printers: "list[dict]") -> None:  # type: ignore[type-arg]
        """Forget the pins of printers that left, or whose pin the cloud has lifted or replaced."""
        before = {p["serial"]: p.get("cert", "") for p in self.printers}
        keep = {}
        for printer in printers:
            serial = printer["serial"]
            pin = self._pins.get(serial)
            if pin and printer.get("cert", "") in (before.get(serial, ""), pin):
                keep[serial] = pin
        if len(keep) != len(self._pins):
            self._store_pins(keep)

    def pin_of(self, printer: "dict") -> str:  # type: ignore[type-arg]
        """The certificate hash a printer must show: the cloud's word, else what was seen first, else ""."""
        return printer.get("cert", "") or self._pins.get(printer["serial"], "")

    def pin(self, serial: str, cert: str) -> None:
        """Remember the certificate a printer showed. Raises OSError when it cannot be stored."""
        if self._pins.get(serial) != cert:
            pins = dict(self._pins)
            pins[serial] = cert
            self._store_pins(pins)

    def _store_pins(self, pins: "dict[str, str]") -> None:
        self._pins = pins
        write_whole(self.path(_PINS), json.dumps(pins).encode())

    def trust(self) -> "tls.SSLContext":
        """A TLS context for the cloud: its certificate must lead to a public authority (hub/roots.py) or to one of the
        *.der in the folder.

        Raises UntrustedError when one of those is no certificate.
        """
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_REQUIRED  # type: ignore[attr-defined]
        with rare("roots") as roots:
            for der in roots.AUTHORITIES:
                context.load_verify_locations(der)
        for name in sorted(os.listdir(self._folder)):
            if name.endswith(".der"):
                with open(self.path(name), "rb") as file:
                    der = file.read()
                try:
                    context.load_verify_locations(der)
                except ValueError:
                    raise UntrustedError("%s in the data folder is no certificate" % name)
        return context
