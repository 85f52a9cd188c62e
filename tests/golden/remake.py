"""``python -m tests.golden.remake [--record]``: write the golden histories anew, and print what changed.

Without ``--record`` the recorded inputs stay and only the decisions are made again: what a change of code or policy
changes. With it the stories are played anew through the whole hub first: for a new story, or another form of facts.
Exit 0 if nothing changed, 1 if something did.
"""

from __future__ import annotations

import argparse
import base64
import difflib
import json
from collections.abc import Iterator
from datetime import timedelta

from hub.inprocess import InProcessHub
from hub.story import play, read_story
from spine.step import TICK
from tests.golden.history import CONTRACTS, ROOT, SCHEMAS, SERVICES, STORIES, decided, files, written


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="play the stories again for new inputs")
    asked = parser.parse_args()
    changed = 0
    for story in STORIES:
        if asked.record:
            _record(story)
        for service in SERVICES:
            inputs, decisions = files(story, service)
            was = decisions.read_text("utf-8") if decisions.exists() else ""
            now = written(decided(service, inputs.read_text("utf-8").splitlines()))
            decisions.write_text(now, "utf-8")
            changed += was != now
            for line in difflib.unified_diff(was.splitlines(), now.splitlines(), "was", decisions.name, lineterm=""):
                print(line)
    print(f"{changed} of {len(STORIES) * len(SERVICES)} histories changed")
    return 1 if changed else 0


def _record(story: str) -> None:
    told = play(read_story(ROOT / "tests" / "stories" / f"{story}.yaml"), CONTRACTS, SCHEMAS, partitions=1)
    for service in SERVICES:
        lines = _lines(told.hub, told.hub.processor(service).topic)
        files(story, service)[0].write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")


def _lines(hub: InProcessHub, topic: str) -> Iterator[list[str]]:
    days: list[str] = []
    last = None
    for record in hub.log.read({(topic, 0): 0}, hub.log.end((topic, 0)), 0):
        opened = hub.catalogue.unframe(record.value)
        assert opened is not None
        kind, body = opened
        if kind == TICK:
            on = hub.catalogue.decode(kind, body)["on"]
            if days and last is not None and on != last + timedelta(days=1):
                yield days
                days = []
            last, days = on, [days[0] if days else str(on), str(on)]
            continue
        if days:
            yield days
            days = []
        yield [kind, record.key, base64.b64encode(body).decode()]
    if days:
        yield days


if __name__ == "__main__":
    raise SystemExit(main())
