"""How long a page of the explorer waits for its data, over a store of a million metric rows.

    uv run python scripts/bench_explorer.py [FOLDER] [--everywhere]

FOLDER holds the stores (made where it is empty, see bench_store.py; default: a temporary one). In
a fresh process each, over the store as flushes left it and over the compacted one, first with
nothing derived yet, then with what that left: opening it and the first frontier; then, in the same
process, another hardware class of the same device kind and of another, every filter, other weights,
a click on a point, all classes; and the peak of resident memory. Limits: 2 s for a page, 0.5 s for
a filter, 1 GB. Beside the seconds stand those of processors: on a machine with other work they are
the ones to compare.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from grid.results.derived_folder import FOLDER

LIMITS = {"page": 2.0, "filter": 0.5}
MEMORY = 1e9


Step = tuple[str, str, float, float]


def steps(store: str, everywhere: bool) -> Iterator[Step]:
    """(kind, step, seconds, processor seconds) in the order in which a user would take them."""
    from grid.analysis import frontier, subset
    from grid.analysis.dataset import Dataset

    def timed(kind: str, name: str, act: Callable[[], Any]) -> Step:
        start, busy = time.perf_counter(), time.process_time()
        act()
        return kind, name, time.perf_counter() - start, time.process_time() - busy

    def page(name: str, x: str = "artifact_bytes") -> None:
        front = frontier(data.posterior(name), x)
        _ = [point.ties["capability"] for point in front.members]

    def filtered(keep: Callable[[Any], bool]) -> None:
        posterior = data.posterior(first.name)
        frontier(subset(posterior, {v.id for v in posterior.variants if keep(v)}))

    start, busy = time.perf_counter(), time.process_time()
    data = Dataset(store)
    first, *others = data.classes
    page(first.name)
    spent = time.perf_counter() - start, time.process_time() - busy
    yield "cold", "open and first frontier", *spent
    like = next(place for place in others if place.device_kind == first.device_kind)
    unlike = next(place for place in others if place.device_kind != first.device_kind)
    yield timed("page", "the same frontier, another page", lambda: page(first.name))
    yield timed("page", "class of another device kind", lambda: page(unlike.name))
    yield timed("filter", "class of the same device kind", lambda: page(like.name))
    for axis in ("decode_tps", "peak_rss_bytes"):
        yield timed("filter", f"axis {axis}", partial(page, first.name, axis))
    yield timed("filter", "family", lambda: filtered(lambda v: v.family == "family3"))
    yield timed("filter", "quants", lambda: filtered(lambda v: v.quant != "Q2_K"))
    yield timed("filter", "status", lambda: data.overview.final.group_by("status").aggregate([]))
    weights = {"math": 2.0, "code": 1.0}
    yield timed("filter", "weights", lambda: data.posterior(first.name, weights))
    some = data.variants(first.name)[0].attempt_ids["decode"][0]
    yield timed("filter", "a click on a point", lambda: data.attempt(some))
    yield timed("filter", "problems", lambda: data.problems)
    if everywhere:
        yield timed("page", "variants of all classes", data.all_variants)


def child(store: str, everywhere: bool) -> None:
    for step in steps(store, everywhere):
        print(json.dumps(step), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(["memory", "peak resident", peak, 0.0]))


def measure(store: Path, everywhere: bool) -> bool:
    """Prints each step; True where all are within their limits."""
    command = [sys.executable, __file__, str(store), "--child", *(["--everywhere"] * everywhere)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    ok = True
    for kind, name, value, busy in map(json.loads, output.splitlines()):
        limit = MEMORY if kind == "memory" else LIMITS.get(kind)
        late = limit is not None and value > limit
        ok = ok and not late
        text = f"{value:7.2f} s {busy:7.2f} s"
        text = f"{value / 1e6:7.0f} MB         " if kind == "memory" else text
        print(f"  {text}  {kind:7} {name}{'  TOO MUCH' if late else ''}")
    return ok


def make_stores(folder: Path) -> tuple[Path, Path]:
    """The store as flushes left it, and the compacted one."""
    from bench_store import make

    from grid.results.compact import compact

    plain, merged = folder / "flushed", folder / "compacted"
    if not plain.exists():
        make(plain)
    if not merged.exists():
        shutil.copytree(plain, merged)
        compact(merged)
    return plain, merged


def main() -> None:
    parser = argparse.ArgumentParser(description="time the explorer's data")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--everywhere", action="store_true", help="Also all classes at once.")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.folder, args.everywhere)
        return
    with tempfile.TemporaryDirectory() as temporary:
        ok = True
        for store in make_stores(Path(args.folder or temporary)):
            shutil.rmtree(store / FOLDER, ignore_errors=True)
            for state in ("nothing derived yet", "derived before"):
                print(f"{store.name}, {state}")
                ok = measure(store, args.everywhere) and ok
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
