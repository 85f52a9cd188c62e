"""What the services count of their decisions: closed sets of labels, nobody's name, nothing that was not committed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.alerts.agent import processor as alerts_of
from services.alerts.counted import verdicts_of
from services.console import counted as console
from services.ingest import counted as ingest
from services.ingest.channels.kafka_door import PartnerDoor
from spine.carried import Carried, carried
from spine.host import measure
from spine.record import Decided, Effect, Fact, Record
from spine.schema import Catalogue
from spine.step import Told
from spine.telemetry import metrics

ROOT = Path(__file__).resolve().parents[2]
AT = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
TAKEN = Carried(int(AT.timestamp() * 1000))


def told(kind: str, fields: dict[str, Any], *effects: Effect, beside: Carried = TAKEN, note: str = "") -> Told:
    record = Record("t", 0, 0, "k", b"", beside.headers)
    return Told(record, "e1", kind, Decided(effects, note=note), "s", None, Fact(kind, "e1", fields))


def number(name: str, **labels: str) -> float:
    return metrics().registry.get_sample_value(name, labels) or 0.0


def grown(count: Callable[[], object], name: str, **labels: str) -> float:
    before = number(name, **labels)
    count()
    return number(name, **labels) - before


def submission(party: str = "northvale-college", **more: Any) -> dict[str, Any]:
    return {"party": party, "received_at": AT, "type": "education.left", "test": False} | more


def effect(kind: str, **fields: Any) -> Effect:
    return Effect("topic", "key", kind, fields)


@pytest.mark.parametrize(
    ("effects", "verdict", "reason"),
    [
        ([effect("observation.v1", dropped=[])], "allowed", ""),
        ([effect("observation.v1", dropped=["subject.nhs_number"])], "partly", "minimised"),
        ([effect("refusal.v1", reason="suspended")], "refused", "suspended"),
        ([effect("refusal.v1", reason="Aisha Verity")], "refused", "other"),
        ([], "repeated", ""),
    ],
)
def test_the_door_s_gate_counts_its_verdict_by_class_of_reason(
    effects: list[Effect], verdict: str, reason: str
) -> None:
    def count() -> None:
        ingest.count([told("submission.v1", submission(), *effects), told("tick.v1", {})])

    assert grown(count, "hub_gate_decisions_total", gate="door", verdict=verdict, reason=reason) == 1


def test_a_rehearsal_is_not_counted_and_keeps_no_source_alive() -> None:
    heard = submission("hollybank-college", test=True)
    ingest.count([told("submission.v1", heard, effect("observation.v1", dropped=[]))])
    ingest.count([told("submission.v1", submission("hollybank-college"), effect("refusal.v1", reason="invalid"))])
    assert number("hub_source_heard_timestamp_seconds", party="hollybank-college", what="event") == 0


def test_a_source_was_heard_when_its_last_accepted_submission_was_taken() -> None:
    yes = effect("observation.v1", dropped=[])
    later = submission(received_at=AT + timedelta(hours=1))
    ingest.count([told("submission.v1", later, yes), told("submission.v1", submission(), yes)])
    ingest.count([told("submission.v1", submission(type=ingest.EXTRACT), yes)])
    heard = {
        what: number("hub_source_heard_timestamp_seconds", party="northvale-college", what=what)
        for what in ("event", "extract")
    }
    assert heard == {"event": AT.timestamp() + 3600, "extract": AT.timestamp()}


def test_every_reason_of_the_gate_is_a_label_of_its_own() -> None:
    folder = ROOT / "services" / "ingest"
    source = (folder / "gate.py").read_text() + (folder / "decide.py").read_text()
    named = set(re.findall(r"No\(\"([a-z_]+)\"", source)) | {"not_in_agreement", "malformed", "invalid"}
    assert named == ingest.REASONS


def alert(act: str = "raised", test: bool = False, withheld: tuple[str, ...] = (), gone: bool = False) -> Effect:
    recipients = [{"role": "r", "view": {"withheld": withheld}, "gone": gone}]
    return effect("alert.v1", act=act, test=test, recipients=recipients)


def test_the_disclosure_gate_counts_each_recipient_of_each_act() -> None:
    decided = Decided((alert(), alert(withheld=("send",)), alert("updated", gone=True), alert(test=True)))
    assert verdicts_of(decided) == {("allowed", ""): 1, ("partly", "withheld"): 1, ("refused", "taken_back"): 1}


def test_how_long_an_alert_took_is_counted_once_and_not_for_what_a_date_or_a_rehearsal_caused() -> None:
    made: Any = alerts_of(Catalogue([ROOT / "schemas" / "avro"]), ROOT / "contracts")
    made.telling.clock = lambda: AT + timedelta(seconds=42)
    batch = [
        told("status.v1", {}, alert()),
        told("status.v1", {}, alert("updated")),
        told("status.v1", {}, alert(test=True)),
        told("tick.v1", {}, alert(), beside=Carried()),
    ]
    seconds = grown(lambda: measure(made, batch), "hub_receipt_to_alert_seconds_sum", stage="decided")
    assert seconds == pytest.approx(42)


def test_why_roles_were_not_told_is_counted_after_the_commit_alone() -> None:
    made: Any = alerts_of(Catalogue([ROOT / "schemas" / "avro"]), ROOT / "contracts")
    labels = {"gate": "alerts", "verdict": "refused", "reason": "no_consent"}
    made.telling.refused.update(["no_consent"])
    made.discard()
    assert grown(lambda: measure(made, [told("tick.v1", {})]), "hub_gate_decisions_total", **labels) == 0
    made.telling.refused.update(["no_consent", "no_consent"])
    assert grown(lambda: measure(made, [told("tick.v1", {})]), "hub_gate_decisions_total", **labels) == 2
    assert grown(lambda: measure(made, [told("tick.v1", {})]), "hub_gate_decisions_total", **labels) == 0


def test_the_inbox_counts_what_it_shows() -> None:
    fields = {"act": "raised"}
    batch = [told("alert.v1", fields, note="shown"), told("alert.v1", fields, note="test"), told("alert.v1", fields)]

    def count() -> None:
        console.waited(batch, lambda: AT + timedelta(seconds=3))

    assert grown(count, "hub_receipt_to_alert_seconds_count", stage="inbox") == 1


def test_what_a_partner_writes_into_its_headers_stays_behind() -> None:
    begun = datetime.now(UTC).timestamp() * 1000 - 1
    beside = carried(PartnerDoor.carry(None, Carried(5).headers, "ingest-door", "e1"))  # type: ignore[arg-type]
    assert beside.received_ms is not None and beside.received_ms >= begun
