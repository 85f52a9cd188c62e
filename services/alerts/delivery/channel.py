"""E-mail by SMTP. What came of an attempt is a value: sent, refused by the recipient's side, or nobody answered."""

from __future__ import annotations

import os
import smtplib
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

from services.alerts.delivery.grouping import Mail

SMTP_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Sent:
    """The next server took it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """This recipient's mail was not taken. ``reason`` is a machine word; ``refused…`` lasts."""

    reason: str
    #: Seconds for which the other side asked to be left alone.
    after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Away:
    """Nobody answers at all: no attempt of anybody's is counted."""

    reason: str


Outcome = Sent | Failed | Away


class Channel(Protocol):
    def send(self, address: str, mail: Mail) -> Outcome: ...


@dataclass(frozen=True, slots=True)
class Smtp:
    """``HUB_SMTP`` is host:port; ``HUB_SMTP_TLS=1`` asks for STARTTLS; a user and a password file where needed."""

    host: str
    port: int
    sender: str
    tls: bool = False
    user: str = ""
    password: str = ""

    @classmethod
    def of_environment(cls, sender: str) -> Smtp:
        host, _, port = os.environ["HUB_SMTP"].rpartition(":")
        secret = os.environ.get("HUB_SMTP_PASSWORD_FILE")
        password = Path(secret).read_text().strip() if secret else ""
        tls = os.environ.get("HUB_SMTP_TLS") == "1"
        return cls(host, int(port), sender, tls, os.environ.get("HUB_SMTP_USER", ""), password)

    def send(self, address: str, mail: Mail) -> Outcome:
        try:
            with smtplib.SMTP(self.host, self.port, timeout=SMTP_TIMEOUT_S) as server:
                if self.tls:
                    server.starttls()
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(message(self.sender, address, mail))
            return Sent()
        except smtplib.SMTPRecipientsRefused as error:
            return _answer(max(code for code, _ in error.recipients.values()))
        except smtplib.SMTPResponseException as error:
            return _answer(error.smtp_code)
        except (OSError, smtplib.SMTPException) as error:
            return Away(type(error).__name__)


def message(sender: str, address: str, mail: Mail) -> EmailMessage:
    """Header and body carry the same reference; each delivery's id stands in a header."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, address, mail.subject
    made["Message-ID"] = f"<{mail.reference}@{sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"
    made["X-Hub-Reference"] = mail.reference
    for delivery_id in mail.delivery_ids:
        made["X-Hub-Delivery"] = delivery_id
    made.set_content(mail.text)
    return made


def _answer(code: int) -> Outcome:
    if code == 421:
        return Away("smtp_421")
    return Failed(f"refused_{code}" if code >= 500 else f"smtp_{code}")
