"""Texts by category: a quality cell of each, and what cannot be rendered is known before."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from plan_helpers import plan_of

from grid.cells.workload import Quality
from grid.errors import InputError
from grid.plan.estimate import cell_seconds
from grid.plan.fits import template_obstacle
from grid.plan.load import parse_sweep

SWEEP = 'measures = ["quality"]\nquants = ["F16", "Q8"]\n[[models]]\nsource = "x.fake"\n[quality]\n'
SMALL = "context = 64\nchunks = 2\n"
HELLO = '{"messages": [{"role": "user", "content": "Hi"}]}'


def qualities(folder: Path, table: str) -> list[Quality]:
    cells = plan_of(folder, SWEEP + SMALL + table).cells
    return [cell.workload for cell in cells if isinstance(cell.workload, Quality)]


def test_each_category_is_measured_of_each_variant(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("print('hello')\n" * 50)
    plan = plan_of(tmp_path, SWEEP + SMALL + 'texts = { prose = "t.txt", code = "code.py" }')
    labels = {(cell.artifact.quant, cell.workload.label) for cell in plan.cells}
    expected = ("quality prose 2x64", "quality code 2x64")
    assert labels == {(quant, label) for quant in ("F16", "Q8") for label in expected}
    of_q8 = [cell.workload for cell in plan.cells if cell.artifact.quant == "Q8"]
    assert all(isinstance(workload, Quality) and workload.reference for workload in of_q8)
    prose, code, *_ = (cell_seconds(plan, cell) for cell in plan.cells)
    assert prose == code > 0


def test_a_text_is_measured_beside_categories_and_the_default_is_not(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("a dog " * 100)
    texts = qualities(tmp_path, 'text = "t.txt"\ntexts = { other = "other.txt" }')
    assert {text.category for text in texts} == {"", "other"}
    assert {text.category for text in qualities(tmp_path, 'texts = { a = "other.txt" }')} == {"a"}
    assert {text.text for text in qualities(tmp_path, "")} == {"ref:heldout"}


def test_conversations_are_skipped_where_the_model_has_no_template(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text(HELLO)
    texts = 'texts = { chat = "mine.jsonl", prose = "t.txt" }'
    plan = plan_of(tmp_path, SWEEP + SMALL + texts)
    assert {cell.workload.label for cell in plan.cells} == {"quality prose 2x64"}
    reasons = {(skip.cell.artifact.quant, skip.reason) for skip in plan.skipped}
    reason = "mine.jsonl is conversations, the model has no chat template"
    assert reasons == {("F16", reason), ("Q8", reason)}
    cell = plan.skipped[0].cell
    model = msgspec.structs.replace(cell.artifact.model, chat=True)
    artifact = msgspec.structs.replace(cell.artifact, model=model)
    assert template_obstacle(msgspec.structs.replace(cell, artifact=artifact)) == ""


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ('{ code = "no.py" }', r"s\.toml: quality\.texts\.code: .*No such file"),
        ('{ chat = "bad.jsonl" }', r"quality\.texts\.chat: .*bad\.jsonl, line 1: "),
        ('{ code = "short.txt" }', r"quality\.texts\.code: .* too short for 2 chunks"),
        ('{ code = "t.txt", prose = "t.txt" }', r"quality\.texts: 't\.txt' is there twice"),
        ('{ " " = "t.txt" }', r"quality\.texts: a category without a name"),
        ('["t.txt"]', r"quality\.texts: expected table, got list"),
        ("{ code = 1 }", r"quality\.texts\[\.\.\.\]: expected text"),
    ],
)
def test_bad_categories_are_refused_with_their_place(
    tmp_path: Path, texts: str, message: str
) -> None:
    (tmp_path / "bad.jsonl").write_text("hello\n")
    (tmp_path / "short.txt").write_text("hello")
    with pytest.raises(InputError, match=message):
        plan_of(tmp_path, SWEEP + SMALL + f"texts = {texts}")


def test_categories_keep_the_order_of_the_file() -> None:
    texts = 'texts = { z = "1.txt", a = "2.txt", m = "3.txt" }'
    sweep = parse_sweep((SWEEP + texts).encode(), "s.toml", Path("/none"))
    assert list(sweep.quality.texts) == ["z", "a", "m"]
