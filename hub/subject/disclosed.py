"""Who was shown what of whom, when, under which agreement: read from the acts on the log, without values. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from hub.subject.books import Books, Told
from services.ingest.channels.files.feedback import safe_cell

SEALED = "sealed: the person was erased"
#: The view keeps back an agreement whose name says which service knows the person (services/alerts/sight.py).
UNNAMED = "not named to the recipient"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One recipient, shown one act of one alert. ``given``: label and category of each line; never a value."""

    at: datetime
    person_id: str
    alert_id: str
    rule: str
    act: str
    role: str
    team: str
    worker: str
    given: tuple[str, ...]
    withheld: tuple[str, ...]
    agreements: tuple[str, ...]
    policy: str
    pulled_back: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which are meant; empty means any. ``recipient``: a role, a team or a worker. ``until`` is not among them.

    With an agreement, those whose agreement was not named to the recipient are among them: rather one too many.
    """

    person: str = ""
    recipient: str = ""
    agreement: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, one: Disclosure) -> bool:
        names = {name.partition("@")[0] for name in one.agreements} | set(one.agreements)
        return (
            self.recipient in ("", one.role, one.team, one.worker)
            and (not self.agreement or self.agreement in names or UNNAMED in names)
            and (self.since is None or one.at >= self.since)
            and (self.until is None or one.at < self.until)
        )


def disclosures(books: Books, chosen: Chosen) -> list[Disclosure]:
    """In order of time. Raises Retry where the broker gives less than it holds."""
    told = books.of_key("alerts", chosen.person) if chosen.person else books.whole("alerts")
    found = (one for fact in told for one in _of(fact))
    return sorted(filter(chosen.takes, found), key=lambda d: (d.at, d.alert_id, d.role, d.team, d.worker))


def _of(told: Told) -> Iterator[Disclosure]:
    act = told.fact.fields
    if told.fact.kind != "alert.v1" or act["test"]:
        return
    about = (act["at"], act["person_id"], act["alert_id"], act["rule"], act["act"])
    if told.erased:
        yield Disclosure(*about, "", "", "", (SEALED,), (), (), "")
        return
    for one in act["recipients"]:
        yield Disclosure(*about, one["role"], one["team"] or "", one["worker"] or "", *_view(one))


def _view(one: Mapping[str, Any]) -> tuple[Any, ...]:
    view = one["view"]
    given = [f"{line['label']} ({line['category']})" for line in view["lines"]]
    given += ["Status over time (status)"] if view["timeline"] else []
    withheld = tuple(f"{held['what']}: {held['why']}" for held in view["withheld"])
    agreements = tuple(view["agreements"]) or ((UNNAMED,) if given else ())
    return (tuple(given), withheld, agreements, view["policy"], bool(one.get("gone")))


def row(one: Any) -> dict[str, str]:
    """Any flat dataclass as text, for tables and CSV."""
    return {named.name: _text(getattr(one, named.name)) for named in fields(one)}


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, tuple):
        return "; ".join(value)
    return str(value)


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Cells that a spreadsheet would run as a formula are disarmed."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: safe_cell(one[name]) for name in columns} for one in rows)
    return out.getvalue()
