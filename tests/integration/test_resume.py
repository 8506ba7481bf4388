"""A ladder of a real model resumes after kills, with nothing measured twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from check_resume import problems
from real_models import smollm2

from grid.plan.load import load_sweep

pytestmark = pytest.mark.engine

SWEEP = """
quants = ["F16", "Q8_0", "Q2_K"]
measures = ["quality"]
[[models]]
source = "{source}"
dequantize = true
[quality]
text = "ref:prose"
context = 32
chunks = 2
"""


def test_a_killed_ladder_of_a_real_model_resumes(tmp_path: Path) -> None:
    smollm2()  # skips where the package index is out of reach
    (model,) = load_sweep(Path("smollm2")).models
    sweep = tmp_path / "resume.toml"
    sweep.write_text(SWEEP.format(source=model.source))
    assert list(problems(str(sweep), tmp_path / "rows", kills=2, seed=3)) == []
