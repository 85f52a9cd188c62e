"""The demo's college: it sends what it has to say of enrolments as a nightly file, through its drop folder."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hub.feed import FeedError
from hub.sample.as_file import as_csv, carries
from hub.sample.mess import Line
from services.ingest.channels.files.mapping import FileRule, load_mappings
from services.ingest.channels.files.places import PRIVATE, SIMULATED
from services.ingest.fields import type_specs
from spine.schema import Catalogue

COLLEGE = "northvale-college"
ANSWER_SECONDS_MAX = 60
PAUSE_SECONDS = 0.02
ROWS_TOLD = ("rows", "rows_accepted", "rows_refused", "events_repeated")


@dataclass(slots=True)
class Drop:
    """One kind of file of one party, under the root of the drop folders."""

    root: Path
    rule: FileRule
    _waiting: list[Path] = field(default_factory=list)
    delivered: int = 0

    @classmethod
    def of_college(cls, root: Path, contracts: Path, catalogue: Catalogue) -> Drop:
        (rule, *_) = load_mappings(contracts, type_specs(catalogue.sources))[COLLEGE].files
        return cls(root, rule)

    @property
    def _out(self) -> Path:
        return self.root / self.rule.party / "out"

    def takes(self, line: Line) -> bool:
        return carries(self.rule, line)

    def put(self, lines: Sequence[Line], *, simulate: bool = False) -> None:
        """Lay one file with ``lines`` into the folder, whole at once. Nothing for no lines.

        With ``simulate`` the door is told to take it as come when the last of the lines was.
        """
        if not lines:
            return
        at = lines[-1].received_at
        for folder in (self.root / PRIVATE, self.root / self.rule.party / "in"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if simulate:
            (self.root / PRIVATE / SIMULATED).write_text(at.isoformat())
        path = self.root / self.rule.party / "in" / self.rule.pattern.replace("*", f"{at:%Y%m%d}")
        beside = path.with_name(f"{path.name}.part")
        beside.write_bytes(as_csv(self.rule, lines))
        beside.rename(path)
        self._waiting.append(path)
        self.delivered += 1

    def wait(self, halted: Callable[[], Sequence[str]]) -> None:
        """Return when every file has been read to its end. Raises FeedError."""
        end = time.monotonic() + ANSWER_SECONDS_MAX
        while self._waiting:
            self._waiting = [path for path in self._waiting if path.exists()]
            if self._waiting and (time.monotonic() > end or halted()):
                raise FeedError(f"{self._waiting[0].name} lies in the drop folder and is not read")
            time.sleep(PAUSE_SECONDS if self._waiting else 0)

    def came_of_it(self) -> tuple[Counter[str], Counter[str]]:
        """Files by state and rows by outcome, as the partner reads it in its answers."""
        answers = [json.loads(path.read_text()) for path in sorted(self._out.glob("*.summary.json"))]
        files = Counter(str(answer["state"]) for answer in answers)
        files["unanswered"] = self.delivered - len(answers)
        return +files, Counter({name: sum(answer.get(name, 0) for answer in answers) for name in ROWS_TOLD})

    def feedback(self) -> Path | None:
        """The longest feedback file: the one worth looking at."""
        return max(self._out.glob("*.feedback.csv"), key=lambda path: path.stat().st_size, default=None)
