"""A cell of many items has the time that it is estimated to take, and more."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from plan_helpers import NODE

from grid.cells.cell import Cell
from grid.cells.workload import Decode, Quality, Tasks, Workload
from grid.models.artifact import Artifact
from grid.models.model import Model
from grid.plan.load import parse_sweep
from grid.sweep.events import Settings
from grid.sweep.executors.time_limit import SLACK, time_limit_s
from grid.sweep.run import settings_of

MODEL = Model(
    name="m", family="f", source="/a/m.gguf", revision="r1", architecture="llama",
    parameters=8_000_000_000, context_length=8192, vocabulary=8,
)  # fmt: skip
DEFAULT = Settings(cell_timeout_s=600.0, extends_timeout=True)
ITEM = {"kind": "choice", "context": "word " * 100, "choices": [" a", " b"], "answer": 0}


@pytest.fixture
def items(tmp_path: Path) -> Path:
    lines = (
        json.dumps({"id": str(n), **ITEM, "context": f"{n} {ITEM['context']}"}) for n in range(1000)
    )
    (tmp_path / "mine.jsonl").write_text("\n".join(lines))
    (tmp_path / "weights").write_bytes(b"0" * 4096)
    return tmp_path


def limit(folder: Path, workload: Workload, settings: Settings = DEFAULT) -> float:
    artifact = Artifact(model=MODEL, format="gguf", quant="Q4_0", backend="b", quantizer="q 1")
    cell = Cell(artifact=artifact, backend="b", options={}, workload=workload, scope="cpu")
    return time_limit_s(cell, NODE, settings, folder / "weights")


def test_a_thousand_items_of_a_large_model_have_their_time(items: Path) -> None:
    workload = Tasks("reasoning", str(items), "sha", 1000, task="mine")
    # 1,000 items of about 125 tokens, 2 operations a parameter and token, 1e11 a second
    assert limit(items, workload) == pytest.approx(SLACK * 1000 * 125 * 16e9 / 1e11, rel=0.1)
    few = msgspec.structs.replace(workload, limit=2)
    assert limit(items, few) == 600.0


def test_a_long_text_has_its_time_and_speed_the_usual(items: Path) -> None:
    text = Quality("t.txt", "sha", 8192, 64)
    assert limit(items, text) == pytest.approx(SLACK * 8192 * 64 * 16e9 / 1e11)
    assert limit(items, Decode(128)) == 600.0


def test_a_time_that_the_sweep_gives_holds_for_every_cell(items: Path) -> None:
    fixed = Settings(cell_timeout_s=60.0)
    assert limit(items, Tasks("reasoning", str(items), "sha", 1000, task="mine"), fixed) == 60.0
    assert limit(items, Quality("t.txt", "sha", 8192, 64), fixed) == 60.0


@pytest.mark.parametrize(("budget", "extends"), [("", True), ('cell_timeout = "10min"', False)])
def test_only_the_default_is_extended(budget: str, extends: bool) -> None:
    text = f'[[models]]\nsource = "ref:small"\n[budget]\n{budget}\n'
    settings = settings_of(parse_sweep(text.encode(), "s.toml", Path("/none")))
    assert (settings.cell_timeout_s, settings.extends_timeout) == (600.0, extends)
