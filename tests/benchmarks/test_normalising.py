"""What reading one identity block costs, cold (each value for the first time) and warm, in times of merely folding its
values (NFKD, case, words) in the same run.

``BENCH_BESIDE=<another checkout> pytest tests/benchmarks/test_normalising.py -s`` measures that one in the same run,
and gives the ratio.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Check digits, phones, addresses, sounds and keys are read where the bare fold only splits a value into words.
COLD_TIMES_MAX = 12
BLOCKS = 2_000

#: Runs with any checkout: it uses no more than ``identity_of``.
MEASURE = """
import json, statistics, sys, time, unicodedata
from datetime import date
from services.matching.identity import identity_of

blocks = [{**row, "date_of_birth": date.fromisoformat(row["date_of_birth"])} for row in json.load(sys.stdin)]
modules = [module for name, module in sys.modules.items() if name.startswith("services.matching")]
memos = {f for module in modules for f in vars(module).values() if hasattr(f, "cache_clear")}
bare, cold, warm = [], [], []
for block in blocks:
    for memo in memos:
        memo.cache_clear()
    begun = time.thread_time_ns()
    for value in block.values():
        unicodedata.normalize("NFKD", str(value)).casefold().split()
    bare.append(time.thread_time_ns() - begun)
    for times in (cold, warm):
        begun = time.thread_time_ns()
        identity_of(block)
        times.append(time.thread_time_ns() - begun)
print(json.dumps([statistics.median(times) / 1000 for times in (bare, cold, warm)]))
"""


def blocks() -> list[dict[str, str]]:
    """Blocks as agencies fill them, no two alike."""
    rng = random.Random(20261125)
    given, family = ("Aaliyah", "Zoë", "Mohammed Ali", "Anne-Marie", "BEN"), ("O'Connor", "Khan-Reid", "Żak", "SMITH")
    return [
        {
            "given_name": f"{rng.choice(given)} {''.join(rng.choices('aeilmnors', k=5))}",
            "family_name": f"{rng.choice(family)}{''.join(rng.choices('aeilmnors', k=5))}",
            "date_of_birth": f"{rng.randrange(2000, 2012)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}",
            "postcode": f"NS{rng.randrange(1, 30)} {rng.randrange(10)}QT",
            "address_line": f"{n} Mill Road",
            "phone": f"07700 {rng.randrange(100_000, 999_999)}",
            "email": f"e{n}@example.org",
            "upn": "L201900113011",
            "uln": "7000000014",
            "nhs_number": "999 000 0018",
        }
        for n in range(BLOCKS)
    ]


def medians_us(checkout: Path, sent: str) -> tuple[float, float, float]:
    """Bare fold, cold and warm."""
    told = subprocess.run(
        [sys.executable, "-c", MEASURE],
        input=sent,
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=True,
    )
    bare, cold, warm = json.loads(told.stdout)
    return bare, cold, warm


@pytest.mark.long
def test_a_block_is_read_in_a_few_times_of_folding_its_values() -> None:
    sent = json.dumps(blocks())
    bare, cold, warm = medians_us(ROOT, sent)
    print(f"\none identity block, median of CPU time: {cold:.1f} µs cold, {warm:.1f} warm, {bare:.1f} bare fold")
    if beside := os.environ.get("BENCH_BESIDE"):
        _, other_cold, other_warm = medians_us(Path(beside), sent)
        print(
            f"  beside: {other_cold:.1f} and {other_warm:.1f}; ratio {cold / other_cold:.2f}, {warm / other_warm:.2f}"
        )
    assert cold / bare <= COLD_TIMES_MAX
