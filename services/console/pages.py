"""Templates and the words of the pages. Everything that comes from data is escaped; nothing is marked safe here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2

from services.console.people import role_name
from services.console.project import SAME
from spine.clock import LONDON, WorkingDays

_STEERING = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
FOLDER = Path(__file__).resolve().parent / "templates"

ACTS = {
    "raised": "Raised",
    "updated": "Updated with news",
    "superseded": "Closed: a stronger alert took over",
    "stood_down": "Stood down: its ground ended",
    "retracted": "Retracted: it was not true",
    "resolved": "Resolved",
    "escalated": "Escalated to the manager",
    "acknowledged": "Acknowledged",
    "moved": "Moved to another owner",
    "reopened": "Reopened: the outcome was given by mistake",
    "kept_closed": "Stays closed: its ground has ended since, or another alert of the kind stands",
}
VERBS = {
    "acknowledge": "Acknowledged",
    "outcome": "Outcome",
    "note": "Note",
    "assign": "Handed over",
    "snooze": "Put off",
    "wrong_person": "Wrong person: taken back, and the match is looked at",
    "reopen": "Asked to reopen it",
    "ask_review": "Asked a data steward to look at the match",
}
OUTCOMES = {
    "done": "Done: the young person was helped or contacted",
    "not_needed": "Not needed: nothing had to be done",
    "declined": "Declined: the young person did not want help",
    "wrong_person": "Wrong person: this alert is about somebody else",
}
SEVERITIES = {"P1": "Urgent", "P2": "High", "P3": "Normal", "P4": "Routine"}
DUES = {"overdue": "Overdue", "today": "Up to today", "week": "Within seven days"}
STATES = {"open": "Open", "new": "Open, not acknowledged", "put_off": "Open, put off", "closed": "Closed"}
WITHHELD = {
    "agreement": "no agreement lets us share it with your role",
    "mask": "your role does not see this kind of information",
    "consent": "consent was not given or was withdrawn",
    "choice": "the young person asked us not to share it",
    "source": "whoever told us holds it and may not send it",
}
CATEGORIES = {
    "identity": "Who it is",
    "contact": "How to reach them",
    "education": "Education",
    "attendance": "Attendance",
    "status": "Current activity",
    "neet_reason": "Why they are not in education, employment or training",
    "employment": "Work",
    "benefit": "Benefits",
    "care": "Social care",
    "youth_justice": "Youth justice",
    "health": "Health",
    "pregnancy": "Pregnancy and parenthood",
    "send": "SEND support",
    "housing": "Housing",
    "plan": "Plans and reviews",
}
DELIVERIES = {
    "created": "Waiting to be sent",
    "sending": "Being sent",
    "delivered": "Delivered",
    "failed": "Not delivered, will be tried again",
    "given_up": "Given up",
    "kept": "Left in the inbox alone, as its reader chose",
}
WAYS = {
    "": "As the council set it",
    "at_once": "At once, within working hours",
    "digest": "Once a working day, in a digest",
    "inbox": "Only in the inbox: no message",
}
#: What is missing where a worker cannot be told by a channel.
NO_ADDRESS = {
    "email": "the hub holds no e-mail address of yours",
    "sms": "the hub holds no number of yours",
    "teams": "the hub holds no Teams channel of yours",
}
CHANNELS = {
    **{"inbox": "This inbox", "email": "E-mail", "sms": "Text message"},
    **{"teams": "Microsoft Teams", "webhook": "Your system"},
}
GROUNDS = {
    "worker": "A worker who knows the young person said so",
    "identifier": "An identifier agrees, such as NHS number or ULN",
    "document": "I have seen a document",
    "young_person": "The young person or their family said so",
    "provider": "The organisation that sent the record said so",
}
MEASURES = {
    "neet": "Not in education, employment or training",
    "not_known": "Not known",
    "combined": "Not in education, employment or training, or not known",
    "known": "Destination known",
    "vulnerable_neet": "Vulnerable groups: not in education, employment or training",
    "care_leaver_he": "Care leavers in higher education",
    "care_experienced_eet": "Care-experienced in education, employment or training",
    "yj_ete": "Open youth justice disposal: in education, training or employment",
    "yj_ete_at_end": "Youth justice disposals that ended in education, training or employment",
    "tbag_with_permission": "Pregnant young people and parents who gave permission",
    "ehcp_cease_lawful": "Plans that were ceased lawfully",
    "alerts_sla_met": "Alerts closed by their due date",
    "alerts_retracted": "Alerts that were retracted",
}
AGREEMENTS = {
    "in_force": "In force",
    "ends_soon": "Ends within 60 days",
    "review_due": "In force, review due within 60 days",
    "not_begun": "Not begun",
    "ended": "Ended",
    "suspended": "Suspended",
    "draft": "Draft",
}
FEEDS = {
    "on_time": "On time",
    "late": "Late",
    "paused": "Paused, as announced",
    "never": "Not heard yet",
    "free": "No rhythm agreed",
}
REFUSED = {
    "mended": "Accepted since, under the same id",
    "judged_again": "Refused again since",
    "tried": "Tried again: the gate answers shortly",
    "kept": "The sealed original waits",
    "gone": "Nothing is kept: send it again",
}
SPEAKERS = {"key": "API key", "certificate": "Certificate", "client": "Client of your issuer"}
SPEAKING = {"in_force": "In force", "ends_soon": "Ends within 30 days", "ended": "Ended", "revoked": "Taken back"}
SERVICES = {
    "ingest": "Gate: what is taken in",
    "matching": "Matching: who it is",
    "status": "Status: what is true",
    "alerts": "Alerts: who must know",
    "delivery": "Delivery: telling them",
    "console": "This console",
}
ORDERS = {
    "erase": "Erasure",
    "erasure": "Erasure",
    "retention": "Retention: everybody who is due",
    "redrive": "Redrive",
}
SETTLED = {
    "linked": "the same person",
    "separated": "kept apart",
    "resend": "the sender sent it again, and then it was clear",
}
FIELDS = {
    "given_name": "Given name",
    "family_name": "Family name",
    "other_names": "Other names",
    "date_of_birth": "Date of birth",
    "sex": "Sex",
    "postcode": "Postcode",
    "address_line": "Address",
    "phone": "Phone",
    "email": "E-mail",
    "nhs_number": "NHS number",
    "uln": "ULN",
    "upn": "UPN",
    "nino": "National Insurance number",
    "source_ref": "Reference at the sender",
}
REASONS = {
    "clash": "identifiers disagree",
    "no_support": "name and date of birth agree, and nothing else does",
    "dob_near": "dates of birth differ a little",
    "dob_missing": "no date of birth",
    "two_persons": "two people fit equally well",
    "suggested": "two records may be one person",
    "identifier": "an identifier agrees, and name or date of birth",
    "identifier_only": "an identifier agrees, and name and date of birth do not",
    "another_given_name": "an identifier agrees under another given name, a new one or a twin's",
    "names_born_support": "name, date of birth and something else agree",
    "names_swapped": "date of birth agrees, given and family name stand the other way round",
    "names_inexact": "date of birth agrees, the names only nearly",
    "same_reference": "the sender's own reference is the same",
    "misfiled": "the sender's own reference is the same, and name and date of birth are not",
    "twin": "a brother or sister born on the same day",
    "nothing": "nothing decisive agrees",
    "weighed": "no rule fits, and the comparison as a whole speaks for it",
    "repeated": "an earlier run asked",
}
#: What matching compares, and what comes out.
COMPARED = {
    "given": "Given name",
    "family": "Family name",
    "swapped": "Names",
    "born": "Date of birth",
    "home": "Home",
    "phone": "Phone",
    "email": "E-mail",
    "number": "Identifiers",
    "prior": "Before comparing",
}
GRADES = {
    "exact": "the same",
    "equal": "the same",
    "alias": "one name in two forms",
    "initial": "an initial that fits",
    "similar": "similar, but another name",
    "near": "nearly the same",
    "part": "part of a double name",
    "partly": "the same in part",
    "different": "different",
    "swapped": "in each other's place",
    "address": "the same address",
    "postcode": "the same postcode",
    "door": "the same postcode, another door",
    # The page shows whether hidden values agree, and no more than that.
    "district": "different",
    "agree": "one agrees",
    "clash": "they disagree",
    "prior": "how many others it could be",
}
_HASH = re.compile(r"[0-9a-f]{17,}")
_RULE = re.compile(r"I[0-9]")
_WEIGHED = re.compile(r"([a-z]+):([a-z]+):(-?[0-9]+):(-?[0-9]+)")
FLASHES = {
    "acknowledge": "You acknowledged this alert.",
    "outcome": "Outcome recorded. The alert closes shortly.",
    "note": "Note added.",
    "telling": "Saved. It holds for what comes from now on.",
    "ask_review": "A data steward is asked to look at the match. The alert stands meanwhile.",
    "reopen": "Noted. The alert stands again shortly; if its ground has ended since, the history says so.",
    "snooze": "You put this alert off.",
    "assign": "Handed over. Your colleague is told.",
    "wrong_person": "Noted. The alert is taken back from everybody who got it, and a data steward looks at the match.",
    "acknowledge_all": "You acknowledged the alerts you selected.",
    "snooze_all": "You put off the alerts you selected.",
    "assign_all": "Handed over. Your colleague is told.",
    "covered": "Handed over. Whoever takes them is told.",
    "none_chosen": "Nothing was done: select at least one alert first.",
    "already": "Somebody acknowledged this alert before you.",
    "decided": "Decision sent. The review closes shortly.",
    "undone": "Sent. What hung on the decision follows shortly.",
    "redriven": "Sent before the gate again. What comes of it shows shortly.",
    "redrive_asked": "Noted. It is sent when another person agrees.",
    "redrive_none": "Nothing was sent: nothing of it would be accepted now.",
    "unsure": "Noted that you cannot tell. The review stays open for a colleague.",
}


def day(value: date | str | None) -> str:
    """3 November 2026."""
    if value is None or value == "":
        return ""
    read = date.fromisoformat(value) if isinstance(value, str) else value
    return f"{read.day} {read:%B %Y}"


def moment(value: datetime) -> str:
    """3 November 2026 at 9:05am, London time."""
    local = value.astimezone(LONDON)
    half = "am" if local.hour < 12 else "pm"
    return f"{day(local.date())} at {(local.hour - 1) % 12 + 1}:{local:%M}{half}"


def due_words(due_on: date, today: date, working: WorkingDays) -> str:
    """How far the due day is, in working days."""
    if due_on == today:
        return "due today"
    first, last = sorted((due_on, today))
    count, reached = 0, first
    while reached < last and count < 100:
        reached = working.after(reached, 1)
        count += reached <= last
    many = "over 100" if count >= 100 else str(count)
    unit = "working day" if count == 1 else "working days"
    if due_on < today:
        return f"{many} {unit} overdue" if count else "overdue"
    return f"in {many} {unit}" if count else "before the next working day"


def short(text: str) -> str:
    """With its hashes cut to what tells them apart."""
    return _HASH.sub(lambda found: found[0][:16], text)


def capped(count: int) -> str:
    return "99+" if count > 99 else str(count)


def query(**parts: str | int | bool) -> str:
    """A query string of what is set; starts with a question mark."""
    kept = {name: ("1" if value is True else value) for name, value in parts.items() if value}
    return f"?{urlencode(kept)}" if kept else "?"


def speaks_for(reasons: Sequence[str]) -> str:
    """Why a record may be a known person's, in words; numbers of rules are for the decision record."""
    words = (one for one in reasons if not _RULE.fullmatch(one) and not _WEIGHED.fullmatch(one))
    return ", ".join(dict.fromkeys(REASONS.get(one, one) for one in words))


def weighed(reasons: Sequence[str]) -> list[str]:
    """Each comparison in words with its weights in bits, the weightiest first: each bit doubles the odds."""
    found = [m.groups() for one in reasons if (m := _WEIGHED.fullmatch(one))]
    found.sort(key=lambda row: -max(abs(int(row[2])), abs(int(row[3]))))
    return [
        f"{COMPARED.get(kind, kind)}: {GRADES.get(grade, grade)} "
        f"({int(stranger) / 1000:+.1f} someone else, {int(household) / 1000:+.1f} brother, sister or twin)"
        for kind, grade, stranger, household in found
    ]


def readable(value: Any) -> Any:
    """What a partner typed, without characters that turn the writing direction or steer a terminal."""
    if not isinstance(value, str) or not _STEERING.search(value):
        return value
    # Of the same class: what a macro has escaped already must not be escaped again.
    return type(value)(_STEERING.sub("\N{REPLACEMENT CHARACTER}", value))


def environment() -> jinja2.Environment:
    """Autoescaping throughout. The macros need a chainable undefined outside Flask."""
    loader = jinja2.ChoiceLoader(
        [
            jinja2.FileSystemLoader(FOLDER),
            jinja2.PrefixLoader({"govuk_frontend_jinja": jinja2.PackageLoader("govuk_frontend_jinja")}),
        ]
    )
    made = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=readable,
    )
    made.filters |= {"day": day, "moment": moment, "capped": capped, "role": role_name, "short": short}
    made.filters["speaks_for"] = speaks_for
    made.filters["weighed"] = weighed
    words: Mapping[str, Any] = {
        "ACTS": ACTS,
        "VERBS": VERBS,
        "OUTCOMES": OUTCOMES,
        "SEVERITIES": SEVERITIES,
        "DUES": DUES,
        "STATES": STATES,
        "WITHHELD": WITHHELD,
        "CATEGORIES": CATEGORIES,
        "DELIVERIES": DELIVERIES,
        "CHANNELS": CHANNELS,
        "WAYS": WAYS,
        "NO_ADDRESS": NO_ADDRESS,
        "GROUNDS": GROUNDS,
        "ORDERS": ORDERS,
        "SETTLED": SETTLED,
        "AGREEMENTS": AGREEMENTS,
        "SERVICES": SERVICES,
        "FEEDS": FEEDS,
        "REFUSED": REFUSED,
        "SPEAKERS": SPEAKERS,
        "SPEAKING": SPEAKING,
        "MEASURES": MEASURES,
        "FIELDS": FIELDS,
        "REASONS": REASONS,
        "SAME": SAME,
        "FLASHES": FLASHES,
        "query": query,
    }
    made.globals |= words
    return made
