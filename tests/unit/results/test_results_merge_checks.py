"""A merge holds the figures of another store to what imports are held to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from imports_files import bench, put
from results_cells import NODE, cell, measurement_of

from grid.cells.measurement import Metric
from grid.results import open_store
from grid.results.imports import add_report, read_report
from grid.results.merge import merge
from grid.results.store import Store


def store_with(folder: Path, **figure: Any) -> Path:
    planned = cell("Q8_0")
    with Store(folder).writer() as writer:
        rate = Metric(**{"name": "decode_tps", "value": 12.0, "unit": "token/s"} | figure)
        writer.add(planned, measurement_of(planned), [rate], node=NODE, sweep_id="s", sweep="q")
    return folder


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        ({"unit": "samples/s"}, "decode_tps is in 'samples/s', not in token/s"),
        ({"value": -1.0}, "which cannot be negative"),
        ({"value": 0.0}, "must be from 0 to 1e\\+08|must be above 0"),
        ({"low": 100.0, "high": 101.0}, "outside its own interval 100 to 101"),
        ({"name": "perplexity", "unit": "1", "value": 0.4}, "must be 1 or more"),
        ({"name": "accuracy", "unit": "1", "value": 51.0}, "must be from 0 to 1"),
        ({"name": "kld_mean", "unit": "nat", "value": -0.2}, "must be -0.01 or more"),
    ],
)
def test_figures_that_cannot_be_true_stay_out_of_a_merge(
    tmp_path: Path, figure: dict[str, Any], words: str
) -> None:
    source, target = store_with(tmp_path / "source", **figure), store_with(tmp_path / "target")
    (merged,) = merge([source], target)
    assert merged.added == 0
    (line,) = merged.refused
    assert re.search(words, line)
    assert open_store(target).attempts().num_rows == 1


def test_cells_measured_in_both_stores_are_counted(tmp_path: Path) -> None:
    source = store_with(tmp_path / "source", value=13.0)
    (merged,) = merge([source], store_with(tmp_path / "target"))
    assert (merged.added, merged.refused) == (1, ())
    assert merged.conflicts == (
        "1 cell measured in both stores: all attempts are kept, the newest counts",
    )


def test_imported_cells_with_different_figures_are_named(tmp_path: Path) -> None:
    for name, rate in (("source", 100.0), ("target", 119.0)):
        add_report(read_report(put(tmp_path, "b.json", [bench(avg_ts=rate)])), tmp_path / name)
    (merged,) = merge([tmp_path / "source"], tmp_path / "target")
    (line,) = merged.conflicts
    assert "Qwen2.5-7B-Instruct Q4_K_M tg128" in line
    assert "100 token/s" in line
    assert "119 token/s" in line
