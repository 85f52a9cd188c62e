"""Channels over HTTP against servers on loopback that answer in every way."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from standardwebhooks import Webhook as Signer

from hub.machine.ports import free_ports
from services.alerts.delivery import http_channels
from services.alerts.delivery.channel import Away, Failed, Sent
from services.alerts.delivery.grouping import Mail
from services.alerts.delivery.http_channels import Notify, Refused, Teams, Webhook, guarded, retry_after
from services.alerts.delivery.routes import Routes, Step, parse

AT = datetime.now(UTC)
MAIL = Mail("You have 2 new alerts", "You have 2 new alerts.\n", "0123456789abcdef", ("d1", "d2"))
SERVICE, SECRET = "1b2c3d4e-0000-4000-8000-000000000001", "9f8e7d6c-0000-4000-8000-000000000002"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HERE = frozenset({"127.0.0.1"})


@dataclass
class Receiver:
    """A server that keeps what it is sent; ``status`` and ``manner`` say how it answers."""

    status: int = 201
    manner: str = ""
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.got.append((handler.path, {k.lower(): v for k, v in handler.headers.items()}, body))
        if self.manner == "reset":
            handler.connection.close()
            return
        if self.manner == "drip":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not self.ended.wait(0.1):
                handler.wfile.write(b"X-A: 1\r\n")
            return
        handler.send_response(self.status)
        if 300 <= self.status < 400:
            handler.send_header("Location", self.url + "elsewhere")
        handler.send_header("Content-Length", str(10**12 if self.manner == "huge" else 0))
        handler.end_headers()
        if self.manner == "huge":
            handler.wfile.write(b"x" * 65_536)
            self.ended.wait(5)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                made.answer(self)
            except OSError:
                pass

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    (port,) = free_ports(1)
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.ended.set()
    server.shutdown()
    server.server_close()
    thread.join()


def notify(receiver: Receiver, kind: str = "email") -> Notify:
    return Notify(receiver.url.rstrip("/"), f"hub-{SERVICE}-{SECRET}", "template", kind, lambda: AT)


def webhook(receiver: Receiver) -> Webhook:
    # A receiver refuses what is minutes old, and a suite takes longer than that.
    return Webhook({receiver.url: SIGNING}, lambda: datetime.now(UTC), HERE)


@pytest.mark.parametrize(("kind", "name"), [("email", "email_address"), ("sms", "phone_number")])
def test_notify_gets_a_signed_token_and_our_reference(receiver: Receiver, kind: str, name: str) -> None:
    assert notify(receiver, kind).send("someone", MAIL) == Sent()
    ((path, headers, raw),) = receiver.got
    token = jwt.decode(headers["authorization"].removeprefix("Bearer "), OctKey.import_key(SECRET))
    assert token.claims == {"iss": SERVICE, "iat": int(AT.timestamp())}
    body = json.loads(raw)
    assert path == f"/v2/notifications/{kind}"
    assert (body[name], body["reference"], body["template_id"]) == ("someone", MAIL.reference, "template")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(400, Failed("refused_400")), (403, Away("notify_403")), (429, Away("notify_429")), (503, Away("notify_503"))],
)
def test_only_what_is_wrong_with_the_recipient_counts_against_it_at_notify(
    receiver: Receiver, status: int, outcome: object
) -> None:
    receiver.status = status
    assert notify(receiver).send("x@y.example", MAIL) == outcome


def test_a_webhook_is_signed_thin_and_repeats_its_id(receiver: Receiver) -> None:
    assert webhook(receiver).send(receiver.url, MAIL) == Sent()
    assert webhook(receiver).send(receiver.url, MAIL) == Sent()
    (_, headers, raw), (_, again, _) = receiver.got
    told = Signer(SIGNING).verify(raw.decode(), headers)
    assert sorted(told) == ["id", "timestamp", "type"]
    assert headers["webhook-id"] == again["webhook-id"] == told["id"] == MAIL.reference


@pytest.mark.parametrize(
    ("status", "reason"),
    [(302, "refused_302"), (404, "refused_404"), (410, "refused_410"), (429, "http_429"), (500, "http_500")],
)
def test_a_receiver_that_says_no_is_told_from_one_that_says_not_now(
    receiver: Receiver, status: int, reason: str
) -> None:
    receiver.status = status
    assert webhook(receiver).send(receiver.url, MAIL) == Failed(reason)
    assert len(receiver.got) == 1


def test_a_huge_answer_is_not_read(receiver: Receiver) -> None:
    receiver.manner = "huge"
    assert webhook(receiver).send(receiver.url, MAIL) == Sent()


def test_a_reset_and_a_drip_are_failures_that_pass(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.manner = "reset"
    assert webhook(receiver).send(receiver.url, MAIL) == Failed("RemoteProtocolError")
    receiver.manner = "drip"
    monkeypatch.setattr(http_channels, "ANSWER_S_MAX", 0.5)
    assert webhook(receiver).send(receiver.url, MAIL) == Failed("timed_out")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://192.0.2.1/", "refused_not_https"),
        ("https://127.0.0.1/", "refused_private_address"),
        ("https://10.0.0.1/", "refused_private_address"),
        ("https://169.254.169.254/", "refused_private_address"),
        ("https://[::1]/", "refused_private_address"),
        ("file:///etc/passwd", "refused_url"),
        ("https://user:word@8.8.8.8/", "refused_url"),
    ],
)
def test_nothing_inside_is_called_and_nothing_in_clear_outside(url: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        guarded(url, frozenset())
    assert refused.value.reason == reason


def test_what_was_checked_is_what_is_called() -> None:
    url, headers, extensions = guarded("https://127.0.0.1:8443/a?b=1", HERE)
    assert (url, headers, extensions) == (
        "https://127.0.0.1:8443/a?b=1",
        {"Host": "127.0.0.1:8443"},
        {"sni_hostname": "127.0.0.1"},
    )


def test_a_card_carries_count_and_link_and_no_name(receiver: Receiver) -> None:
    receiver.status = 202
    assert Teams("https://hub.example/", HERE).send(receiver.url, MAIL) == Sent()
    (attachment,) = json.loads(receiver.got[0][2])["attachments"]
    assert attachment["content"]["body"][0]["text"] == "You have 2 new alerts"
    assert attachment["content"]["actions"][0]["url"] == "https://hub.example/"


def test_routes_name_every_fault_at_once_and_fall_back_on_mail() -> None:
    assert Routes().of("team:yjt", urgent=True) == (Step("smtp"),)
    made = parse({"team:dwp": {"urgent": [{"by": "webhook", "to": "https://x.example/"}, {"by": "smtp"}]}})
    assert made.of("team:dwp", urgent=True) == (Step("webhook", "https://x.example/"), Step("smtp"))
    assert made.of("team:dwp", urgent=False) == (Step("smtp"),)
    with pytest.raises(ValueError, match=r"pigeon is no channel.*nightly: say routine or urgent"):
        parse({"team:dwp": {"urgent": [{"by": "pigeon"}], "nightly": []}})


def test_when_to_come_again_is_read_as_a_number_or_a_date_and_bounded() -> None:
    at = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
    said = {"120": 120, "99999999999": 86_400, "Tue, 03 Nov 2026 09:01:00 GMT": 60, "Mon, 02 Nov 2026 09:00:00 GMT": 0}
    assert {text: retry_after(text, at) for text in said} == said
    assert [retry_after(text, at) for text in (None, "", "soon", "-5")] == [None] * 4
