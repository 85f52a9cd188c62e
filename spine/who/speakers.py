"""The file of speakers (HUB_SPEAKERS): which issuers' clients and which certificates speak for which party.

It holds no secret. Read again when it changes; docs/partner-door.md shows one whole.
"""

from __future__ import annotations

import ipaddress
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from spine.who.keys import IDENTIFIER
from spine.who.principal import READ, SCOPES, WRITE, Mode, Scope
from spine.who.reading import Entry, doubles, read_yaml, said

Name = Annotated[str, Field(pattern=IDENTIFIER)]
Text = Annotated[str, Field(min_length=1, max_length=512)]
Algorithm = Literal["RS256", "PS256", "ES256"]
ENTRA = ("login.microsoftonline.com", "sts.windows.net")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Client(Entry):
    """One client of an issuer. ``certificate_bound``: only with a token that is bound to its certificate (RFC 8705)."""

    party: Name
    mode: Mode
    scopes: frozenset[Scope] = SCOPES
    certificate_bound: bool = False


class Issuer(Entry):
    """Whose tokens count, and how they read. ``pinned``: claims that must have exactly this value (Entra: ``tid``).

    ``token_url`` is shown to partners in the door's description, and not used.
    """

    id: Name
    issuer: Text
    audience: Text
    jwks_url: Text = ""
    jwks_file: Path | None = None
    token_url: str = ""
    algorithms: Annotated[frozenset[Algorithm], Field(min_length=1)] = frozenset({"RS256"})
    pinned: dict[str, Text] = {}
    client_claim: Text = "azp"
    scope_claim: Text = "scope"
    scopes: dict[Text, Scope] = {WRITE: WRITE, READ: READ}
    clients: dict[Text, Client]

    @model_validator(mode="after")
    def _one_source(self) -> Issuer:
        if bool(self.jwks_url) == bool(self.jwks_file):
            raise ValueError("jwks_url or jwks_file is needed, and not both")
        parts = urlsplit(self.jwks_url)
        if self.jwks_url and parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ValueError("jwks_url must be https, or on this machine")
        if urlsplit(self.issuer).hostname in ENTRA and "tid" not in self.pinned:
            raise ValueError(
                "pinned must name the tenant (tid): Entra signs the tokens of all tenants with the same keys"
            )
        return self


class Certificate(Entry):
    """A client certificate, known by exactly one of its names or by its fingerprint, speaks for a party.

    ``issued_by``: PEM file of the certificate that must have signed it directly; needed where several authorities are
    trusted, so that one can't issue a name that is another's.
    """

    id: Name
    party: Name
    mode: Mode
    san_uri: Text | None = None
    san_dns: Text | None = None
    subject: Text | None = None
    sha256: str | None = None
    issued_by: Path | None = None
    expires_on: date | None = None
    scopes: frozenset[Scope] = SCOPES

    @field_validator("sha256")
    @classmethod
    def _fingerprint(cls, value: str | None) -> str | None:
        plain = (value or "").replace(":", "").lower()
        if value is not None and (len(plain) != 64 or set(plain) - set("0123456789abcdef")):
            raise ValueError("64 hexadecimal digits are needed: the SHA-256 of the certificate (DER)")
        return plain or None

    @model_validator(mode="after")
    def _one_name(self) -> Certificate:
        if sum(name is not None for name in (self.san_uri, self.san_dns, self.subject, self.sha256)) != 1:
            raise ValueError("exactly one of san_uri, san_dns, subject and sha256 is needed")
        return self

    @property
    def known_by(self) -> tuple[str, str]:
        """(kind of name, name)."""
        for kind in ("san_uri", "san_dns", "subject", "sha256"):
            value = getattr(self, kind)
            if value is not None:
                return kind, str(value)
        raise AssertionError("validated")


class Proxy(Entry):
    """A proxy in front that ends TLS, checks the client certificate and forwards it in one header. Off unless given.

    The header counts only on connections from ``addresses``; the proxy must remove it from what clients send.
    """

    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] = "Client-Cert"
    addresses: Annotated[tuple[str, ...], Field(min_length=1)]

    @field_validator("addresses")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            ipaddress.ip_network(address)
        return value

    def speaks_from(self, address: str) -> bool:
        try:
            host = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(host in ipaddress.ip_network(network) for network in self.addresses)


class Speakers(Entry):
    """All of the file."""

    issuers: tuple[Issuer, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    proxy: Proxy | None = None

    def faults(self) -> list[str]:
        """What no single entry can see."""
        names = [f"{kind} {name}" for kind, name in (entry.known_by for entry in self.certificates)]
        return [
            *doubles([issuer.id for issuer in self.issuers], "issuer id"),
            *doubles([issuer.issuer for issuer in self.issuers], "issuer"),
            *doubles([entry.id for entry in self.certificates], "certificate id"),
            *doubles(names, "certificate with"),
        ]


NONE = Speakers()


def read_speakers(path: Path) -> Speakers:
    """Raises ValueError naming every fault, or OSError. File names in it are relative to its folder."""
    read: Any = read_yaml(path)
    try:
        speakers = Speakers.model_validate(_placed(read, path.parent))
    except ValidationError as error:
        raise ValueError(f"{path.name}: " + "; ".join(said(error, "at"))) from None
    faults = speakers.faults()
    if faults:
        raise ValueError(f"{path.name}: " + "; ".join(faults))
    return speakers


def _placed(read: Any, folder: Path) -> Any:
    """The same, with file names made absolute."""
    if not isinstance(read, dict):
        return read
    out = dict(read)
    for part, word in (("issuers", "jwks_file"), ("certificates", "issued_by")):
        if isinstance(read.get(part), list):
            out[part] = [
                {**row, word: str(folder / row[word])}
                if isinstance(row, dict) and isinstance(row.get(word), str)
                else row
                for row in read[part]
            ]
    return out
