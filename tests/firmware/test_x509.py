"""lib/x509.py: the name on a certificate, and no trouble with what is none."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from tests.firmware.pure import firmware_module
from tests.firmware.tls_servers import certificate

common_name = firmware_module("lib.x509").common_name

SERIAL = "01P00A000000001"


def issued(*subject: x509.NameAttribute[str]) -> bytes:
    """A certificate with this subject, signed by an authority of another name."""
    key = ec.generate_private_key(ec.SECP256R1())
    start = datetime.datetime(2022, 4, 4, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "BBL CA")]))
        .public_key(key.public_key())
        .serial_number(2**150)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


def attribute(oid: x509.ObjectIdentifier, text: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(oid, text)


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ([attribute(NameOID.COMMON_NAME, SERIAL)], SERIAL),
        ([attribute(NameOID.ORGANIZATION_NAME, "x" * 60), attribute(NameOID.COMMON_NAME, "z" * 64)], "z" * 64),
        ([attribute(NameOID.ORGANIZATION_NAME, "no common name")], None),
        ([attribute(NameOID.COMMON_NAME, "Drücker")], "Drücker"),
    ],
)
def test_the_subject_is_read_and_never_the_issuer(subject: list[x509.NameAttribute[str]], name: str | None) -> None:
    assert common_name(issued(*subject)) == name


def test_the_certificate_of_a_printer() -> None:
    _, _, der = certificate(SERIAL)
    assert common_name(memoryview(der)) == SERIAL


def test_what_is_cut_off_anywhere_has_no_name() -> None:
    der = issued(attribute(NameOID.COMMON_NAME, SERIAL))
    assert {common_name(der[:end]) for end in range(len(der))} == {None}


@given(st.binary(max_size=300))
def test_garbage_has_no_name_and_raises_nothing(data: bytes) -> None:
    assert common_name(data) is None


@given(st.integers(0, 200), st.integers(0, 255))
def test_one_wrong_byte_raises_nothing(position: int, value: int) -> None:
    der = bytearray(certificate(SERIAL)[2])
    der[position] = value
    found = common_name(bytes(der))
    assert found is None or isinstance(found, str)
