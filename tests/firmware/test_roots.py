"""hub/roots.py: the hub trusts a cloud behind a public authority out of its box, and no other."""

from __future__ import annotations

import asyncio
import datetime
import shutil
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.firmware.micropython import run_code
from tests.firmware.tls_servers import serving
from tools import build_firmware, roots

NOW = datetime.datetime.now(datetime.UTC)


class Authority:
    """An authority with an intermediate, as public ones are; `server()` has a certificate from it."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP384R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.root = self._signed(self._name, self._key, self._name, self._key, ca=True)

    @staticmethod
    def _signed(
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        issuer: x509.Name,
        by: ec.EllipticCurvePrivateKey,
        *,
        ca: bool,
        days: int = 90,
    ) -> x509.Certificate:
        return (
            x509.CertificateBuilder(
                issuer,
                subject,
                key.public_key(),
                x509.random_serial_number(),
                NOW - datetime.timedelta(days=100),
                NOW + datetime.timedelta(days=days),
            )
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(by, hashes.SHA384())
        )

    def server(self, folder: Path, *, days: int = 90) -> ssl.SSLContext:
        """A server's context: leaf for `localhost` and intermediate, without the root."""
        middle, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        between = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Intermediate E1")])
        who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        chain = [
            self._signed(who, leaf, between, middle, ca=False, days=days),
            self._signed(between, middle, self._name, self._key, ca=True),
        ]
        encoding = serialization.Encoding.PEM
        private = leaf.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path = folder / "server.pem"
        path.write_bytes(private + b"".join(one.public_bytes(encoding) for one in chain))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


PROGRAM = """
import asyncio, sys
from hub.config import Config
from lib.wire import Wire, resolve

async def main():
    try:
        wire = await Wire.open(resolve("127.0.0.1", int(sys.argv[1])), Config(sys.argv[2]).trust(), "localhost")
        await wire.send(b"hello")
        print("trusted")
    except OSError as error:
        print(type(error).__name__, error)

asyncio.run(main())
"""


def firmware(folder: Path, trusted: dict[str, bytes]) -> Path:
    """The application, compiled as for a board, with `trusted` for its public authorities."""
    source = folder / "source"
    for name, path in build_firmware.modules().items():
        copy = source / (name if name.startswith("shared_protocol/") else f"firmware/{name}")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    roots.build_in(trusted, source / "firmware" / "hub" / "roots.py")
    build_firmware.build(folder / "built", root=source)
    return folder / "built"


async def drain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.close()


async def test_a_chain_to_a_root_of_the_set_is_trusted_and_no_other(tmp_path: Path) -> None:
    public, other = Authority("Test Root X1"), Authority("Test Root X1")
    der = public.root.public_bytes(serialization.Encoding.DER)
    built = firmware(tmp_path, roots.chosen() | {"Test Root X1": der})
    data = tmp_path / "data"
    data.mkdir()

    async def outcome(context: ssl.SSLContext) -> str:
        async with serving(drain, context) as port:
            found = await run_code(PROGRAM, str(port), str(data), heap="416k", folders=[built])
        return found.out.strip()

    assert await outcome(public.server(tmp_path)) == "trusted"
    assert "not correctly signed" in await outcome(other.server(tmp_path)), "the same name, another key"
    assert "expired" in await outcome(public.server(tmp_path, days=-1))
    # A private authority beside them.
    (data / "ca-1.der").write_bytes(other.root.public_bytes(serialization.Encoding.DER))
    assert await outcome(other.server(tmp_path)) == "trusted"
    assert await outcome(public.server(tmp_path)) == "trusted"


async def test_what_the_hub_carries_is_what_mozilla_trusts(tmp_path: Path) -> None:
    """When this fails: `python -m tools.roots`, and a release with it."""
    roots.build_in(roots.chosen(), tmp_path / "roots.py")
    assert roots.WRITTEN.read_text() == (tmp_path / "roots.py").read_text()


async def test_their_cost_in_the_heap_is_gone_once_they_are_loaded(tmp_path: Path) -> None:
    program = """
import gc, sys
from hub.config import Config
gc.collect()
before = gc.mem_alloc()
context = Config(sys.argv[1]).trust()
gc.collect()
print(gc.mem_alloc() - before, "hub.roots" in sys.modules)
"""
    found = (await run_code(program, str(tmp_path), heap="416k")).out.split()
    assert int(found[0]) < 6000 and found[1] == "False", found


def test_a_root_that_fell_from_grace_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roots, "NAMES", ("ISRG Root X1", "Honest Root"))
    with pytest.raises(ValueError, match=r"no longer in Mozilla's list: Honest Root"):
        roots.chosen()
