"""A sweep that is killed again and again ends complete, with nothing measured twice.

    python scripts/check_resume.py [SWEEP] [--kills 5] [--seed 1] [--store FOLDER]

Runs `grid sweep` on this machine (default: smollm2), kills it with SIGKILL at random moments, and
lets the last run end. Exits 1 with a line for each cell that has not exactly one result, for each
attempt at a cell that had a result before the kill, and where the sweep does not end.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grid
from grid.errors import StoreError

EARLY_EVENTS = 8
"""A kill during the preparations comes after at most so many events."""

MOST_DELAY_S = 2.0
"""A kill comes up to so long after an event, so that it also falls in the midst of work."""


def attempts(store: Path) -> list[tuple[str, str]]:
    """Cell id and status of each attempt in the store; empty where there is none yet."""
    try:
        table = grid.open(str(store)).attempts()
    except StoreError:
        return []
    return list(zip(table["cell_id"].to_pylist(), table["status"].to_pylist(), strict=True))


def start(sweep: str, store: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "grid", "sweep", sweep, "--here", "--json"]
    return subprocess.Popen(
        [*command, "--store", str(store)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run_and_kill(sweep: str, store: Path, chance: random.Random, results: int) -> str:
    """Kill a run when the store holds so many `results`, or, for 0, after one of its first events;
    then after a random delay. Says when it was. A run that ends before says so."""
    process = start(sweep, store)
    assert process.stdout is not None
    first, number, line = chance.randint(1, EARLY_EVENTS), 0, ""
    for number, line in enumerate(process.stdout, start=1):  # noqa: B007
        if len(attempts(store)) >= results if results else number >= first:
            break
    time.sleep(chance.uniform(0, MOST_DELAY_S))
    ended = process.poll() is not None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    name = json.loads(line).get("event", "?") if line.strip() else "nothing"
    return "it had ended" if ended else f"killed after event {number}, {name}"


def problems(sweep: str, store: Path, kills: int, seed: int) -> Iterator[str]:
    """Each broken promise in a line."""
    chance, finished = random.Random(seed), Counter[str]()
    for kill in range(kills):  # the first one during the preparations
        results = len(attempts(store)) + chance.randint(1, 3) if kill else 0
        print(run_and_kill(sweep, store, chance, results), flush=True)
        rows = attempts(store)
        yield from _repeated(rows, finished)
        finished = Counter(cell for cell, status in rows if status == "ok")
        print(f"  {len(finished)} cells have a result", flush=True)
    last = start(sweep, store)
    output, errors = last.communicate()
    if last.returncode:
        yield f"the last run ends with {last.returncode}: {errors.strip()[-300:]}"
        return
    rows = attempts(store)
    yield from _repeated(rows, finished)
    yield from _incomplete(sweep, store, json.loads(output.splitlines()[-1]), rows)


def _repeated(rows: list[tuple[str, str]], finished: Counter[str]) -> Iterator[str]:
    """Cells with a result before that were attempted again."""
    count = Counter(cell for cell, _ in rows)
    for cell in finished:
        if count[cell] > finished[cell]:
            yield f"cell {cell} had a result and was attempted again"


def _incomplete(
    sweep: str, store: Path, summary: dict[str, object], rows: list[tuple[str, str]]
) -> Iterator[str]:
    count = Counter(cell for cell, status in rows if status == "ok")
    yield from (f"cell {cell} has {n} results" for cell, n in count.items() if n != 1)
    command = [sys.executable, "-m", "grid", "plan", sweep, "--json", "--store", str(store)]
    plan = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    yield from (f"cell {cell['cell']} has no result" for cell in plan["cells"])
    print(f"{len(count)} cells measured, {summary['measured']} of them in the last run")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("sweep", nargs="?", default="smollm2")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", type=Path)
    args = parser.parse_args()
    store = args.store or Path(tempfile.mkdtemp()) / "rows"
    broken = list(problems(args.sweep, store, args.kills, args.seed))
    for line in broken:
        sys.stderr.write(f"broken: {line}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
