"""Time of `grid import` a file: 10,000 files of all kinds, read, checked and written at once.

python scripts/bench_import.py
python scripts/bench_import.py --files 1000
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path

from import_shapes import SHAPES

from grid.errors import InputError
from grid.results.imports import ImportedReport, read_report
from grid.results.imports.writing import add_reports, conflicts_of

FILES = 10_000


def make_files(folder: Path, count: int) -> list[Path]:
    """Files of each kind in turn."""
    kinds = list(SHAPES)
    paths = []
    for at in range(count):
        rng = random.Random(at)
        paths.append(folder / f"report-{at}")
        paths[-1].write_text(SHAPES[kinds[at % len(kinds)]](rng), encoding="utf-8")
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=FILES)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = make_files(Path(folder), args.files)
        times: list[float] = []
        reports: list[ImportedReport] = []
        for path in paths:
            started = time.perf_counter()
            try:
                reports.append(read_report(path))
            except InputError:
                continue
            finally:
                times.append(time.perf_counter() - started)
        store = Path(folder) / "store"
        started = time.perf_counter()
        conflicts_of(reports, store)
        added = sum(add_reports(reports, store))
        writing = time.perf_counter() - started
    times.sort()
    print(
        f"{len(paths)} files, {added} attempts: {statistics.median(times) * 1e3:.2f} ms a file in "
        f"the median, {times[int(0.99 * len(times))] * 1e3:.2f} ms at the 99th percentile; writing "
        f"all of them {writing:.1f} s, {writing / len(paths) * 1e3:.2f} ms a file"
    )


if __name__ == "__main__":
    main()
