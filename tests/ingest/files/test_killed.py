"""The door is killed, for good, at every step between reading a file and forgetting it, and starts again next day."""

from __future__ import annotations

import os
import pickle
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.ingest.channels.files import batch
from services.ingest.channels.files.batch import FilesDoor
from services.ingest.channels.files.folder import Folder
from services.ingest.channels.files.ledger import Ledger
from services.ingest.channels.files.mapping import PartyMapping
from services.ingest.door import Door
from services.ingest.gate import Gate
from spine.record import Outgoing
from spine.schema import Catalogue
from spine.seal import Sealer
from tests.ingest.files.conftest import COLLEGE, ENROLLED, INCLUSION, LEFT, csv_text, nccis, registered

DAY = datetime(2025, 11, 24, 8, 5, tzinfo=UTC)
STEPS_MAX = 400
WRAPPED = (
    (Ledger, "note"),
    (Ledger, "note_told"),
    (Ledger, "see"),
    (Ledger, "be_present"),
    (os, "replace"),
    (os, "rename"),
    (os, "fsync"),
    (Path, "unlink"),
    (Path, "rmdir"),
)


class World:
    """One party's folder on a disk that outlives the process, and a log in a file."""

    def __init__(self, root: Path, mapping: PartyMapping, gate: Gate, catalogue: Catalogue) -> None:
        self.root, self._mapping, self._gate, self._catalogue = root, mapping, gate, catalogue
        self._log = root.parent / f"{root.name}.log"

    @property
    def party(self) -> str:
        return self._mapping.party

    def work(self, at: datetime, step: Callable[[], None] = lambda: None, seconds: float = 61) -> None:
        """A door that starts, and looks until what lies there is read, or ``seconds`` have gone."""
        ticking = [0.0]

        def append(records: Sequence[Outgoing]) -> None:
            step()
            with self._log.open("ab", buffering=0) as stream:
                stream.write(b"".join(pickle.dumps(record.event_id) for record in records))
            step()

        door = FilesDoor(Door(Sealer(bytes(32)), self._catalogue), self._gate, append, lambda: at)
        folder = Folder(self.root, self._mapping, door, lambda: ticking[0])
        for _ in range(2):
            folder.round()
            ticking[0] += seconds

    def put(self, name: str, content: bytes) -> None:
        path = self.root / self.party / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.with_name(f"{name}.done").touch()

    def ids(self) -> list[str]:
        found: list[str] = []
        with self._log.open("rb") as stream:
            while stream.peek(1):
                found.append(pickle.load(stream))
        return found

    def answers(self) -> Mapping[str, bytes]:
        out = self.root / self.party / "out"
        return {path.name: path.read_bytes() for path in out.iterdir() if not path.name.startswith(".")}

    def lying(self) -> list[str]:
        return [path.name for path in (self.root / self.party / "in").glob("*.[cx]*")]


def killed(world: World, after: int, seconds: float = 61) -> bool:
    """Work in a process of its own that kills itself at step ``after``; False if it had fewer."""
    pid = os.fork()
    if pid == 0:
        steps = [0]

        def step() -> None:
            steps[0] += 1
            if steps[0] == after:
                os.kill(os.getpid(), signal.SIGKILL)

        for owner, name in WRAPPED:
            setattr(owner, name, _stepping(getattr(owner, name), step))
        try:
            world.work(DAY, step, seconds)
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def _stepping(real: Callable[..., Any], step: Callable[[], None]) -> Callable[..., Any]:
    def stepping(*given: Any, **named: Any) -> Any:
        step()
        done = real(*given, **named)
        step()
        return done

    return stepping


def college() -> bytes:
    people = [{**ENROLLED, "Learner Ref": f"P{n:06}", "ULN": ""} for n in range(7)]
    damaged, too_old = {**LEFT, "ULN": "7E+09"}, {**ENROLLED, "Date of Birth": "14/03/1969"}
    return csv_text([*people, people[0], damaged, too_old, {**LEFT, "ULN": ""}]).encode()


def extract(numbers: range, moved: frozenset[int] = frozenset()) -> bytes:
    return nccis([registered(n, **({"Postcode": "NS9 9ZZ"} if n in moved else {})) for n in numbers])


def prepared(world: World) -> None:
    if world.party == COLLEGE:
        world.put("NVC_ENROL_1.csv", college())
        return
    world.put("NCCIS_a.xml", extract(range(9)))
    world.work(DAY - timedelta(days=1))
    world.put("NCCIS_b.xml", extract(range(10), frozenset({2, 5, 8})))


@pytest.mark.timeout(170)
@pytest.mark.parametrize("party", [COLLEGE, INCLUSION])
def test_killed_at_any_step_no_row_is_lost_none_is_said_under_two_ids_and_the_answers_are_whole(
    mappings: Mapping[str, PartyMapping],
    gate: Gate,
    catalogue: Catalogue,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    party: str,
) -> None:
    monkeypatch.setattr(batch, "CHUNK_ROWS", 4)

    def world(name: str) -> World:
        made = World(tmp_path / name, mappings[party], gate, catalogue)
        prepared(made)
        return made

    # What comes of it without a kill, on the day, and on the next: nothing had been sent yet when it was killed.
    undisturbed = []
    for days in (0, 1):
        calm = world(f"calm{days}")
        calm.work(DAY + timedelta(days=days))
        assert max(Counter(calm.ids()).values()) == 1
        undisturbed.append((sorted(calm.ids()), calm.answers()))
    for after in range(1, STEPS_MAX):
        torn = world(f"torn{after}")
        if not killed(torn, after):
            assert after > 30, "the steps are counted"
            break
        torn.work(DAY + timedelta(days=1))
        assert torn.lying() == [], after
        ids, answers = next(calm for calm in undisturbed if calm[0] == sorted(set(torn.ids())))
        told = {name for name in answers if not name.endswith(".summary.json")}
        assert {name: torn.answers()[name] for name in told} == {name: answers[name] for name in told}, after
        assert torn.answers().keys() == answers.keys() and ids
    else:
        raise AssertionError("more steps than were looked at")


@pytest.mark.parametrize(
    ("party", "name", "content"),
    [(COLLEGE, "NVC_ENROL_1.csv.part", b"half"), (COLLEGE, "NVC_ENROL_1.csv", b"no,such,heading\r\n1,2,3\r\n")],
)
def test_killed_at_any_step_a_sender_is_told_what_is_wrong_with_the_upload_or_the_file(
    mappings: Mapping[str, PartyMapping],
    gate: Gate,
    catalogue: Catalogue,
    tmp_path: Path,
    party: str,
    name: str,
    content: bytes,
) -> None:
    def world(folder: str) -> World:
        made = World(tmp_path / folder, mappings[party], gate, catalogue)
        made.put(name, content)
        return made

    calm = world("calm")
    calm.work(DAY, seconds=4_000)
    told = calm.answers()
    assert told
    for after in range(1, STEPS_MAX):
        torn = world(f"torn{after}")
        if not killed(torn, after, 4_000):
            assert after > 6, "the steps are counted"
            return
        # The name of a report tells one upload from another: by its inode, among others.
        torn.work(DAY, seconds=4_000)
        kinds = sorted(path.rpartition(".")[0].rpartition(".")[2] for path in torn.answers())
        assert kinds == sorted(path.rpartition(".")[0].rpartition(".")[2] for path in told), after
        assert sorted(torn.answers().values()) == sorted(told.values()), after
    raise AssertionError("more steps than were looked at")
