"""A whole sweep that stops when it is decided, through the command line: a ladder of files, their
16 bits and the noise floor among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grid_fake
import pytest
from fake_sweep import Run

from grid.analysis import Limits, draw_posterior, picks
from grid.analysis.dataset import Dataset
from grid.results.reader import Results

BITS = (16, 8, 7, 6, 5, 4, 3, 2)
"""Of the quants; down to 6 they are within 0.01 nat of 16 bits."""

SWEEP = """
name = "ladder"
backends = ["fake"]
measures = ["quality"]
[[models]]
files = ["toy-*.fake"]
reference = "toy-16.fake"
[quality]
text = "ref:heldout"
context = 64
chunks = 64
[budget]
stop = "STOP"
"""


@pytest.fixture
def ladder(tmp_path: Path) -> Path:
    for bits in BITS:
        quant = "F16" if bits == 16 else f"Q{bits}"
        path = tmp_path / f"toy-{bits:02}.fake"
        grid_fake.write(path, bits=float(bits), quant=quant, parameters=100_000)
    for stop in ("decided", "complete"):
        (tmp_path / f"{stop}.toml").write_text(SWEEP.replace("STOP", stop))
    return tmp_path


def rows_of(folder: Path, store: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = Results(str(folder / store)).final().to_pylist()
    return rows


def chunks_of(row: dict[str, Any]) -> int:
    return int(json.loads(row["workload"])["chunks"])


def is_noise(row: dict[str, Any]) -> bool:
    return bool(json.loads(row["options"])["batch"] == 1)


def picks_of(folder: Path, store: str) -> list[str]:
    """Quants picked without a limit, and in so many bytes as each quant takes at most."""
    dataset = Dataset(str(folder / store))
    (measured_class,) = dataset.classes
    variants = dataset.variants(measured_class.name)
    sizes = [round(1000 * 100 * bits / 8) for bits in BITS[1:]]
    limits = [Limits(), *(Limits(name=str(size), max_bytes=float(size)) for size in sizes)]
    chosen = picks(draw_posterior(variants), limits, axis="kld_mean")
    return [pick.variant.quant if pick.variant else "" for pick in chosen]


def test_decided_sweep_drops_what_is_replaced_says_why_and_picks_as_the_complete_one(
    ladder: Path, grid: Run
) -> None:
    for stop in ("decided", "complete"):
        done = grid("sweep", f"{stop}.toml", "--store", stop, "--executor", "inline")
        assert done.returncode == 0, done.stderr
    rows = rows_of(ladder, "decided")
    skipped = [row for row in rows if row["status"] == "skipped"]
    assert {row["quant"] for row in skipped} >= {"F16", "Q8", "Q7"}
    assert all(row["reason"].startswith("not needed: ") for row in skipped)
    beaten = {row["quant"]: row["reason"] for row in skipped if "is as good" in row["reason"]}
    assert beaten.keys() == {"F16", "Q8", "Q7"}
    assert all("toy Q6 is as good" in reason for reason in beaten.values())

    (probe,) = [row for row in rows if is_noise(row) and row["status"] == "ok"]
    assert chunks_of(probe) == 8
    measured = [row for row in rows if row["status"] == "ok" and not is_noise(row)]
    chunks = {quant: {chunks_of(r) for r in measured if r["quant"] == quant} for quant in beaten}
    most = {chunks_of(row) for row in measured}
    assert {chunks_of(row) for row in measured if row["quant"] == "F16"} == most
    assert chunks["Q8"] == chunks["Q7"] == {8}

    complete = [row for row in rows_of(ladder, "complete") if row["status"] == "ok"]
    assert sum(map(chunks_of, measured)) < sum(map(chunks_of, complete)) / 2
    assert picks_of(ladder, "decided") == picks_of(ladder, "complete")


def test_complete_sweep_after_a_decided_one_measures_every_text_whole(
    ladder: Path, grid: Run
) -> None:
    for stop in ("decided", "complete"):
        done = grid("sweep", f"{stop}.toml", "--store", "rows", "--executor", "inline")
        assert done.returncode == 0, done.stderr
    rows = rows_of(ladder, "rows")
    whole = [row for row in rows if not json.loads(row["workload"]).get("part_of")]
    assert {row["status"] for row in whole} == {"ok"}
    assert len(whole) == len(BITS) + 1
    assert {chunks_of(row) for row in whole} == {64}
