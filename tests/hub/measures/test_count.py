"""A small county, counted by hand."""

from dataclasses import replace
from datetime import date

from hub.measures.command import month_ends
from hub.measures.count import Settings, Tally, add, annual, lines, which
from hub.measures.picture import page
from services.alerts.state import Seen
from services.alerts.state import State as Alerts
from services.status.belief import Belief
from services.status.characteristics import Mark
from services.status.days import FOREVER
from services.status.spans import Layer

ON = date(2026, 11, 30)
SETTINGS = Settings(5, frozenset({16, 17}), ("care_leaver", "yj_open"))


def somebody(code: str, born: date = date(2009, 12, 1), mark: str = "") -> Belief:
    marks = (Mark(1, FOREVER, mark),) if mark else ()
    return Belief(born.toordinal(), (Layer(1, FOREVER, code),), (), marks, (), ())


def county(*told: tuple[int, Belief]) -> Tally:
    tally = Tally(ON, month_ends(ON))
    for times, one in told:
        for _ in range(times):
            add(tally, one, Alerts("p"), 1 << 60, SETTINGS)
    return tally


def rate(tally: Tally, measure: str, breakdown: str = "all", part: str = "all") -> tuple[int | None, int | None]:
    return next(
        (x.numerator, x.denominator)
        for x in lines(tally, SETTINGS)
        if (x.measure, x.breakdown, x.part) == (measure, breakdown, part)
    )


def test_neet_not_known_and_combined_share_one_denominator_without_young_adult_custody() -> None:
    tally = county((6, somebody("619")), (5, somebody("810")), (89, somebody("230")), (9, somebody("710")))
    assert rate(tally, "neet") == (6, 100)
    assert rate(tally, "not_known") == (5, 100)
    assert rate(tally, "combined") == (11, 100)
    assert rate(tally, "known") == (95, 100)


def test_who_died_or_moved_abroad_for_good_is_in_no_denominator() -> None:
    left = replace(somebody("230"), timeline=(Layer(1, ON.toordinal() - 1, "230"),))
    tally = county((7, left), (90, somebody("230")))
    assert rate(tally, "known") == (90, 90)


def test_an_agreed_start_is_neet_and_voluntary_work_with_study_is_not() -> None:
    assert which("615") == which("640") == 0 and which("820") == 1 and which("550") == which("290") == 2


def test_whoever_is_outside_the_ages_is_not_counted() -> None:
    tally = county((10, somebody("619", date(2006, 1, 1))), (10, somebody("230")))
    assert rate(tally, "neet") == (0, 10)


def test_four_people_are_hidden_and_so_is_the_total_that_would_give_them_away() -> None:
    tally = county((4, somebody("619")), (90, somebody("230")))
    assert rate(tally, "neet") == (None, None)


def test_care_leavers_in_higher_education_are_a_share_of_all_care_leavers() -> None:
    older = date(2005, 1, 1)
    tally = county((6, somebody("240", older, "care_leaver")), (44, somebody("619", older, "care_leaver")))
    assert rate(tally, "care_leaver_he") == (6, 50)


def test_the_annual_figure_is_the_average_of_december_january_february() -> None:
    months = {date(2025, 12, 31): [10, 0, 90], date(2026, 1, 31): [20, 0, 80], date(2026, 2, 28): [30, 0, 70]}
    assert annual(months, 5) == (20.0, 0.0)
    del months[date(2026, 1, 31)]
    assert annual(months, 5) == (None, None)


def test_the_page_says_in_words_and_a_table_what_the_picture_shows() -> None:
    tally = county((6, somebody("619")), (94, somebody("230")))
    target = {"measure": "neet", "percent": 3, "direction": "at_most", "strategy": "S"}
    text = page(lines(tally, SETTINGS), [(ON, 6.0)], [target], ON)
    assert "neet 6.0, target 3" in text and "at most 3 %" in text and "<script" not in text


def test_a_group_that_would_tell_of_the_few_in_another_is_hidden() -> None:
    told = (18, somebody("230", mark="care_leaver")), (2, somebody("230", mark="yj_open")), (50, somebody("230"))
    tally = county(*told)
    assert rate(tally, "neet", "vulnerable group", "yj_open") == (None, None)
    assert rate(tally, "neet", "vulnerable group", "care_leaver") == (None, None)
    assert rate(tally, "neet", "any vulnerable group", "yes") == (0, 20)


def test_each_provider_s_leavers_are_in_its_own_row_by_the_latest_enrolment_that_was_known() -> None:
    def started(source: str, on: date, known: int) -> Seen:
        return Seen(source, source, "school", "m", "education.enrolment.started", on, on, known, known)

    tally = Tally(ON, ())
    learnt = Alerts("p", (started("school", date(2024, 9, 2), 1), started("college", date(2026, 9, 2), 5)))
    for known, times in ((9, 6), (3, 7)):
        for _ in range(times):
            add(tally, somebody("619"), learnt, known, SETTINGS)
    for _ in range(8):
        add(tally, somebody("230"), Alerts("p"), 9, SETTINGS)
    assert rate(tally, "neet", "last provider", "college") == (6, 6)
    assert rate(tally, "neet", "last provider", "school") == (7, 7)
    assert rate(tally, "neet", "last provider", "not recorded") == (0, 8)
