"""Runs a kit against a door and says where the answers differ from what the kit expects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hub.client import Answer, Client, Receipt
from hub.sandbox.kit import Case, Kit


@dataclass(frozen=True, slots=True)
class Difference:
    """One expectation that was not met."""

    case: str
    what: str
    expected: str
    got: str


def check(kit: Kit, hub: Client, *, wait_seconds: float) -> list[Difference]:
    """Send all cases in order, wait for the receipts, compare. Raises what the client raises."""
    answers = hub.publish([case.event for case in kit.cases], check="none").answers
    ids = [str(case.event["id"]) for case in kit.cases if case.expected.state]
    receipts = hub.wait(ids, seconds=wait_seconds)
    by_name = {case.name: answer for case, answer in zip(kit.cases, answers, strict=True)}
    out: list[Difference] = []
    for case in kit.cases:
        out += _differences(case, by_name, receipts)
    minimised = [case for case in kit.cases if case.expected.dropped]
    for case, verdict in zip(minimised, hub.validate([case.event for case in minimised]), strict=True):
        out += _told(case, "dropped", case.expected.dropped, verdict.dropped)
    return out


def _differences(case: Case, answers: Mapping[str, Answer], receipts: Mapping[str, Receipt]) -> Iterator[Difference]:
    expected, answer = case.expected, answers[case.name]
    yield from _told(case, "status", expected.status, answer.status)
    yield from _told(case, "reason", expected.reason, answer.reason)
    faults = tuple(sorted((fault.pointer, fault.code) for fault in answer.faults))
    yield from _told(case, "faults", tuple(sorted(expected.faults)), faults)
    if expected.same_receipt_as:
        yield from _told(case, "receipt", answers[expected.same_receipt_as].receipt, answer.receipt)
    if expected.state:
        receipt = receipts.get(str(case.event["id"]))
        yield from _told(case, "state", expected.state, receipt.state if receipt else "no receipt")


def _told(case: Case, what: str, expected: object, got: object) -> Iterator[Difference]:
    if expected != got:
        yield Difference(case.name, what, str(expected), str(got))
