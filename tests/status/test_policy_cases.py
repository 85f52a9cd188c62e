"""The cases in ``cases/`` hold: one file per part of POLICY section 3, written for people who know the field.

``facts``: what agencies said: ``at`` (day of receipt), ``of`` (agency), ``is`` (event type, or a short word for it),
``day`` (effective day), and the fields of the event. ``then``: what must be held at the end of ``until``: all of it for
``timeline`` and ``episodes``; ``days``, ``marks`` and ``waits`` list only what they ask.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from told import cases, moment, state_of

from services.status import believed, episodes, timeline, view
from services.status.days import end_date, to_date


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in cases()])
def test_policy_case(case: dict[str, Any]) -> None:
    state, until = state_of(case), date.fromisoformat(str(case["until"]))
    end = moment(f"{until}T23:59:59Z")
    then = case["then"]
    if "timeline" in then:
        got = [(str(a), b and str(b), code) for a, b, code in timeline(state, end, until)]
        assert got == [(str(a), b and str(b), str(code)) for a, b, code in then["timeline"]]
    if "episodes" in then:
        spells = [(str(a), b and str(b), n) for a, b, n in episodes(state, end, until)]
        assert spells == [(str(a), b and str(b), n) for a, b, n in then["episodes"]]
    for row in then.get("days", []):
        known = moment(row["known_at"]) if "known_at" in row else end
        seen = view(state, known, date.fromisoformat(str(row["day"])))
        flat = {**seen["flags"], **{k: v for k, v in seen.items() if k != "flags"}}
        for word, value in row.items():
            if word not in ("day", "known_at", "plan"):
                assert flat[word] == value, (row, flat[word])
        for word, value in (row.get("plan") or {}).items():
            have = seen["plan"][word]
            assert (str(have) if isinstance(have, date) else have) == (
                str(value) if isinstance(value, date) else value
            ), row
    for name, want in (then.get("marks") or {}).items():
        marks = [(to_date(m.start), end_date(m.end)) for m in believed(state, end).marks if m.name == name]
        assert [(str(a), b and str(b)) for a, b in marks] == [(str(a), b and str(b)) for a, b in want], name
    for want_wait in then.get("waits") or []:
        waits = [{"last": str(to_date(w.last)), "by": w.ended_by, "code": w.code} for w in believed(state, end).waits]
        assert any({k: str(v) for k, v in want_wait.items()}.items() <= wait.items() for wait in waits), waits
