"""``hub returns nccis`` and ``difference``."""

from __future__ import annotations

import calendar
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from ruamel.yaml import YAML

from hub.held import Held, stored
from hub.layout import contracts_folder
from hub.moments import moment
from hub.output import AsJson, fail, show_json, show_table
from hub.persons import persons
from hub.returns import nccis, ssda903
from hub.returns.agreement import Agreement, NotCovered, agreement_for
from hub.returns.frozen import Broken, difference, freeze, frozen
from services.status.agent import policy_of
from services.status.policy import Policy
from services.status.reading import milliseconds
from spine.clock import now
from spine.errors import SpineError

#: Kinds of party at which somebody learns or trains.
PROVIDERS = frozenset({"school", "college", "university", "training-provider"})

app = typer.Typer(help="Returns that leave the hub: frozen, under an agreement.", no_args_is_help=True)


def settings_of(contracts: Path) -> Mapping[str, Any]:
    """contracts/policy/measures.yaml. Raises OSError or ValueError."""
    read = YAML(typ="safe").load(contracts / "policy" / "measures.yaml")
    if not isinstance(read, dict):
        raise ValueError("contracts/policy/measures.yaml must be a mapping")
    return read


def last_day(period: str) -> date:
    """Of a month as 2026-11. Raises ValueError."""
    try:
        first = date.fromisoformat(f"{period}-01")
    except ValueError as error:
        raise ValueError(f"the period {period!r} is not a month: write it as 2026-11") from error
    return first.replace(day=calendar.monthrange(first.year, first.month)[1])


def establishments(contracts: Path) -> Mapping[str, Mapping[str, str]]:
    """Providers of contracts/parties.yaml, with what a return says of them. Raises OSError."""
    parties = YAML(typ="safe").load(contracts / "parties.yaml")["parties"]
    written = {"EstablishmentNumber": "establishment_number", "UKProviderReferenceNumber": "ukprn"}
    return {
        str(name): {"EstablishmentName": str(one["name"])}
        | {element: str(one[key]) for element, key in written.items() if key in one}
        for name, one in parties.items()
        if one["kind"] in PROVIDERS
    }


def make(held: Held, period: str, out: Path, contracts: Path, known_at: datetime | None, at: datetime) -> Any:
    """The frozen return of a period: as it stands, or made now. Raises NotCovered, Broken, ValueError or OSError."""
    folder, on = out / f"nccis-{period}", last_day(period)
    stands = frozen(folder)
    if stands is not None:
        if known_at is not None and stands["known_at"] != known_at.isoformat():
            raise ValueError(
                f"{folder.name} is frozen as known at {stands['known_at']}: corrections go into the next one"
            )
        return stands
    read = settings_of(contracts)
    due = datetime.combine(on + timedelta(days=1 + int(read["freeze_days_after_period"])), time(), UTC)
    known_at = known_at or due
    if known_at > at:
        raise ValueError(f"{period} freezes at {known_at.isoformat()}, which has not come: give an earlier --known")
    covered, policy = agreement_for(contracts, "nccis", known_at.date()), policy_of(contracts)
    last = read["cohort_with_plan_until"]
    settings = nccis.Settings(
        frozenset(read["cohort_ages"]),
        last,
        int(read["review_days_before_lapse"]),
        read["characteristics"],
        read["level_of_need"],
        establishments(contracts),
    )
    known = milliseconds(known_at)
    found = (nccis.row(one, on, known, policy, settings, covered.fields) for one in persons(held))
    rows = [one for one in found if one is not None]
    head = {"DateOfSend": known_at.date().isoformat(), "PeriodEnd": on.isoformat(), "SupplierName": "EET Hub"}
    record = _record("nccis", period, known_at, rows, covered, policy)
    return freeze(folder, {"nccis.csv": nccis.as_csv(rows), "nccis.xml": nccis.as_xml(rows, head)}, record)


def _record(
    name: str, period: str, known_at: datetime, rows: Sequence[object], covered: Agreement, policy: Policy
) -> Mapping[str, Any]:
    return {
        "return": name,
        "period": period,
        "known_at": known_at.isoformat(),
        "rows": len(rows),
        "agreement": covered.name,
        "to": covered.recipient,
        "policy": f"{policy.version} {policy.fingerprint}",
    }


@contextmanager
def _failing(command: str, *, as_json: bool) -> Iterator[None]:
    """1: no agreement covers it, or a frozen return was changed; 2: wrong usage; 3: no hub answers."""
    try:
        yield
    except (NotCovered, Broken) as error:
        fail(f"{command}: {error}", as_json=as_json)
    except (ValueError, OSError, KeyError) as error:
        fail(f"{command}: {error}", as_json=as_json, code=2)
    except SpineError as error:
        fail(f"{command}: {error}", as_json=as_json, code=3)
    except psycopg.OperationalError as error:
        # Without its text: a database error can hold values.
        fail(f"{command}: no hub answers ({type(error).__name__})", as_json=as_json, code=3)


def _told(record: Mapping[str, Any], title: str, *, as_json: bool) -> None:
    if as_json:
        show_json(record)
    else:
        show_table(title, ["what", "is"], [(k, json.dumps(v)) for k, v in record.items()])


@app.command("nccis")
def nccis_command(
    period: Annotated[str, typer.Option(help="Month, as 2026-11.")],
    out: Annotated[Path, typer.Option(help="Folder of the frozen returns; it will hold names.")],
    known: Annotated[
        str | None,
        typer.Option(help="Moment of knowing, in London's time unless it says; default: the period's freeze."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the NCCIS return of a month, once; asked again, it says what stands. XML and CSV.

    Exit 0; 1 if no agreement covers it or a frozen return was changed; 2 for wrong usage; 3 if no hub answers.
    """
    with _failing("returns nccis", as_json=as_json):
        known_at = None if known is None else moment(known)
        with stored() as held:
            record = make(held, period, out, contracts_folder(), known_at, now())
    _told(record, f"NCCIS return of {period}", as_json=as_json)


def make_ssda903(held: Held, year: int, out: Path, contracts: Path, known_at: datetime, at: datetime) -> Any:
    """The frozen extract of the year to 31 March ``year``. Raises as ``make``."""
    folder, first, last = out / f"ssda903-{year}", date(year - 1, 4, 1), date(year, 3, 31)
    stands = frozen(folder)
    if stands is not None:
        return stands
    if known_at > at:
        raise ValueError("--known lies ahead: give a moment that has been")
    read, policy = settings_of(contracts), policy_of(contracts)
    covered, told = agreement_for(contracts, "ssda903", known_at.date()), read["ssda903"]
    window = ssda903.Window(tuple(told["ages"]), int(told["days_before"]), int(told["days_after"]))
    known = milliseconds(known_at)
    rows = [
        row for one in persons(held) for row in ssda903.rows(one, first, last, known, policy, window, covered.fields)
    ]
    record = _record("ssda903", str(year), known_at, rows, covered, policy)
    return freeze(folder, {"ssda903.csv": nccis.as_csv(rows, ssda903.FIELDS)}, record)


@app.command("ssda903")
def ssda903_command(
    year: Annotated[int, typer.Option(help="The year that ends on 31 March of this one.", min=2000, max=2100)],
    out: Annotated[Path, typer.Option(help="Folder of the frozen returns; it will hold personal data.")],
    as_json: AsJson = False,
) -> None:
    """Make the care leavers' extract by what is known now, once; asked again, it says what stands. CSV.

    Exit 0; 1 if no agreement covers it or a frozen return was changed; 2 for wrong usage; 3 if no hub answers.
    """
    at = now()
    with _failing("returns ssda903", as_json=as_json), stored() as held:
        record = make_ssda903(held, year, out, contracts_folder(), at, at)
    _told(record, f"SSDA903 extract of {year}", as_json=as_json)


@app.command("difference")
def difference_command(
    earlier: Annotated[Path, typer.Argument(help="Folder of a frozen return.", exists=True)],
    later: Annotated[Path, typer.Argument(help="Folder of a later one.", exists=True)],
    as_json: AsJson = False,
) -> None:
    """Count what changed between two frozen returns. Exit 0; 1 if one of them is not as it was frozen."""
    try:
        found = difference(earlier, later)
    except (Broken, OSError, KeyError) as error:
        fail(f"returns difference: {error}", as_json=as_json)
    if as_json:
        show_json(found)
    else:
        show_table("Difference", ["what", "count"], [(k, str(v)) for k, v in found.items()])
