"""Certificates of the moment: authorities, servers and clients, for real TLS connections on loopback."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate and its key, in files."""

    certificate: x509.Certificate
    pem: Path
    key: Path

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.der).hexdigest()


@dataclass(slots=True)
class Authority:
    """Signs certificates. ``now`` is the day around which they are valid."""

    folder: Path
    called: str
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    key: ec.EllipticCurvePrivateKey = field(init=False)
    own: Held = field(init=False)

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(self.called, self.key, -DAY, 365 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.own = self._written(f"ca-{self.called}", builder.sign(self.key, SHA256()), self.key)

    def issue(
        self,
        called: str,
        *names: x509.GeneralName,
        begins: timedelta = -DAY,
        ends: timedelta = 30 * DAY,
        use: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.CLIENT_AUTH,
    ) -> Held:
        """A certificate signed by this authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(called, key, begins, ends)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if use is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        return self._written(f"{self.called}-{called}", builder.sign(self.key, SHA256()), key)

    def server(self) -> Held:
        """For the door on 127.0.0.1."""
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        return self.issue("door", address, use=ExtendedKeyUsageOID.SERVER_AUTH)

    def _builder(
        self, called: str, key: ec.EllipticCurvePrivateKey, begins: timedelta, ends: timedelta
    ) -> x509.CertificateBuilder:
        return x509.CertificateBuilder(
            issuer_name=_name(self.called),
            subject_name=_name(called),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=self.now + begins,
            not_valid_after=self.now + ends,
        )

    def _written(self, stem: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Held:
        pem, private = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        pem.write_bytes(certificate.public_bytes(Encoding.PEM))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return Held(certificate, pem, private)


def _name(called: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called)])
