"""An explanation over ledger and archive proves that its decisions stand under a signed checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.archive.reading import Archive
from hub.archive.writing import run
from hub.held import stored
from hub.subject.books import stored_books
from hub.subject.chain import explained, found
from hub.subject.explain import verdict
from hub.subject.inclusion import archived_input, decisions_of
from hub.subject.proof import sealed_document
from services.alerts.state import decode
from spine.ledger.checkpoint import Signer
from spine.ledger.sequencer import Ledger
from spine.migrate import migrate_ledger
from tests.subject.conftest import CONTRACTS, SCHEMAS
from tests.subject.stored_hub import StoredHub, flock_of

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
Document = dict[str, Any]


class Stamped:
    """The memory log, with the stamps that the archive's writer asks for."""

    def __init__(self, log: Any) -> None:
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def read_stamped(self, positions: Any, limit: int, wait_ms: int) -> list[tuple[Any, int]]:
        return [(record, record.offset) for record in self._log.read(positions, limit, wait_ms)]


class Archived:
    """One generated person, an alert, and everything in the archive."""

    def __init__(self, url: str, folder: Path) -> None:
        _, (person, *_) = flock_of(1)
        self.hub = StoredHub.on(url)
        self.hub.tell(person)
        self.hub.day(max(event["received_at"] for event in person.events).date() + timedelta(days=10))
        migrate_ledger(url)
        self.archive = Archive(folder)
        log: Any = Stamped(self.hub.hub.log)
        topics = ("submissions", "observations", "attributions", "statuses", "alerts")
        run(self.archive, Ledger(url, Signer.generate(), "northshire.example/hub"), log, self.hub.hub.catalogue, topics)
        with stored(url) as held:
            books = stored_books(held, log, self.hub.hub.catalogue, self.archive)
            bodies = [body for key, body in held.all("alerts") if key == self.hub.person(person.number)]
            (state,) = (decode(body) for body in bodies)
            alert = next(one for one in state.alerts if one.evidence)
            self.document = explained(books, found(books, alert.alert_id), CONTRACTS, AT)


@pytest.fixture(scope="module")
def archived(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Archived:
    return Archived(module_database, tmp_path_factory.mktemp("archive"))


def test_every_decision_of_the_chain_is_proved_to_stand_in_its_tree(archived: Archived) -> None:
    told = verdict(archived.document, CONTRACTS, SCHEMAS)
    proved = [one for one in told if "in the ledger's tree" in one.what]
    assert len(proved) == len(list(decisions_of(archived.document))) > 4
    assert all(one.holds for one in told)


def _path(inclusion: Document) -> None:
    node = inclusion["path"][0]
    inclusion["path"][0] = ("0" if node[0] != "0" else "1") + node[1:]


def _time(inclusion: Document) -> None:
    inclusion["recorded_us"] += 1


def _place(inclusion: Document) -> None:
    inclusion["leaf"] = inclusion["leaf"] ^ 1


def _note(inclusion: Document) -> None:
    inclusion["note"] = "nothing signed\n"


@pytest.mark.parametrize("change", [_path, _time, _place, _note])
def test_a_proof_that_was_touched_proves_nothing(archived: Archived, change: Callable[[Document], None]) -> None:
    changed = copy.deepcopy({name: value for name, value in archived.document.items() if name != "sha256"})
    change(next(decisions_of(changed))["inclusion"])
    broken = [one.what for one in verdict(sealed_document(changed), CONTRACTS, SCHEMAS) if one.holds is False]
    assert len(broken) == 1 and "in the ledger's tree" in broken[0]


def test_what_retention_took_from_the_log_is_read_from_the_archive(archived: Archived) -> None:
    record = archived_input(archived.archive, "statuses", 0, 0)
    (on_log,) = archived.hub.hub.log.read({("statuses", 0): 0}, 1)
    assert record == on_log
    assert archived_input(archived.archive, "statuses", 0, 10_000) is None
