"""Where llama-bench placed the weights is part of what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imports_files import bench, put

from grid.results.imports import read_report

PLACEMENTS: list[dict[str, Any]] = [
    {},
    {"n_cpu_moe": 24},
    {"tensor_buft_overrides": "exps=CPU"},
    {"devices": "CUDA1"},
    {"no_op_offload": 1},
    {"no_host": True},
]
TABLE = """\
| model                          |       size |     params | backend    | ngl |  n_cpu_moe |   test |           t/s |
| ------------------------------ | ---------: | ---------: | ---------- | --: | ---------: | -----: | ------------: |
| qwen3moe 30B.A3B Q3_K - Medium |  13.70 GiB |    30.53 B | CUDA       |  99 |          0 |  tg128 |  10.00 ± 0.10 |
| qwen3moe 30B.A3B Q3_K - Medium |  13.70 GiB |    30.53 B | CUDA       |  99 |         10 |  tg128 |  60.00 ± 0.10 |

build: abcdef123 (6457)
"""  # noqa: E501
CASES = Path(__file__).parents[4] / "shared/cases/03-bench-placement-options"


def rows(path: Path) -> list[dict[str, Any]]:
    return list(read_report(path).rows["attempts"])


def test_each_placement_is_a_cell_of_its_own(tmp_path: Path) -> None:
    read = rows(put(tmp_path, "b.json", [{**bench(), **fields} for fields in PLACEMENTS]))
    assert len({row["cell_id"] for row in read}) == len(PLACEMENTS)
    options = [json.loads(row["options"]) for row in read]
    assert options[1]["cpu_expert_layers"] == 24
    assert options[2]["tensor_overrides"] == "exps=CPU"


def test_the_usual_placement_is_the_cell_that_older_builds_print(tmp_path: Path) -> None:
    usual = {
        "n_cpu_moe": 0, "tensor_buft_overrides": "none", "devices": "auto", "no_op_offload": 0,
        "no_host": False,
    }  # fmt: skip
    old, new = rows(put(tmp_path, "b.json", [bench(), bench(**usual, avg_ts=100.0)]))
    assert old["cell_id"] == new["cell_id"]


def test_columns_of_tables_say_the_placement_too(tmp_path: Path) -> None:
    read = rows(put(tmp_path, "b.md", TABLE))
    assert [json.loads(row["options"]) for row in read] == [
        {"gpu_layers": 99},
        {"cpu_expert_layers": 10, "gpu_layers": 99},
    ]


def test_an_imported_mixture_has_what_its_name_tells(tmp_path: Path) -> None:
    """The tool counts the parameters; what a token uses is the name's."""
    row = rows(put(tmp_path, "b.md", TABLE))[0]
    assert (row["parameters"], row["active_parameters"]) == (30_530_000_000, 3_000_000_000)
    assert row["parameters_from"] == "name"
    assert rows(put(tmp_path, "c.json", [bench()]))[0]["parameters_from"] == ""


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")
@pytest.mark.parametrize(("name", "count"), [("table.md", 3), ("rows.json", 6), ("sm-dev.md", 4)])
def test_reports_of_placements_keep_every_cell(name: str, count: int) -> None:
    assert len({row["cell_id"] for row in rows(CASES / name)}) == count
