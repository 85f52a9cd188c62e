"""``python -m services.alerts.delivery run``: the processor, and the sender where HUB_SMTP names a server.

``python -m services.alerts.delivery sink FOLDER PORT``: a mail server on loopback that keeps what it takes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from services.alerts.delivery import directory, policy
from services.alerts.delivery.agent import SERVICE, processor
from services.alerts.delivery.channel import Channel, Smtp
from services.alerts.delivery.http_channels import Notify, Teams, Webhook
from services.alerts.delivery.policy import DeliveryPolicy
from services.alerts.delivery.sender import Sender
from services.alerts.delivery.sink import open_sink
from spine.clock import now
from spine.host import Running
from spine.kafka import KafkaLog
from spine.postgres import PostgresJournal
from spine.service import FAILED, serve
from spine.settings import Settings
from spine.telemetry import log, where

USAGE = "usage: python -m services.alerts.delivery run | sink FOLDER PORT"


@dataclass(slots=True)
class Sending:
    """The sender's thread; ``close`` lets it finish the mail in its hands."""

    sender: Sender
    thread: threading.Thread
    log: KafkaLog

    def close(self) -> None:
        self.sender.stop.set()
        self.thread.join(timeout=30)
        self.log.close()


def begin_sending(running: Running) -> Sending | None:
    """Where no channel has a server or a key, deliveries wait in the table; everything else goes on."""
    if not any(os.environ.get(name) for name in ("HUB_SMTP", "HUB_NOTIFY_KEY_FILE", "HUB_WEBHOOK_SECRETS_FILE")):
        return None
    contracts = Settings().contracts
    made = policy.load(contracts)
    assert isinstance(running.journal, PostgresJournal)
    link = os.environ.get("HUB_CONSOLE_URL", "http://127.0.0.1:8080")
    # A council may tell by Notify alone: a step that names a channel without a server then fails over, or is given up.
    channel = Smtp.of_environment(made.sender) if os.environ.get("HUB_SMTP") else None
    engine, people = running.journal.engine, directory.load(contracts)
    # A producer of its own: the service's log has one appender already, the relay.
    own = KafkaLog(running.broker, running.catalogue.frame, source="delivery-sender")
    sender = Sender(engine, own, running.catalogue, channel, made, people, link, now, running.stop)
    sender.others = http_channels(made, link)
    thread = threading.Thread(target=_sending, args=(sender,), name="sender")
    thread.start()
    return Sending(sender, thread, own)


def http_channels(made: DeliveryPolicy, link: str) -> dict[str, Channel]:
    """HUB_NOTIFY_KEY_FILE, HUB_NOTIFY_EMAIL_TEMPLATE, HUB_NOTIFY_SMS_TEMPLATE; HUB_WEBHOOK_SECRETS_FILE (JSON: URL to
    secret). What has no setting is no channel, and a step that names it fails over to the next."""
    held: dict[str, Channel] = {"teams": Teams(link, made.webhooks_private)}
    if key := os.environ.get("HUB_NOTIFY_KEY_FILE"):
        base = os.environ.get("HUB_NOTIFY_URL", "https://api.notifications.service.gov.uk")
        for kind in ("email", "sms"):
            if template := os.environ.get(f"HUB_NOTIFY_{kind.upper()}_TEMPLATE"):
                held[f"notify_{kind}"] = Notify(base, Path(key).read_text().strip(), template, kind, now)
    if secrets := os.environ.get("HUB_WEBHOOK_SECRETS_FILE"):
        held["webhook"] = Webhook(json.loads(Path(secrets).read_text()), now, made.webhooks_private)
    return held


def _sending(sender: Sender) -> None:
    """A sender that failed for an unknown reason ends the process, so that somebody starts it again."""
    try:
        sender.run()
    except Exception as error:
        if not sender.stop.is_set():
            log().critical("failed", error=type(error).__name__, at=where(error))
            os._exit(FAILED)


def main(arguments: list[str]) -> None:
    match arguments:
        case ["run"]:
            serve(SERVICE, processor, before=begin_sending)
        case ["sink", folder, port]:
            asked = {signal.SIGTERM, signal.SIGINT}
            signal.pthread_sigmask(signal.SIG_BLOCK, asked)
            sink = open_sink(Path(folder), int(port))
            signal.sigwait(asked)
            sink.stop()
        case _:
            sys.exit(USAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
