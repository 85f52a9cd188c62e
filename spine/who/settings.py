"""The ways in that the environment opens. Files are read again when they change; TLS files when the door starts.

HUB_API_KEYS: hashes of API keys. HUB_SPEAKERS: issuers of tokens, client certificates, a proxy in front.
HUB_WEBHOOK_SECRETS: secrets of signed webhooks. HUB_TLS_CERT and HUB_TLS_KEY: the door serves TLS itself.
HUB_TLS_CLIENT_CA: who may have signed clients' certificates; HUB_TLS_CLIENT=required: no connection without one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from spine.who.certificates import Certificates, authorities_of
from spine.who.hearing import Hearing
from spine.who.issuer_keys import IssuerKeys
from spine.who.keys import KeyRing
from spine.who.rate import PartyLimits, Rate, read_limits
from spine.who.speakers import NONE, Speakers, read_speakers
from spine.who.tls import Tls
from spine.who.tokens import Tokens
from spine.who.watched import Watched
from spine.who.webhooks import Heard, Secrets

EVENTS_A_SECOND = 5_000
Clock = Callable[[], float]


def _no_speakers() -> Speakers:
    return NONE


def hearing_of(environment: Mapping[str, str], clock: Clock) -> Hearing:
    """Raises KeyError without HUB_API_KEYS, and ValueError or OSError for files at fault, naming every fault."""
    keys = Watched(Path(environment["HUB_API_KEYS"]), KeyRing.of_file, clock)
    speakers: Callable[[], Speakers] = _no_speakers
    if environment.get("HUB_SPEAKERS"):
        speakers = Watched(Path(environment["HUB_SPEAKERS"]), read_speakers, clock)
    secrets: Callable[[], Secrets] = Secrets
    if environment.get("HUB_WEBHOOK_SECRETS"):
        secrets = Watched(Path(environment["HUB_WEBHOOK_SECRETS"]), Secrets.of_file, clock)
    ca = environment.get("HUB_TLS_CLIENT_CA")
    stated = speakers()
    if not ca and (stated.certificates or stated.proxy):
        raise ValueError("HUB_SPEAKERS names certificates or a proxy: HUB_TLS_CLIENT_CA must name who signed them")
    certificates = Certificates(speakers, authorities_of(Path(ca))) if ca else None
    return Hearing(keys, Heard(clock), Tokens(speakers, IssuerKeys(clock)), certificates, speakers, secrets)


def rate_of(environment: Mapping[str, str], contracts: Path, clock: Clock) -> Rate:
    """HUB_RATE_EVENTS for those without limits of their own in parties.yaml. Raises ValueError or OSError."""
    second = int(environment.get("HUB_RATE_EVENTS", EVENTS_A_SECOND))
    stated: Callable[[], Mapping[str, PartyLimits]] = Watched(contracts / "parties.yaml", read_limits, clock)
    return Rate(PartyLimits(second, 4 * second), clock, stated)


def tls_of(environment: Mapping[str, str]) -> Tls | None:
    """None if the door speaks plain HTTP, behind something that ends TLS. Raises ValueError for half a setting."""
    certificate, key = environment.get("HUB_TLS_CERT", ""), environment.get("HUB_TLS_KEY", "")
    ca, client = environment.get("HUB_TLS_CLIENT_CA", ""), environment.get("HUB_TLS_CLIENT", "optional")
    if client not in ("optional", "required"):
        raise ValueError("HUB_TLS_CLIENT is optional or required")
    if bool(certificate) != bool(key):
        raise ValueError("HUB_TLS_CERT and HUB_TLS_KEY belong together")
    if client == "required" and not (ca and certificate):
        raise ValueError("HUB_TLS_CLIENT=required needs HUB_TLS_CERT, HUB_TLS_KEY and HUB_TLS_CLIENT_CA")
    if not certificate:
        return None
    return Tls(Path(certificate), Path(key), Path(ca) if ca else None, client == "required")
