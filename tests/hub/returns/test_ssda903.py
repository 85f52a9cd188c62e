"""The care leavers' extract: who is in it, and what an unheard-of person's activity is."""

from datetime import date
from pathlib import Path

from hub.persons import Person
from hub.returns.ssda903 import FIELDS, Window, rows
from services.alerts.state import State as Alerts
from services.status.agent import policy_of
from services.status.facts import Contact, Seen, State
from services.status.state import State as Status

POLICY = policy_of(Path(__file__).resolve().parents[3] / "contracts")
WINDOW = Window((17, 18, 19, 20, 21), 91, 31)
BORN = date(2008, 6, 15)


def seen(name: str, on: date, data: tuple[object, ...], kind: str = "social-care") -> Seen:
    day = on.toordinal()
    received = (day - date(1970, 1, 1).toordinal()) * 86_400_000
    ident = f"{name}-{day}"
    return Seen(
        day, 0, received, ident, received, None, name, "s", kind, ident, BORN.toordinal(), ident, tuple(data)  # type: ignore[arg-type]
    )  # fmt: skip


LEAVER = seen("care.leaver_status.changed", date(2026, 1, 5), tuple(State("relevant")))
CONTACT = seen("contact.verified", date(2026, 6, 1), tuple(Contact("not_in_eet", "seeking", None, None)))


def of(*facts: Seen) -> list[tuple[str, str, str]]:
    person = Person("p", Status("p", tuple(sorted(facts))), Alerts("p"))
    year = date(2026, 4, 1), date(2027, 3, 31)
    found = rows(person, *year, 1 << 60, POLICY, WINDOW, frozenset(FIELDS))
    return [(row["Age"], row["InTouch"], row["Activity"]) for row in found]


def test_a_care_leaver_is_told_at_the_birthday_of_the_year() -> None:
    assert of(LEAVER, CONTACT) == [("18", "YES", "G5")]


def test_without_a_contact_in_the_window_nobody_is_in_touch() -> None:
    assert of(LEAVER) == [("18", "NO", "0")]


def test_whoever_has_not_left_care_is_not_in_it() -> None:
    assert of(CONTACT) == []
