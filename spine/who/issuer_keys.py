"""The public keys of issuers, fetched from where the file of speakers says and from nowhere else.

A key is looked for again when a token names one that is not known, and all are when they have grown old, so that a
key withdrawn stops counting. However many tokens come, an issuer is asked at most once in ``PAUSE_SECONDS``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from spine.telemetry import log
from spine.who.speakers import Issuer

PAUSE_SECONDS = 30.0
OLD_SECONDS = 600.0
#: Keys that could not be looked up again count no longer than this: a withdrawn one may be among them.
STALE_SECONDS = 6 * 3600.0
FILE_OLD_SECONDS = 2.0
FETCH_SECONDS = 5.0
KEY_SET_BYTES_MAX = 262_144
KEYS_MAX = 100
RSA_BITS_MIN, RSA_BITS_MAX = 2048, 8192

Key = RSAKey | ECKey
Fetch = Callable[[str], bytes]


class Away(Exception):
    """The issuer's keys can't be had now, so nothing can be said of its tokens."""


@dataclass(slots=True)
class _Held:
    keys: Mapping[str, Key] = field(default_factory=dict)
    read_at: float = float("-inf")
    tried_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


class IssuerKeys:
    """Thread-safe. ``clock`` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float], fetch: Fetch | None = None) -> None:
        self._clock, self._fetch = clock, fetch or fetch_url
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()

    def find(self, issuer: Issuer, kid: str) -> Key | None:
        """The key ``kid`` of the issuer, None if it has none of that name. Raises Away."""
        source = issuer.jwks_url or str(issuer.jwks_file)
        with self._lock:
            held = self._held.setdefault(source, _Held())
        old, pause = (OLD_SECONDS, PAUSE_SECONDS) if issuer.jwks_url else (FILE_OLD_SECONDS, FILE_OLD_SECONDS)
        self._refresh(issuer, held, kid, old, pause)
        if self._clock() - held.read_at > STALE_SECONDS:
            raise Away(issuer.id)
        return held.keys.get(kid)

    def _refresh(self, issuer: Issuer, held: _Held, kid: str, old: float, pause: float) -> None:
        now = self._clock()
        stale = now - held.read_at > STALE_SECONDS
        if kid in held.keys and now - held.read_at < old:
            return
        if now - held.tried_at < pause and not (stale and held.lock.locked()):
            return
        # Who has usable keys does not wait for the one that looks; who has none does, for as long as a fetch may take.
        if not held.lock.acquire(timeout=FETCH_SECONDS if stale else 0):
            return
        try:
            if self._clock() - held.tried_at >= pause:
                held.tried_at = self._clock()
                held.keys = self._read(issuer)
                held.read_at = held.tried_at
        except (OSError, ValueError, httpx2.HTTPError) as error:
            log().warning("issuer_away", issuer=issuer.id, reason=type(error).__name__)
        finally:
            held.lock.release()

    def _read(self, issuer: Issuer) -> Mapping[str, Key]:
        raw = Path(issuer.jwks_file).read_bytes() if issuer.jwks_file else self._fetch(issuer.jwks_url)
        return read_key_set(raw)


def read_key_set(raw: bytes) -> dict[str, Key]:
    """Usable public keys by ``kid``; others are left out. Raises ValueError for what is no key set at all."""
    if len(raw) > KEY_SET_BYTES_MAX:
        raise ValueError("key set too large")
    try:
        entries = json.loads(raw)["keys"]
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("no key set") from error
    if not isinstance(entries, list) or len(entries) > KEYS_MAX:
        raise ValueError("no key set")
    keys: dict[str, Key] = {}
    for entry in entries:
        key = _usable(entry)
        if key is not None:
            keys.setdefault(entry["kid"], key)
    return keys


def _usable(entry: Any) -> Key | None:
    """A public signing key with a name. A secret or private key in a public set is a mistake, and none of ours."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or {"d", "k"} & set(entry):
        return None
    if entry.get("use", "sig") != "sig":
        return None
    try:
        if entry.get("kty") == "RSA":
            rsa = RSAKey.import_key(entry)
            public: object = rsa.public_key
            return rsa if isinstance(public, RSAPublicKey) and RSA_BITS_MIN <= public.key_size <= RSA_BITS_MAX else None
        if entry.get("kty") == "EC":
            curve = ECKey.import_key(entry)
            public = curve.public_key
            return curve if isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1) else None
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None


def fetch_url(url: str) -> bytes:
    """A small document within ``FETCH_SECONDS``; no redirects. Raises ValueError or httpx2.HTTPError."""
    deadline = time.monotonic() + FETCH_SECONDS
    held = bytearray()
    with httpx2.stream("GET", url, timeout=FETCH_SECONDS, follow_redirects=False) as answer:
        if answer.status_code != 200:
            raise ValueError("no key set")
        for chunk in answer.iter_bytes():
            held += chunk
            if len(held) > KEY_SET_BYTES_MAX or time.monotonic() > deadline:
                raise ValueError("key set too large or too slow")
    return bytes(held)
