"""What a verification finds: each fault with the file, the leaf, the service and the place that it is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from spine.ledger.checkpoint import Checkpoint, SignedCheckpoint, Verifier
from spine.ledger.tree import Frontier

FAULTS_MAX = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as the ledger says. Empty where it does not apply."""

    what: str
    file: str = ""
    tree: str = ""
    leaf: int | None = None
    place: str = ""

    def __str__(self) -> str:
        leaf = "" if self.leaf is None else f"leaf {self.leaf}"
        return ": ".join(part for part in (self.file, self.tree, leaf, self.place, self.what) if part)


#: Numbers looked at between two words of it.
AT_ONCE = 10_000
#: What `hub verify` looks at, in order.
STEPS = ("decisions", "records", "database")


@dataclass(slots=True)
class Found:
    """Faults in the order in which they were found, and how much was looked at."""

    faults: list[Fault] = field(default_factory=list)
    leaves: int = 0
    records: int = 0
    files: int = 0
    rows: int = 0
    checkpoints: int = 0
    cosignatures: int = 0
    #: Called with the number of leaves, records or rows just looked at.
    advance: Callable[[int], None] = lambda count: None
    #: Called when a step begins: its name, its number, and how many it will look at.
    step: Callable[[str, int, int], None] = lambda name, number, expected: None

    def fault(self, what: str, *, file: str = "", tree: str = "", leaf: int | None = None, place: str = "") -> None:
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(Fault(what, file, tree, leaf, place))


@dataclass(slots=True)
class Known:
    """What was gathered on the way: signed checkpoints by tree, files by hash, hashes of leaves and of inputs."""

    verifiers: list[Verifier]
    points: dict[str, dict[int, Checkpoint]] = field(default_factory=dict)
    notes: dict[tuple[str, int], SignedCheckpoint] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    #: Files whose bytes are not those that the ledger holds.
    altered: set[str] = field(default_factory=set)
    leaves: dict[str, bytearray] = field(default_factory=dict)
    grown: dict[str, Frontier] = field(default_factory=dict)
    links: dict[str, dict[tuple[str, int], tuple[int, bytes]]] = field(default_factory=dict)
    inputs: dict[tuple[str, int], tuple[int, bytearray]] = field(default_factory=dict)

    def tree_of(self, origin: str) -> str:
        return origin.rpartition("/")[2]


def take_leaves(found: Found, known: Known, tree: str, frontier: Frontier, hashes: list[bytes]) -> bool:
    """Grow the tree by ``hashes``, stopping at each checkpoint to compare its root. False at the first that differs."""
    points, begin, at = known.points.get(tree, {}), frontier.size, 0
    end = begin + len(hashes)
    for size in sorted(size for size in points if begin < size <= end):
        good = frontier.size
        frontier.add(hashes[at : size - begin])
        at = size - begin
        if frontier.root() != points[size].root:
            good = max((s for s in points if s < size), default=good)
            found.fault(
                f"the leaves {good} to {size - 1} are not those under the checkpoint of {size}", tree=tree, leaf=good
            )
            return False
    frontier.add(hashes[at:])
    return True
