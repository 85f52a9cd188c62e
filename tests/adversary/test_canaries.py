"""Every value that partners send is a canary; wherever one comes out, an agreement must let it out just there."""

from __future__ import annotations

import base64
import html
import io
import json
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from services.alerts import consent, disclosure, sharing
from services.alerts.case import Case
from services.alerts.delivery.channel import message
from services.alerts.delivery.grouping import Waiting, compose
from services.alerts.settings import load
from services.alerts.state import Alert, Recipient, State
from services.ingest.channels import desk
from services.ingest.channels.files.sftp import PartyFolders
from spine import telemetry
from spine.record import Fact
from tests.adversary import console_of_canaries as console
from tests.adversary.canaries import Flock, found_in
from tests.adversary.doors_of_canaries import http_answers, kafka_answers
from tests.adversary.files_of_canaries import files_answers, server_answers
from tests.adversary.licence import Licence
from tests.adversary.world_of_canaries import CONTRACTS, World

#: They look at one world, which takes long to build.
pytestmark = pytest.mark.xdist_group("canaries")

STEWARD = "data-steward"
#: Rules whose agreements or masks have rows of their own.
RULES = ("A01", "A05", "A23", "A28", "A32", "A33", "A36", "A37", "A39", "MR", "A10", "A13", "A24")


@pytest.fixture(scope="module")
def world(canaries: World) -> World:
    telemetry.setup("canaries", out=canaries.logged)
    return canaries


@pytest.fixture(scope="module")
def alerts(world: World) -> list[Fact]:
    return list(world.hub.facts("alerts"))


def test_the_generated_people_reach_every_type_and_most_kinds_of_reader(world: World, alerts: list[Fact]) -> None:
    """What follows would prove nothing of fields that never came in or of readers who were told nothing."""
    assert not list(world.hub.facts("refusals"))
    sent = {(e["source"], e["type"]) for p in world.flock.people for e in p.events}
    assert sent == world.agreed
    shown = {path for fact in alerts for path in _paths(world, json.dumps(_views(fact), default=str).encode())}
    assert len({r["role"] for fact in alerts for r in fact.fields["recipients"]}) >= 18
    assert len({fact.fields["rule"] for fact in alerts}) >= 15 and len(shown) >= 25


def _views(fact: Fact) -> list[Any]:
    return [r["view"] for r in fact.fields["recipients"]]


def _paths(world: World, blob: bytes) -> set[str]:
    return {o.path for key in found_in(world.flock, blob) for o in world.flock.origins[key]}


def leaks_of_alerts(world: World, alerts: list[Fact]) -> Iterator[str]:
    """Views by licence; everything else of an alert holds no value at all."""
    for fact in alerts:
        person = world.people.get(fact.fields["person_id"])
        for recipient in fact.fields["recipients"]:
            if person is not None:
                yield from world.leaks_of_view(recipient["view"], recipient["role"], fact.fields["rule"], person)
        rest = [{k: v for k, v in r.items() if k != "view"} for r in fact.fields["recipients"]]
        bare = {**fact.fields, "recipients": rest}
        yield from world.unlicensed(json.dumps(bare, default=str).encode())


def test_each_recipient_of_an_alert_reads_what_the_agreements_let_them_read(world: World, alerts: list[Fact]) -> None:
    assert not sorted(set(leaks_of_alerts(world, alerts)))


def sweep(world: World) -> Iterator[str]:
    """Every role in alerts on everything that is known of a person, whether or not a rule would ever tell that role."""
    settings = load(CONTRACTS)
    roles = world.licence.masks["roles"]
    for number, (key, person) in enumerate(sorted(world.people.items())):
        state = world.states[key]
        case = Case(state, world.today, settings.policy)
        for role in roles:
            rule = RULES[(number + len(role)) % len(RULES)]
            recipient = Recipient(role)
            alert = _alert_on_everything(world, state, rule, recipient)
            view = disclosure.disclose(case, alert, recipient, settings.sharing).fields()
            shown = json.loads(json.dumps(view, default=str))
            yield from world.leaks_of_view(shown, role, rule, person, today=True)


def _alert_on_everything(world: World, state: State, rule: str, recipient: Recipient) -> Alert:
    evidence = tuple(fact.event_id for fact in state.facts)
    return Alert("swept", rule, "", world.today, world.today, "P1", 0, (recipient,), evidence)


def test_no_role_reads_more_even_in_alerts_that_no_rule_would_send_it(world: World) -> None:
    assert not sorted(set(sweep(world)))


def held_in_alerts(world: World, alerts: list[Fact]) -> Iterator[str]:
    """What the latest word on each alert that stands says although the person holds it back."""
    latest = {fact.fields["alert_id"]: fact.fields for fact in alerts}
    for fields in latest.values():
        person = world.people.get(fields["person_id"])
        if person is None or not person.held or not fields["open"]:
            continue
        for r in fields["recipients"]:
            leaks = world.leaks_of_view(r["view"], r["role"], fields["rule"], person, today=True)
            yield from (leak for leak in leaks if "held back" in leak)


def test_what_a_person_has_instructed_to_hold_back_is_pulled_out_of_what_stands(
    world: World, alerts: list[Fact], monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = {
        leak
        for fact in alerts
        if (person := world.people.get(fact.fields["person_id"])) is not None and person.held
        for r in fact.fields["recipients"]
        for leak in world.leaks_of_view(r["view"], r["role"], fact.fields["rule"], person, today=True)
    }
    assert len(earlier) >= 3 and all("held back" in leak for leak in earlier), "it was shown before the instruction"
    assert not sorted(set(held_in_alerts(world, alerts)))
    monkeypatch.setattr(consent, "held_back", lambda *_: frozenset())
    assert any("held back" in leak for leak in sweep(world))


@pytest.mark.parametrize("topic", ["refusals", "deliveries", "quarantine"])
def test_topics_about_handling_hold_no_value(world: World, topic: str) -> None:
    if topic != "refusals":
        assert list(world.hub.facts(topic))
    for n in range(world.hub.log.partitions(topic)):
        for record in world.hub.log.read({(topic, n): 0}, 1_000_000, 0):
            fields = json.dumps(world.hub.catalogue.fact(record).fields, default=str)
            assert not world.unlicensed(record.key.encode() + b"\n" + record.value + fields.encode())


def test_a_mail_says_nothing_about_anybody(world: World) -> None:
    created = [fact.fields for fact in world.hub.facts("deliveries") if fact.fields["state"] == "created"]
    by_role: dict[str, list[Waiting]] = {}
    for f in created:
        waiting = Waiting(f["delivery_id"], f["alert_id"], f["act"], f["severity"], f["due_on"], False, 0)
        by_role.setdefault(f["role"], []).append(waiting)
    assert len(by_role) >= 18
    for parts in by_role.values():
        for some in (parts, parts[:1]):
            mail = message("hub@northshire.example", "w@northshire.example", compose(some, "https://hub.example/"))
            assert not world.unlicensed(mail.as_bytes() + mail.get_content().encode())


def test_the_http_door_answers_and_refuses_without_a_value(world: World, tmp_path: Path) -> None:
    kinds: set[str] = set()
    reasons: set[str] = set()
    for boundary, blob in http_answers(world.flock, tmp_path / "contracts"):
        kinds.add(boundary)
        if boundary == "refusals":
            reasons.add(blob.split(b'"reason": "')[1].split(b'"')[0].decode())
        assert not world.unlicensed(blob), boundary
    assert {"invalid", "malformed", "not_in_agreement", "wrong_principal"} <= reasons
    problems = {f"http problem {status}" for status in (400, 401, 404, 405, 413, 415)}
    exports = {f"export quarantine {name}" for name in ("list", "show", "redrive")}
    assert problems | exports | {"http /v1/refusals", "http receipt", "http webhook", "submissions"} <= kinds


def test_what_comes_of_a_partner_s_topic_holds_no_value(world: World, tmp_path: Path) -> None:
    kinds, reasons = Counter[str](), set[str]()
    for boundary, blob in kafka_answers(world.flock, tmp_path / "contracts"):
        kinds[boundary] += 1
        if boundary == "kafka refusals":
            reasons.add(blob.split(b'"reason": "')[1].split(b'"')[0].decode())
        assert not world.unlicensed(blob), boundary
    assert {"unreadable", "invalid", "malformed", "not_in_agreement", "wrong_principal"} <= reasons
    assert min(kinds["kafka refusals"], kinds["kafka submissions"]) > 500


def test_feedback_on_files_names_columns_and_no_cell(world: World, tmp_path: Path) -> None:
    suffixes: set[str] = set()
    for boundary, blob in files_answers(world.flock, tmp_path):
        suffixes.add(boundary)
        assert not world.unlicensed(blob), boundary
    assert {"files out/.csv", "files out/.json"} <= suffixes


def test_the_file_server_repeats_no_name_that_it_was_asked_for(world: World, tmp_path: Path) -> None:
    heard = server_answers(world.flock, tmp_path)
    assert {kind for kind, _ in heard} == {"sftp error", "sftp listing", "sftp sign-in"}
    assert not [(kind, leak) for kind, blob in heard for leak in world.unlicensed(blob)]


def leaks_of_pages(world: World, pages: Iterator[console.Page]) -> Iterator[str]:
    """What pages say beyond the user's roles in the alerts that the page may speak of."""
    for page in pages:
        for key in found_in(world.flock, page.blob):
            origins, number = world.flock.origins[key], world.flock.person_of[key]
            about = [(rule, role) for rule, person, role in page.alerts if _is(world, person, number)]
            if STEWARD in page.user.roles and page.path in ("/reviews", "/reviews?closed=1", "/review"):
                about.append(("MR", STEWARD))
            consents = world.flock.people[number].consents
            if not any(world.licence.may_read(origins, role, rule, consents) for rule, role in about):
                one = min(f"{o.path} of {o.party}" for o in origins)
                yield f"{page.user.id} reads {one} on {page.path}"


def _is(world: World, person_id: str, number: int) -> bool:
    return person_id in world.people and world.people[person_id].number == number


@pytest.mark.postgres
def test_pages_show_each_user_what_their_roles_may_read(world: World, module_database: str) -> None:
    journal = console.project(world, module_database)
    try:
        seen = list(console.pages(world, journal))
    finally:
        journal.close()
    assert len({page.user.id for page in seen}) >= 30
    assert {"/alerts", "/person", "/review", "/not mine", "/"} <= {page.path for page in seen}
    assert not sorted(set(leaks_of_pages(world, iter(seen))))


def test_logs_and_metrics_of_all_that_hold_no_value(world: World) -> None:
    """Runs after the doors and the pages: their lines are among those searched."""
    telemetry.log().warning("unknown", value=world.flock.people[0].values["family_name"])
    assert "refused_log" in world.logged.getvalue()
    assert not world.unlicensed(world.logged.getvalue().encode())
    assert not world.unlicensed(telemetry.metrics().text())


# The test itself under test


def test_where_nothing_is_licensed_every_shown_value_is_a_leak(
    world: World, alerts: list[Fact], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Licence, "shows", lambda *_: frozenset())
    about = [fact for fact in alerts if fact.fields["person_id"] in world.people]
    showing = [fact for fact in about if _paths(world, json.dumps(_views(fact), default=str).encode())]
    assert len(showing) > 100 and all(any(leaks_of_alerts(world, [fact])) for fact in showing)


def test_a_file_server_that_repeats_a_path_is_caught(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = PartyFolders._local

    def repeating(self: PartyFolders, path: bytes) -> Path:
        try:
            return before(self, path)
        except asyncssh.SFTPError:
            raise asyncssh.SFTPPermissionDenied(f"{path.decode()} is not allowed") from None

    monkeypatch.setattr(PartyFolders, "_local", repeating)
    assert any(world.unlicensed(blob) for _, blob in server_answers(world.flock, tmp_path))


def test_a_list_of_refusals_that_repeats_what_was_sent_is_caught(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = world.flock.people[1].values["family_name"]
    before = desk.turned_away
    monkeypatch.setattr(desk, "turned_away", lambda *given: {**before(*given), "sent": {"family_name": name}})
    told = http_answers(world.flock, tmp_path / "contracts")
    assert any(world.unlicensed(blob) for kind, blob in told if kind == "http /v1/refusals")


def test_a_gate_that_passes_one_withheld_field_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = disclosure._identity

    def passing(eyes: Any, name: str) -> Iterator[disclosure.Line]:
        yield from before(eyes, name)
        for subject, _ in eyes.subjects():
            if subject.fields.get("phone") and "contact" not in eyes.mask:
                yield disclosure.Line("Phone", subject.fields["phone"], "contact")

    monkeypatch.setattr(disclosure, "_identity", passing)
    assert any("subject.phone" in leak for leak in sweep(world))


def test_a_gate_that_forgets_consent_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consent, "allowed", lambda case, purpose: True)
    assert next(sweep(world), "")


def test_a_gate_that_forgets_the_agreement_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def whole(self: Any, fact: Any, *rest: Any) -> sharing.Readable:
        items = self.items.get((fact.source, fact.type, fact.agreement.partition("@")[0]), {})
        return sharing.Readable("all", frozenset(items.values()) | {"status"}, items)

    monkeypatch.setattr(sharing.Compiled, "readable", whole)
    assert next(sweep(world), "")


def test_an_alert_that_reaches_a_wrong_role_is_caught(world: World, alerts: list[Fact]) -> None:
    """The view of a social worker, put on the page of a careers lead."""
    fact = next(f for f in alerts if any(r["role"] == "social-worker" for r in f.fields["recipients"]))
    (view, *_) = (r["view"] for r in fact.fields["recipients"] if r["role"] == "social-worker")
    moved = replace(fact, fields={**fact.fields, "recipients": [{"role": "school-careers-lead", "view": view}]})
    assert list(leaks_of_alerts(world, [moved]))


@pytest.mark.parametrize(
    "disguise",
    [
        lambda t: t.encode(),
        lambda t: t.upper().encode(),
        lambda t: b"xx" + base64.b64encode(f"name={t};".encode()),
        lambda t: base64.urlsafe_b64encode(f"is {t}".encode()),
        lambda t: urllib.parse.quote(t, safe="").encode(),
        lambda t: "".join(f"&#{ord(c)};" for c in t).encode(),
        lambda t: html.escape(f"<{t}>").encode(),
        lambda t: t.encode().hex().encode(),
    ],
)
@pytest.mark.parametrize("path", ["subject.family_name", "subject.email", "subject.other_names", "subject.nhs_number"])
def test_a_value_is_found_in_any_disguise(world: World, disguise: Any, path: str) -> None:
    assert path in _paths(world, b"before " + disguise(_one(world.flock, path)) + b" after")


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%-d %B %Y", "%-d %b %Y", "%d/%m/%Y", "%Y%m%d"])
def test_a_day_is_found_in_any_form(world: World, form: str) -> None:
    born = world.flock.people[3].values["date_of_birth"]
    blob = f"born on {date.fromisoformat(born).strftime(form)}, they say".encode()
    assert "subject.date_of_birth" in _paths(world, blob)


def _one(flock: Flock, path: str) -> str:
    """A value of a field as it was sent."""
    part, _, name = path.partition(".")
    for person in flock.people:
        for event in person.events:
            value = event["data"][part].get(name)
            if value:
                return str(value[0] if isinstance(value, list) else value)
    raise AssertionError(f"nobody sent {path}")


def test_a_logged_value_is_caught(world: World) -> None:
    """A value under a key that the catalogue of log events allows."""
    out = io.StringIO()
    telemetry.setup("canaries", out=out)
    telemetry.log().critical("failed", error=world.flock.people[5].values["given_name"], at="somewhere")
    telemetry.setup("canaries", out=world.logged)
    assert world.unlicensed(out.getvalue().encode())


def test_a_value_kept_in_a_refusal_is_caught(world: World) -> None:
    fault = {"pointer": "/data/subject/nino", "message": f"{_one(world.flock, 'subject.nino')} is no number"}
    assert world.unlicensed(json.dumps(fault).encode())
