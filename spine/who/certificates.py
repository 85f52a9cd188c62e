"""Client certificates: who a certificate speaks for, shown on the connection itself or forwarded by a trusted proxy.

On a TLS connection OpenSSL has checked the chain, the dates and the purpose before a request is read. They are looked
at again here for each request: a connection may outlive its certificate, and a proxy may be set up wrongly.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from spine.clock import local_date
from spine.who.principal import Nobody, Principal
from spine.who.speakers import Certificate, Speakers

CERTIFICATE_BYTES_MAX = 16_384
HEADER_CHARACTERS_MAX = 3 * CERTIFICATE_BYTES_MAX
_CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate as it reads."""

    parsed: x509.Certificate
    names: frozenset[tuple[str, str]]
    for_clients: bool


@dataclass(frozen=True, slots=True)
class Certificates:
    """``authorities``: every certificate of HUB_TLS_CLIENT_CA; one of them must have signed the client's directly."""

    speakers: Callable[[], Speakers]
    authorities: tuple[x509.Certificate, ...]

    def holder(self, der: bytes, now: datetime) -> Principal | Nobody:
        """Who holds this certificate."""
        shown = read_certificate(der)
        if shown is None:
            return Nobody("certificate", "malformed")
        matching = [entry for entry in self.speakers().certificates if entry.known_by in shown.names]
        if len(matching) != 1:
            return Nobody("certificate", "ambiguous" if matching else "unknown")
        (entry,) = matching
        reason = self._against(shown, entry, now)
        if reason:
            return Nobody("certificate", reason, f"certificate:{entry.id}", entry.party)
        return Principal(entry.party, f"certificate:{entry.id}", entry.mode, frozenset(entry.scopes))

    def _against(self, shown: Shown, entry: Certificate, now: datetime) -> str:
        """Why a certificate that an entry names does not count; empty if it does."""
        if not shown.parsed.not_valid_before_utc <= now <= shown.parsed.not_valid_after_utc:
            return "expired"
        if entry.expires_on is not None and entry.expires_on < local_date(now):
            return "expired"
        if not shown.for_clients:
            return "purpose"
        if not any(_signed(shown.parsed, authority) for authority in self.authorities):
            return "authority"
        return self._against_issuer(shown, entry)

    def _against_issuer(self, shown: Shown, entry: Certificate) -> str:
        if entry.issued_by is None:
            # Where several authorities are trusted, each could issue any name: the name alone says nothing.
            by_name = entry.known_by[0] != "sha256"
            return "authority_open" if by_name and sum(_own(one) for one in self.authorities) > 1 else ""
        try:
            issuers = authorities_of(entry.issued_by)
        except (ValueError, OSError):
            return "authority"
        return "" if any(_signed(shown.parsed, one) for one in issuers) else "authority"


@lru_cache(maxsize=512)
def read_certificate(der: bytes) -> Shown | None:
    """The names of a certificate, None if it is none."""
    if len(der) > CERTIFICATE_BYTES_MAX:
        return None
    try:
        parsed = x509.load_der_x509_certificate(der)
        names = {("sha256", hashlib.sha256(der).hexdigest()), ("subject", parsed.subject.rfc4514_string())}
        extensions = parsed.extensions
    except (ValueError, UnsupportedAlgorithm):
        return None
    for extension in extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names |= {("san_uri", uri) for uri in extension.value.get_values_for_type(x509.UniformResourceIdentifier)}
            names |= {("san_dns", name) for name in extension.value.get_values_for_type(x509.DNSName)}
    usages = [e.value for e in extensions if isinstance(e.value, x509.ExtendedKeyUsage)]
    return Shown(parsed, frozenset(names), all(any(use in _CLIENT for use in usage) for usage in usages))


@lru_cache(maxsize=64)
def authorities_of(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file. Raises ValueError or OSError."""
    return tuple(x509.load_pem_x509_certificates(path.read_bytes()))


@lru_cache(maxsize=512)
def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _own(certificate: x509.Certificate) -> bool:
    """Whether it is a root."""
    return certificate.issuer == certificate.subject


def of_connection(pem: Sequence[str]) -> bytes | None:
    """DER of the client's own certificate, from the chain that the server saw (ASGI's TLS extension)."""
    return _of_pem(pem[0]) if pem else None


def of_header(values: Sequence[str]) -> bytes | None:
    """DER from a proxy's header: RFC 9440 (``:base64:``) or PEM, percent-encoded. None if it is neither, or twice."""
    if len(values) != 1 or len(values[0]) > HEADER_CHARACTERS_MAX:
        return None
    text = values[0].strip()
    if text.startswith(":") and text.endswith(":") and len(text) > 2:
        try:
            return base64.b64decode(text[1:-1], validate=True)
        except (binascii.Error, ValueError):
            return None
    return _of_pem(unquote(text))


def _of_pem(text: str) -> bytes | None:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    if not text.strip().startswith(begin) or end not in text:
        return None
    try:
        return base64.b64decode("".join(text.strip()[len(begin) :].split(end)[0].split()), validate=True)
    except (binascii.Error, ValueError):
        return None
