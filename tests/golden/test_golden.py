"""Recorded people are decided as they were: a change of behaviour is seen as a diff before anybody meets it."""

from __future__ import annotations

import pytest

from tests.golden.history import SERVICES, STORIES, Block, decided, files, first_difference, read, written


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("story", STORIES)
def test_every_decision_on_a_recorded_input_is_as_it_was(story: str, service: str) -> None:
    inputs, decisions = files(story, service)
    now = decided(service, inputs.read_text("utf-8").splitlines())
    found = first_difference(read(decisions.read_text("utf-8")), now)
    assert not found, f"{story}, {service}: {found}\nIf it is meant: python -m tests.golden.remake, and see the diff."


def test_the_first_decision_that_differs_is_named_field_by_field() -> None:
    was = [
        Block(3, "tick", {"state": "a"}),
        Block(7, "observed", {"1 due_on": "x", "1 rule": "A01"}),
        Block(9, "t", {}),
    ]
    now = [was[0], Block(7, "observed", {"1 due_on": "y", "1 rule": "A01", "1 to": "z"}), Block(8, "t", {})]
    assert read(written(was)) == was
    assert first_difference(was, was) == ""
    assert first_difference(was, now).splitlines() == [
        "decision #7 (observed) is another one:",
        "  1 due_on: was x, is y",
        "  1 to: was not there, is z",
    ]
    assert "#9 (t) did something, and does nothing now" in first_difference(was, was[:2])
    assert "#8 (t) did nothing, and does something now" in first_difference(was[:2], [*was[:2], now[2]])
