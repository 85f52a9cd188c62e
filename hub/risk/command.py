"""``hub risk list``: whom a role may want to look at first, with the reasons that the role may read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated

import psycopg
import sqlalchemy as sa
import typer
from ruamel.yaml import YAML

from hub.access import write_down
from hub.held import Held, stored
from hub.layout import contracts_folder
from hub.output import HALTED, USAGE, AsJson, fail, show_json, show_table
from hub.persons import persons
from hub.risk.points import Reason, RiskPolicy, reasons
from hub.running import head_in_force
from services.alerts import settings as alerts_settings
from services.alerts.case import Case
from services.alerts.decide import Settings
from services.alerts.routing import owner_roles
from services.alerts.sight import Sight
from services.alerts.state import Alert, Recipient, State
from spine.clock import local_date, now
from spine.errors import SpineError

app = typer.Typer(help="Risk of dropping out, for triage by people.", no_args_is_help=True)
TRIAGE = "For triage only: look at the reasons. Nothing is decided by points, and no points are no evidence of safety."


@dataclass(frozen=True, slots=True)
class Risk:
    """Somebody with at least one reason that the role may read."""

    person_id: str
    name: str
    points: int
    band: str
    reasons: tuple[Reason, ...]


def risks(held: Held, settings: Settings, policy: RiskPolicy, role: str, today: date) -> list[Risk]:
    """Those whose case the role owns, most points first."""
    found = (one for person in persons(held) for one in _of(person.alerts, settings, policy, role, today))
    return sorted(found, key=lambda risk: (-risk.points, risk.person_id))


def _of(state: State, settings: Settings, policy: RiskPolicy, role: str, today: date) -> Iterator[Risk]:
    case = Case(state, today, settings.policy)
    if role not in owner_roles(case):
        return
    # The gate asks per alert; a list is none, so rows of agreements that are bound to a rule open nothing here.
    none = Alert("", "", "", today, today, "", 0, ())
    eyes = Sight(case, none, Recipient(role), settings.sharing)
    found = reasons(eyes, policy)
    if found:
        name = f"{eyes.of_subject('given_name', 'identity')} {eyes.of_subject('family_name', 'identity')}".strip()
        points = sum(reason.points for reason in found)
        yield Risk(case.state.person_id, name, points, policy.band(points), tuple(found))


def settings_in_force(contracts: Path) -> Settings:
    """Rules of the contracts folder, agreements of the head in force. Raises Retry."""
    held, head = alerts_settings.load(contracts), head_in_force()
    return held if head is None else replace(held, sharing=alerts_settings.under(contracts, head))


@app.callback()
def _risk() -> None:
    """Keep ``list`` a subcommand."""


@app.command("list")
def listed(
    role: Annotated[str, typer.Option(help="Role that reads, such as personal-adviser: the cases that it owns.")],
    least: Annotated[int, typer.Option(help="Only from so many points.", min=1)] = 1,
    as_json: AsJson = False,
) -> None:
    """Young people in EET at risk of dropping out, most points first, with every reason. Triage, never a decision.

    A role sees the cases that it owns, and of each only reasons that mask and agreements let it read. Everybody shown
    is written to the record of access first.

    Exit 0; 2 for wrong usage or settings; 3 if no hub answers.
    """
    contracts = contracts_folder()
    try:
        policy = RiskPolicy.parse(YAML(typ="safe").load(contracts / "policy" / "risk.yaml"))
    except (ValueError, OSError) as error:
        fail(str(error), as_json=as_json, code=USAGE)
    try:
        settings = settings_in_force(contracts)
        if role not in settings.policy.masks.roles:
            known = ", ".join(sorted(settings.policy.masks.roles))
            fail(f"no role is called {role}: one of {known}", as_json=as_json, code=USAGE)
        with stored() as held:
            found = [r for r in risks(held, settings, policy, role, local_date(now())) if r.points >= least]
        write_down("hub risk list", [risk.person_id for risk in found], f"role {role}")
    except SpineError as error:
        fail(f"risk: {error}", as_json=as_json, code=HALTED)
    except (psycopg.OperationalError, sa.exc.SQLAlchemyError) as error:
        # Without its text: a database error can hold values.
        fail(f"risk: no hub answers ({type(error).__name__})", as_json=as_json, code=HALTED)
    if as_json:
        rows = [{"person_id": r.person_id, "name": r.name, "points": r.points, "band": r.band} for r in found]
        told = [[reason._asdict() for reason in risk.reasons] for risk in found]
        people = [row | {"reasons": why} for row, why in zip(rows, told, strict=True)]
        show_json({"note": TRIAGE, "people": people})
        return
    table = [(r.name or r.person_id, r.band, r.points, "; ".join(map(_words, r.reasons))) for r in found]
    show_table(TRIAGE, ("young person", "support", "points", "reasons"), table)


def _words(reason: Reason) -> str:
    return f"{reason.what} ({reason.points}{'' if reason.on is None else f', {reason.on}'})"
