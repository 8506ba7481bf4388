"""Texts by category: a quality cell of each, and what cannot be rendered is known before."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from plan_helpers import plan_of

from grid.cells.cell import Cell
from grid.cells.workload import Quality
from grid.errors import InputError
from grid.models.artifact import Artifact
from grid.models.model import Model
from grid.plan.estimate import cell_seconds, estimate
from grid.plan.fits import template_obstacle, writer_obstacle
from grid.plan.load import parse_sweep
from grid.plan.workloads import RequestedWorkloads

SWEEP = 'measures = ["quality"]\nquants = ["F16", "Q8"]\n[[models]]\nsource = "x.fake"\n[quality]\n'
SMALL = "context = 64\nchunks = 2\n"
MODEL = Model(
    name="m", family="f", source="/a/m.gguf", revision="r1", architecture="llama",
    parameters=10, context_length=128, vocabulary=8,
)  # fmt: skip
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
        ("{ code = 1 }", r"quality\.texts\[\.\.\.\]: expected .*text"),
        ('{ code = { txt = "t.txt" } }', r"quality\.texts\.code\.txt: unknown key\. Did you mean"),
        ("{ code = { context = 64 } }", r"quality\.texts\.code: give either text .* or generate"),
        ('{ a = { text = "t.txt", generate = "p.jsonl" } }', r"quality\.texts\.a: give either"),
        ('{ a = { text = "t.txt", context = 2 } }', r"quality\.texts.*: expected int >= 4"),
        ('{ a = { text = "t.txt", chunks = 900 } }', r"quality\.texts\.a: .* too short for 900"),
        ('{ a = { generate = "bad.jsonl" } }', r"quality\.texts\.a: .*bad\.jsonl, line 1: "),
        ('{ a = { generate = "p.jsonl" } }', r"texts\.a: .*line 1: no message of the user's"),
        (
            '{ a = { generate = "few.jsonl", tokens = 8, chunks = 9 } }',
            r"texts\.a: 1 prompts of .*few\.jsonl come to at most 74 tokens .* need 576",
        ),
    ],
)
def test_bad_categories_are_refused_with_their_place(
    tmp_path: Path, texts: str, message: str
) -> None:
    (tmp_path / "bad.jsonl").write_text("hello\n")
    (tmp_path / "short.txt").write_text("hello")
    (tmp_path / "few.jsonl").write_text('{"prompt": "Hi"}')
    (tmp_path / "p.jsonl").write_text('{"messages": [{"role": "system", "content": "Be brief"}]}')
    with pytest.raises(InputError, match=message):
        plan_of(tmp_path, SWEEP + SMALL + f"texts = {texts}")


def test_each_text_may_have_its_own_chunks(tmp_path: Path) -> None:
    texts = qualities(
        tmp_path,
        'texts.prose = "t.txt"\ntexts.long = { text = "t.txt", context = 128, chunks = 1 }\n'
        'texts.wide = { text = "t.txt", context = 96 }',
    )
    assert {(t.category, t.context, t.chunks) for t in texts} == {
        ("prose", 64, 2),
        ("long", 128, 1),
        ("wide", 96, 2),
    }
    plain = qualities(tmp_path, 'texts.prose = "t.txt"')
    assert set(plain) <= set(texts)


def test_a_text_that_the_16_bits_write_stands_for_them_and_the_prompts(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "Hi"}\n{"prompt": "Why?"}\n')
    own = 'texts.own = { generate = "p.jsonl", tokens = 32 }'
    plan = plan_of(tmp_path, SWEEP + SMALL + own)
    assert not plan.cells
    workloads = [skip.cell.workload for skip in plan.skipped]
    assert {skip.reason for skip in plan.skipped} == {
        "p.jsonl is conversations, the model has no chat template"
    }
    whole = workloads[0]
    assert isinstance(whole, Quality)
    assert (whole.chat, whole.answer_tokens, whole.chunks) == (True, 32, 2)
    requested = RequestedWorkloads(parse_sweep((SWEEP + SMALL + own).encode(), "s.toml", tmp_path))
    ids = {requested.quality(name)[0].text_sha256 for name in ("a@x", "a@x", "b@x")}
    assert len(ids) == 2
    (tmp_path / "p.jsonl").write_text(f"{HELLO}\n{HELLO}")
    changed = RequestedWorkloads(parse_sweep((SWEEP + SMALL + own).encode(), "s.toml", tmp_path))
    assert changed.quality("a@x")[0].text_sha256 not in ids


def test_without_the_16_bits_nobody_writes_the_text() -> None:
    artifact = Artifact(model=MODEL, format="gguf", quant="Q4_0", backend="b", quantizer="q 1")
    text = Quality("p.jsonl", "id", 64, 2, None, "own", True, "sha", 32)
    cell = Cell(artifact=artifact, backend="b", options={}, workload=text, scope="cpu")
    assert writer_obstacle(cell).startswith("its text is written by the model's 16 bits")
    compared = msgspec.structs.replace(text, reference="a@b")
    assert writer_obstacle(msgspec.structs.replace(cell, workload=compared)) == ""


def test_categories_keep_the_order_of_the_file() -> None:
    texts = 'texts = { z = "1.txt", a = "2.txt", m = "3.txt" }'
    sweep = parse_sweep((SWEEP + texts).encode(), "s.toml", Path("/none"))
    assert list(sweep.quality.texts) == ["z", "a", "m"]


def test_a_written_text_costs_its_tokens_in_the_estimate(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SWEEP + SMALL + 'texts.prose = "t.txt"')
    before = estimate(plan).seconds
    (cell,) = (c for c in plan.cells if c.artifact.quant == "Q8")
    text = cell.workload
    assert isinstance(text, Quality)
    written = msgspec.structs.replace(text, prompts_sha256="p", answer_tokens=9)
    cells = [
        *plan.cells,
        msgspec.structs.replace(cell, workload=written),
        msgspec.structs.replace(cell, workload=msgspec.structs.replace(written, chunks=1)),
    ]
    host_bytes = {planned.id: 1 for planned in cells}
    longer = msgspec.structs.replace(plan, cells=tuple(cells), host_bytes=host_bytes)
    assert estimate(longer).seconds > before + 64 * 100e-6
