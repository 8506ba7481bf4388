"""The authors' own solutions of HumanEval and MBPP pass, and others do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grid.engine.sandbox import Outcome, humaneval_program, mbpp_program, read_rows, run_programs
from grid.errors import InputError

EVAL = Path(__file__).parents[5] / "shared/data/eval"
needs_eval = pytest.mark.skipif(not EVAL.exists(), reason="../shared/data/eval is not here")


def failures(rows: list[dict[str, Any]], outcomes: list[Outcome]) -> list[tuple[str, Outcome]]:
    pairs = zip(rows, outcomes, strict=True)
    return [(row["task_id"], outcome) for row, outcome in pairs if outcome.status != "passed"]


@needs_eval
def test_every_solution_of_humaneval_passes() -> None:
    rows = read_rows(EVAL / "HumanEval.jsonl.gz")
    assert len(rows) == 164
    programs = [humaneval_program(row, row["canonical_solution"]) for row in rows]
    outcomes = run_programs(programs, parallel=2)
    assert failures(rows, outcomes) == []


@needs_eval
def test_solutions_of_mbpp_pass() -> None:
    rows = read_rows(EVAL / "mbpp.jsonl.gz")[10:510:5]  # of its test set
    outcomes = run_programs([mbpp_program(row, row["code"]) for row in rows], parallel=2)
    assert failures(rows, outcomes) == []


@needs_eval
def test_a_wrong_solution_fails() -> None:
    humaneval = read_rows(EVAL / "HumanEval.jsonl.gz")[:10]
    mbpp = read_rows(EVAL / "mbpp.jsonl.gz")[:10]
    programs = [humaneval_program(row, "    return None\n") for row in humaneval]
    programs += [mbpp_program(row, "x = 1") for row in mbpp]
    assert {outcome.status for outcome in run_programs(programs)} == {"failed"}


def test_tests_come_after_what_they_need() -> None:
    row = {"task_id": 7, "test_list": ["assert f(math.pi)"], "test_imports": ["import math"]}
    (outcome,) = run_programs([mbpp_program(row, "def f(x): return x > 3")])
    assert outcome.status == "passed"


def test_a_row_without_tests_is_named() -> None:
    with pytest.raises(InputError, match="row HumanEval/3: it has no field test, entry_point"):
        humaneval_program({"task_id": "HumanEval/3", "prompt": "def f():"}, "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": \n', "line 2: not a JSON object"),
        (b'{"a": 1}\n[1]\n', "line 2: not a JSON object"),
        (b"\xff\xfe", "utf-8"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "rows.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_rows(tmp_path / "rows.jsonl")
