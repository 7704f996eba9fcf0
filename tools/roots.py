"""The public authorities a hub trusts, written into the firmware (`firmware/hub/roots.py`) from Mozilla's list.

    python -m tools.roots

A chosen few, because each costs the hub some 3 KB while it is connected: those behind which public clouds are found
(Let's Encrypt, ZeroSSL, Google, Amazon, Microsoft, Cloudflare and the large sellers). They are part of the application,
so that an update over the air replaces them before they expire or fall from grace.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

WRITTEN = Path(__file__).resolve().parents[1] / "firmware" / "hub" / "roots.py"

NAMES = (
    "ISRG Root X1",
    "ISRG Root X2",
    "GTS Root R1",
    "GTS Root R4",
    "Amazon Root CA 1",
    "Amazon Root CA 3",
    "DigiCert Global Root G2",
    "DigiCert Global Root G3",
    "Microsoft RSA Root Certificate Authority 2017",
    "Sectigo Public Server Authentication Root R46",
    "Sectigo Public Server Authentication Root E46",
    "USERTrust RSA Certification Authority",
    "USERTrust ECC Certification Authority",
    "SSL.com TLS RSA Root CA 2022",
    "SSL.com TLS ECC Root CA 2022",
    "GlobalSign Root R46",
    "GlobalSign Root E46",
)

_LINE = 24
_HEAD = '''"""The public authorities that may sign the cloud's certificate, written by tools/roots.py."""

# fmt: off
AUTHORITIES: "tuple[bytes, ...]" = (
'''


def chosen() -> dict[str, bytes]:
    """The DER of each of NAMES; ValueError with those that Mozilla no longer trusts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about serial numbers of authorities that are not chosen
        listed = x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
        found = {_name(one): one.public_bytes(Encoding.DER) for one in listed}
    missing = [name for name in NAMES if name not in found]
    if missing:
        raise ValueError(f"no longer in Mozilla's list: {', '.join(missing)}; take them out of tools/roots.py")
    return {name: found[name] for name in NAMES}


def _name(one: x509.Certificate) -> str:
    names = one.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def build_in(roots: dict[str, bytes], path: Path = WRITTEN) -> None:
    """Make a firmware trust `roots` and no other public authority."""
    entries = [f"    # {name}\n    {_literal(der)},\n" for name, der in roots.items()]
    path.write_text(_HEAD + "".join(entries) + ")\n", encoding="utf-8")


def _literal(der: bytes) -> str:
    return "\n    ".join(repr(der[at : at + _LINE]) for at in range(0, len(der), _LINE))


def main() -> int:
    """The command."""
    try:
        build_in(chosen())
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
