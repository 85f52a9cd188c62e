"""Agreements move while the hub runs: in one process, with the real decisions of every service."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.heads import Move, NotAllowed
from hub.inprocess import InProcessHub
from hub.quarantine.refused import Chosen, classes, gate_has_seen, redrive, refusals, rehearse
from services.ingest.agent import Gates, Opener
from spine.errors import Halt
from spine.record import Fact, Outgoing
from spine.seal import Sealer

ROOT = Path(__file__).resolve().parents[2]
START = datetime(2025, 11, 24, 9, 0, tzinfo=UTC)
NORTHVALE, SOUTHMERE = "northvale-college", "southmere-college"


def after(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


@pytest.fixture
def hub() -> InProcessHub:
    made = InProcessHub(ROOT / "contracts", ROOT / "schemas" / "avro")
    made.tick(date(2025, 11, 24))
    made.release(START)
    made.settle()
    return made


def event(number: int, type: str, source: str = NORTHVALE, on: str = "2025-11-20", **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"m-{number}",
        "source": source,
        "type": type,
        "data": {
            "effective_on": on,
            "subject": {
                "source_ref": "P100881",
                "given_name": "Aaliyah",
                "family_name": "Khan-Reid",
                "date_of_birth": "2009-03-14",
                "postcode": "NS3 4QT",
            },
            "data": data,
        },
    }


def withdrawal(number: int, source: str = NORTHVALE) -> dict[str, Any]:
    told = {"reason": "changed_mind", "destination": "unknown", "destination_confirmed": False}
    return event(number, "education.enrolment.withdrawn", source, **told)


def instruction(number: int, scope: str, source: str = NORTHVALE, on: str = "2025-11-22") -> dict[str, Any]:
    return event(number, "sharing.instruction_recorded", source, on, scope=scope, given_by="young_person")


def send(hub: InProcessHub, told: dict[str, Any], at: datetime) -> None:
    hub.submit(told, party=str(told["source"]), received_at=at)
    hub.settle()


def observed(hub: InProcessHub) -> list[Fact]:
    return [fact for fact in hub.facts("observations") if fact.kind == "observation.v1"]


def refused(hub: InProcessHub) -> list[Fact]:
    return [fact for fact in hub.facts("refusals") if fact.kind == "refusal.v1"]


def waiting(hub: InProcessHub, chosen: Chosen = Chosen()) -> list[Any]:
    return refusals(hub.log, hub.catalogue, hub.journal("ingest"), chosen)


@pytest.mark.parametrize("what", ["isa-2024-011", NORTHVALE])
def test_what_comes_under_a_suspended_agreement_or_party_waits_sealed(hub: InProcessHub, what: str) -> None:
    send(hub, withdrawal(1), after(1))
    hub.suspend(what, after(2))
    send(hub, withdrawal(2), after(3))
    send(hub, withdrawal(3, SOUTHMERE), after(3))
    assert [fact.fields["message_id"] for fact in observed(hub)] == ["m-1", "m-3"]
    (no,) = refused(hub)
    assert no.fields["reason"] == "suspended" and no.fields["sealed_body"] is not None


def test_resuming_needs_two_people_of_different_names(hub: InProcessHub) -> None:
    hub.suspend("isa-2024-011", after(2))
    content = {"agreements": {"isa-2024-011@1.0.0": {}}, "parties": {}}
    for one, other in (("R. Osei", "r.  osei"), ("R. Osei", ""), ("", "M. Pereira")):
        with pytest.raises(NotAllowed):
            hub.heads.resume(Move("resumed", one, after(3), "isa-2024-011", other), content)
    head = hub.heads.current()
    assert head is not None and head.agreements == ("isa-2024-011",)


def test_who_resumed_and_who_approved_stands_on_the_log(hub: InProcessHub) -> None:
    hub.suspend("isa-2024-011", after(2))
    hub.resume("isa-2024-011", after(3))
    heads = [fact.fields for fact in hub.facts("submissions") if fact.kind == "policy.v1"]
    assert len(heads) == 3 * hub.log.partitions("submissions")
    (last, *_) = [fields for fields in heads if fields["act"] == "resumed"]
    assert (last["moved_by"], last["approved_by"], last["what"]) == ("in-process-1", "in-process-2", "isa-2024-011")


def test_after_resuming_what_waited_is_redriven_and_accepted_once(hub: InProcessHub) -> None:
    hub.suspend(NORTHVALE, after(2))
    send(hub, withdrawal(2), after(3))
    hub.resume(NORTHVALE, after(4))
    for _ in range(2):
        held = waiting(hub, Chosen("suspended"))
        redrive(hub.log, hub.catalogue, held, "a+b", after(5), "head-3")
    hub.settle()
    (fact,) = observed(hub)
    assert fact.fields["message_id"] == "m-2" and fact.fields["received_at"] == after(5)
    assert [one.state for one in waiting(hub)] == ["settled"]


def test_what_waits_is_counted_only_once_the_gate_has_read_the_move_everywhere(hub: InProcessHub) -> None:
    hub.suspend("isa-2024-011", after(2))
    hub.settle()
    hub.submit(withdrawal(2), party=NORTHVALE, received_at=after(3))
    hub.resume("isa-2024-011", after(4))
    head, partitions = hub.heads.current(), hub.log.partitions("submissions")
    assert head is not None
    # The message stands on the log before the move, and will be refused: a look now would miss it.
    assert not gate_has_seen(head, hub.journal("ingest"), partitions) and not waiting(hub)
    hub.settle()
    assert gate_has_seen(head, hub.journal("ingest"), partitions)
    assert [one.state for one in waiting(hub)] == ["waits"]


def test_a_redrive_that_is_refused_again_counts_its_attempts_and_can_be_redriven(hub: InProcessHub) -> None:
    hub.suspend(NORTHVALE, after(2))
    send(hub, withdrawal(2), after(3))
    for attempt in (1, 2):
        redrive(hub.log, hub.catalogue, waiting(hub), "a+b", after(4), f"try-{attempt}")
        hub.settle()
    assert [fact.fields["attempt"] for fact in sorted(refused(hub), key=lambda f: f.fields["attempt"])] == [1, 2, 3]
    hub.resume(NORTHVALE, after(6))
    redrive(hub.log, hub.catalogue, waiting(hub), "a+b", after(7), "resumed")
    hub.settle()
    assert [fact.fields["message_id"] for fact in observed(hub)] == ["m-2"]


def test_a_rehearsal_says_what_would_now_be_accepted_and_sends_nothing(hub: InProcessHub) -> None:
    hub.suspend(NORTHVALE, after(2))
    send(hub, withdrawal(2), after(3))
    send(hub, event(3, "education.enrolment.withdrawn", SOUTHMERE, reason="no_such_reason"), after(3))
    opener, gates = Opener(Sealer(bytes(range(32)), nonce=bytes), hub.catalogue), Gates(hub.catalogue, hub.contracts)
    now = {
        one.fields["message_id"]: said for one, said, _ in rehearse(waiting(hub), opener, gates.under(None), after(5))
    }
    assert now == {"m-2": "accepted", "m-3": "invalid"}
    still = list(rehearse(waiting(hub, Chosen("suspended")), opener, gates.under(hub.heads.current()), after(5)))
    assert [(said, codes) for _, said, codes in still] == [("suspended", ("party_suspended",))]
    assert not observed(hub)


def test_quarantine_is_counted_by_class_party_and_type(hub: InProcessHub) -> None:
    hub.suspend(NORTHVALE, after(2))
    for number in (2, 3):
        send(hub, withdrawal(number), after(number))
    (row,) = classes(waiting(hub, Chosen(party=NORTHVALE)))
    assert row[:5] == ("suspended", NORTHVALE, "education.enrolment.withdrawn", "waits", 2)
    assert not waiting(hub, Chosen(reason="invalid")) and not waiting(hub, Chosen(event="uc.claim_started"))


def test_each_decision_names_the_head_that_it_was_made_under(hub: InProcessHub) -> None:
    send(hub, withdrawal(1), after(1))
    hub.suspend(NORTHVALE, after(2))
    send(hub, withdrawal(2), after(3))
    rows = [row for row in hub.journal("ingest").decisions if row.kind == "submission.v1"]
    assert [row.settings.split()[0] for row in rows] == [f"{hub.policy}#1", f"{hub.policy}#2"]
    # By what follows a replay finds the build: it is the same under every head.
    assert len({row.settings.partition(" ")[2] for row in rows} - {""}) == 1


def test_a_head_is_never_taken_back_by_an_older_one_that_comes_late(hub: InProcessHub) -> None:
    late = [
        record
        for n in range(hub.log.partitions("submissions"))
        for record in hub.log.read({("submissions", n): 0}, 100)
        if hub.catalogue.fact(record).kind == "policy.v1"
    ]
    hub.suspend(NORTHVALE, after(2))
    hub.settle()
    for record in late:
        fields = {**hub.catalogue.fact(record).fields, "event_id": f"late-{record.partition}"}
        body = hub.catalogue.encode("policy.v1", fields)
        hub.log.append(
            [Outgoing(0, f"late-{record.partition}", "submissions", "", "policy.v1", body, (), record.partition)]
        )
    send(hub, withdrawal(2), after(3))
    assert not observed(hub) and "older_head" in {row.note for row in hub.journal("ingest").decisions}


def test_a_head_without_a_policy_lets_nothing_through(hub: InProcessHub) -> None:
    fields = {
        "number": 9, "at": after(1), "policy": "", "head": "", "suspended_agreements": [], "suspended_parties": [],
        "act": "moved", "what": "", "moved_by": "x", "approved_by": None, "because": "",
    }  # fmt: skip
    for n in range(hub.log.partitions("submissions")):
        body = hub.catalogue.encode("policy.v1", {**fields, "event_id": f"none-{n}"})
        hub.log.append([Outgoing(0, f"none-{n}", "submissions", "", "policy.v1", body, (), n)])
    send(hub, withdrawal(1), after(2))
    assert [fact.fields["reason"] for fact in refused(hub)] == ["policy_missing"]


# What stands open


def last_views(hub: InProcessHub, rule: str) -> dict[str, dict[str, Any]]:
    acts = [fact.fields for fact in hub.facts("alerts") if fact.fields["rule"] == rule]
    return {r["role"]: r["view"] for r in acts[-1]["recipients"]}


def shown(hub: InProcessHub, rule: str) -> set[str]:
    return {line["label"] for view in last_views(hub, rule).values() for line in view["lines"]}


def standing(hub: InProcessHub) -> str:
    """A college says that a student left; the rule of the alert that shows why."""
    start = event(90, "education.enrolment.started", on="2025-09-08", institution_type="further_education",
                  mode="full_time", predicted_end_on="2026-07-10")  # fmt: skip
    send(hub, start, after(1))
    send(hub, withdrawal(91), after(2))
    rules = {fact.fields["rule"] for fact in hub.facts("alerts")}
    return next(rule for rule in sorted(rules) if "Reason" in shown(hub, rule))


def test_suspending_pulls_back_what_stands_open_and_resuming_gives_it_back(hub: InProcessHub) -> None:
    rule = standing(hub)
    assert {"Name", "Reason"} <= shown(hub, rule)
    hub.suspend("isa-2024-011", after(3))
    hub.settle()
    assert not {"Name", "Reason"} & shown(hub, rule)
    assert [fact.fields["act"] for fact in hub.facts("alerts") if fact.fields["rule"] == rule] == ["raised", "updated"]
    hub.resume("isa-2024-011", after(4))
    hub.settle()
    assert {"Name", "Reason"} <= shown(hub, rule)


def test_an_instruction_pulls_back_the_fields_that_are_the_persons_to_choose(hub: InProcessHub) -> None:
    rule = standing(hub)
    send(hub, instruction(92, "all_other_information"), after(3))
    assert "Name" in shown(hub, rule) and "Reason" not in shown(hub, rule)
    withheld = {(w["what"], w["why"]) for view in last_views(hub, rule).values() for w in view["withheld"]}
    assert ("reason", "choice") in withheld
    send(hub, instruction(93, "lifted", on="2025-11-23"), after(4))
    assert "Reason" in shown(hub, rule)


# Instructions at the gate


def test_an_instruction_binds_in_every_partition_and_until_it_is_lifted(hub: InProcessHub) -> None:
    send(hub, instruction(1, "all_other_information", SOUTHMERE), after(1))
    for number in range(2, 10):
        send(hub, withdrawal(number, SOUTHMERE), after(number))
    send(hub, instruction(10, "lifted", SOUTHMERE, "2025-11-23"), after(10))
    for number in range(11, 15):
        send(hub, withdrawal(number, SOUTHMERE), after(number))
    told = {f.fields["message_id"]: f.fields for f in observed(hub) if f.fields["type"].endswith("withdrawn")}
    assert len(told) == 12
    for number in range(2, 10):
        fields = told[f"m-{number}"]
        assert fields["dropped"] == ["data.destination", "data.reason"]
        assert hub.catalogue.open("education.enrolment.withdrawn.data.v1", fields["data"])["reason"] == "unknown"
    assert all(not told[f"m-{number}"]["dropped"] for number in range(11, 15))


def test_where_the_agreement_refuses_a_field_held_back_is_refused_and_not_kept(hub: InProcessHub) -> None:
    send(hub, instruction(1, "all_other_information"), after(1))
    send(hub, withdrawal(2), after(2))
    (no,) = refused(hub)
    assert no.fields["reason"] == "not_in_agreement" and no.fields["sealed_body"] is None
    codes = {(found["pointer"], found["code"]) for found in no.fields["faults"]}
    assert codes == {("/data/data/reason", "subject_choice"), ("/data/data/destination", "subject_choice")}


def test_what_a_person_holds_back_is_not_kept_under_a_used_id_either(hub: InProcessHub) -> None:
    send(hub, withdrawal(1), after(1))
    send(hub, instruction(2, "all_other_information"), after(2))
    send(hub, {**withdrawal(1), "data": {**withdrawal(1)["data"], "effective_on": "2025-11-19"}}, after(3))
    (no,) = refused(hub)
    assert no.fields["reason"] == "id_reused" and no.fields["sealed_body"] is None


def test_what_a_person_has_instructed_is_in_the_record_of_the_decision(hub: InProcessHub) -> None:
    send(hub, withdrawal(1), after(1))
    send(hub, instruction(2, "all_other_information"), after(2))
    send(hub, withdrawal(3), after(3))
    before = {row.event_id: row.state_before for row in hub.journal("ingest").decisions if row.kind == "submission.v1"}
    unknown, _, known = before.values()
    assert unknown == b"" != known


def test_an_instruction_binds_the_party_that_recorded_it_and_nobody_else(hub: InProcessHub) -> None:
    send(hub, instruction(1, "all_other_information"), after(1))
    send(hub, withdrawal(2, SOUTHMERE), after(2))
    (fact,) = [fact for fact in observed(hub) if fact.fields["type"].endswith("withdrawn")]
    assert not fact.fields["dropped"]


def test_a_reference_of_a_person_stands_nowhere_in_an_instruction_on_the_log(hub: InProcessHub) -> None:
    send(hub, instruction(1, "all_other_information"), after(1))
    told = [fact.fields for fact in hub.facts("submissions") if fact.kind == "choice.v1"]
    assert len(told) == hub.log.partitions("submissions") and "P100881" not in repr(told)


# Floods


def test_a_flood_of_poison_halts_the_gate_instead_of_binning_everything(hub: InProcessHub) -> None:
    body = b"\x00 not an Avro record"
    hub.log.append([Outgoing(0, f"x{n}", "submissions", f"k{n}", "tick.v1", body, (), 0) for n in range(60)])
    with pytest.raises(Halt):
        hub.settle()
    assert len(list(hub.facts("quarantine"))) < 60
