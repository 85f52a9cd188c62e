"""A certificate authority of this machine's own, for brokers on loopback. No authority for anything else.

A client certificate's common name is its user on the broker, as a SCRAM user's name is.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.private import write_private

AUTHORITY_DAYS, CERTIFICATE_DAYS = 3650, 397


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of one key pair: the certificate, its private key, and the authority that vouches for it."""

    certificate: Path
    key: Path
    authority: Path


def issue(folder: Path, name: str) -> Certificate:
    """A new certificate for ``name`` (its common name), good for a server on loopback and for a client.

    The authority in ``folder`` is made on the first call. Files are the owner's alone.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / "ca.key").exists():
        _make_authority(folder)
    signer = load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    issuer = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        _certificate(name, issuer.subject, key.public_key(), CERTIFICATE_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    write_private(folder / f"{name}.pem", made.public_bytes(Encoding.PEM).decode())
    write_private(folder / f"{name}.key", _pem(key))
    return Certificate(folder / f"{name}.pem", folder / f"{name}.key", folder / "ca.pem")


def _make_authority(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _named("EET Hub on this machine")
    made = (
        _certificate("EET Hub on this machine", subject, key.public_key(), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(folder / "ca.pem", made.public_bytes(Encoding.PEM).decode())
    write_private(folder / "ca.key", _pem(key))


def _certificate(name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    # A minute back: the two ends' clocks are one here, but a certificate must not be from the future by rounding.
    begins = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=days))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
