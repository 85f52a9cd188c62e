"""Channels over HTTP: GOV.UK Notify (e-mail, SMS), a signed webhook, a Teams workflow. None of them names anybody.

Only the status line and headers of an answer are read: a huge or dripping body costs nothing. Redirects are refused.
Notify's sources: docs.notifications.service.gov.uk/rest-api.html (token, limits, errors).
Webhooks: Standard Webhooks 1.0.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLong
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson
from joserfc import jwt
from joserfc.jwk import OctKey
from standardwebhooks import Webhook as Signer

from services.alerts.delivery.channel import Away, Failed, Outcome, Sent
from services.alerts.delivery.grouping import Mail
from spine.clock import now

ANSWER_S_MAX = 15
RETRY_AFTER_S_MAX = 86_400
UUID_CHARACTERS = 36
#: Statuses of a receiver that no repetition can mend. 408, 425 and 429 pass.
PASSING = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """The address may not be called; ``reason`` is a machine word that begins with ``refused``."""

    reason: str


@dataclass(frozen=True, slots=True)
class Notify:
    """GOV.UK Notify. ``kind`` is ``email`` or ``sms``; ``key`` is name, service id and secret, joined by hyphens."""

    base: str
    key: str
    template: str
    kind: str
    clock: Callable[[], datetime]

    def send(self, address: str, mail: Mail) -> Outcome:
        field = "email_address" if self.kind == "email" else "phone_number"
        body = {
            field: address,
            "template_id": self.template,
            "personalisation": {"subject": mail.subject, "text": mail.text},
            "reference": mail.reference,
        }
        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        url = f"{self.base}/v2/notifications/{self.kind}"
        try:
            status, _ = post(url, orjson.dumps(body), headers)
        except (httpx2.HTTPError, TooLong) as error:
            return Away(type(error).__name__)
        if status == 201:
            return Sent()
        # 429, 5xx and 403 are about the service and its key, not about this recipient: nobody's attempt is counted.
        if status in (403, 429) or status >= 500:
            return Away(f"notify_{status}")
        return Failed(f"refused_{status}")

    def _token(self) -> str:
        secret, service = self.key[-UUID_CHARACTERS:], self.key[-2 * UUID_CHARACTERS - 1 : -UUID_CHARACTERS - 1]
        claims = {"iss": service, "iat": int(self.clock().timestamp())}
        return jwt.encode({"typ": "JWT", "alg": "HS256"}, claims, OctKey.import_key(secret))


@dataclass(frozen=True, slots=True)
class Webhook:
    """A thin event, signed: id, type, when. ``secrets`` by URL; what is new is fetched from the feed."""

    secrets: Mapping[str, str]
    clock: Callable[[], datetime]
    private: frozenset[str] = frozenset()

    def send(self, address: str, mail: Mail) -> Outcome:
        secret = self.secrets.get(address)
        if secret is None:
            return Failed("no_channel")
        at = self.clock()
        body = orjson.dumps({"id": mail.reference, "type": "feed.changed", "timestamp": at})
        signature = Signer(secret).sign(mail.reference, at, body.decode())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": mail.reference,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
        }
        return _call(address, body, headers, self.private)


@dataclass(frozen=True, slots=True)
class Teams:
    """A Workflows webhook ("when a Teams webhook request is received"), which takes an Adaptive Card."""

    link: str
    private: frozenset[str] = frozenset()

    def send(self, address: str, mail: Mail) -> Outcome:
        body = orjson.dumps(card(mail, self.link))
        return _call(address, body, {"Content-Type": "application/json"}, self.private)


def card(mail: Mail, link: str) -> Mapping[str, Any]:
    """Count and link; the reference lets a reader see that a card came twice."""
    lines = [
        {"type": "TextBlock", "text": mail.subject, "weight": "Bolder", "wrap": True},
        {"type": "TextBlock", "text": f"Reference: {mail.reference}", "isSubtle": True, "wrap": True},
    ]
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": lines,
        "actions": [{"type": "Action.OpenUrl", "title": "See them", "url": link}],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": content}]}


def _call(address: str, body: bytes, headers: Mapping[str, str], private: frozenset[str]) -> Outcome:
    """One call to a receiver of its own: what fails is this recipient's, never everybody's."""
    try:
        url, more, extensions = guarded(address, private)
        status, after_s = post(url, body, {**headers, **more}, extensions)
    except Refused as refused:
        return Failed(refused.reason)
    except TooLong:  # Before OSError, of which it is one.
        return Failed("timed_out")
    except OSError:
        return Failed("unknown_host")
    except httpx2.HTTPError as error:
        return Failed(type(error).__name__)
    if 200 <= status < 300:
        return Sent()
    lasting = 300 <= status < 500 and status not in PASSING
    return Failed(f"refused_{status}") if lasting else Failed(f"http_{status}", after_s)


def guarded(address: str, private: frozenset[str]) -> tuple[str, dict[str, str], dict[str, Any]]:
    """URL by number, header and TLS name to call it with: what was checked is what is called (no second look-up).

    Raises Refused for http outside loopback and for addresses inside, unless ``private`` names the host.
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or parts.username:
        raise Refused("refused_url")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    numbers = [ipaddress.ip_address(str(entry[4][0])) for entry in found]
    if parts.scheme == "http" and not all(number.is_loopback for number in numbers):
        raise Refused("refused_not_https")
    if host not in private and not all(number.is_global and not number.is_multicast for number in numbers):
        raise Refused("refused_private_address")
    number = f"[{numbers[0]}]" if numbers[0].version == 6 else str(numbers[0])
    url = parts._replace(netloc=f"{number}:{port}", fragment="").geturl()
    return url, {"Host": parts.netloc}, {"sni_hostname": host}


def retry_after(said: str | None, at: datetime) -> int | None:
    """Seconds of a Retry-After header, a number or a date, at most a day; None where there is none to read."""
    if not said:
        return None
    try:
        seconds = float(said) if said.strip().isdecimal() else (parsedate_to_datetime(said) - at).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return int(max(0, min(seconds, RETRY_AFTER_S_MAX)))


def post(
    url: str, body: bytes, headers: Mapping[str, str], extensions: Mapping[str, Any] | None = None
) -> tuple[int, int | None]:
    """Status and Retry-After of the answer. Raises httpx2.HTTPError, or TimeoutError after ANSWER_S_MAX, however
    slowly it drips."""
    answer: Future[tuple[int, int | None]] = Future()

    def call() -> None:
        try:
            with (
                httpx2.Client(timeout=ANSWER_S_MAX, follow_redirects=False, trust_env=False) as client,
                client.stream("POST", url, content=body, headers=headers, extensions=dict(extensions or {})) as got,
            ):
                answer.set_result((got.status_code, retry_after(got.headers.get("retry-after"), now())))
        except Exception as error:
            if not answer.done():
                answer.set_exception(error)

    Thread(target=call, daemon=True, name="channel-call").start()
    return answer.result(timeout=ANSWER_S_MAX)
