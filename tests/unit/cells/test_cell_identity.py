"""A cell's id changes with what changes its number, and with nothing else."""

from __future__ import annotations

import pytest

from grid.cells.cell import Cell, Options
from grid.cells.workload import Decode, Quality, Workload
from grid.models.artifact import Artifact
from grid.models.model import Model

MODEL = Model(
    name="m", family="f", source="/a/m.gguf", revision="r1", architecture="llama",
    parameters=10, context_length=128, vocabulary=8,
)  # fmt: skip
TEXT = Quality("/a/text.txt", "hash", 64, 2)
OPTIONS: Options = {"threads": 2, "ubatch": 512}


def cell(
    workload: Workload = TEXT,
    options: Options = OPTIONS,
    scope: str = "cpu-avx2",
    model: Model = MODEL,
    quant: str = "Q4_0",
) -> Cell:
    artifact = Artifact(model=model, format="gguf", quant=quant, backend="b", quantizer="q 1")
    return Cell(
        artifact=artifact, backend="b", options=options, workload=workload, scope=scope,
        speed_only=frozenset({"threads"}),
    )  # fmt: skip


def model_with(**fields: object) -> Model:
    return Model(**{f: getattr(MODEL, f) for f in MODEL.__struct_fields__} | fields)


def test_threads_change_the_id_of_speed_cells_only() -> None:
    eight_threads: Options = {**OPTIONS, "threads": 8}
    assert cell().id == cell(options=eight_threads).id
    assert cell(Decode(4)).id != cell(Decode(4), options=eight_threads).id


def test_the_order_of_options_does_not_change_a_cells_id() -> None:
    assert cell().id == cell(options=dict(reversed(OPTIONS.items()))).id


def test_moving_a_file_or_a_text_does_not_change_a_cells_id() -> None:
    assert cell().id == cell(model=model_with(source="/b/m.gguf", name="other")).id
    assert cell().id == cell(Quality("/b/moved.txt", "hash", 64, 2)).id


def test_a_category_and_a_template_are_hashed_where_there_are_any() -> None:
    named = cell(Quality("/a/text.txt", "hash", 64, 2, category="chat"))
    rendered = cell(Quality("/a/text.txt", "hash", 64, 2, category="chat", chat=True))
    assert len({cell().id, named.id, rendered.id}) == 3
    assert [c.workload.label for c in (cell(), rendered)] == ["quality 2x64", "quality chat 2x64"]


@pytest.mark.parametrize(
    "changed",
    [
        cell(quant="Q8_0"),
        cell(model=model_with(revision="r2")),
        cell(Quality("/a/text.txt", "another", 64, 2)),
        cell(Quality("/a/text.txt", "hash", 64, 3)),
        cell(options={**OPTIONS, "ubatch": 64}),
        cell(scope="cpu-neon"),
    ],
)
def test_what_changes_a_cells_number_changes_its_id(changed: Cell) -> None:
    assert cell().id != changed.id


def test_cell_ids_stay_the_same_from_version_to_version() -> None:
    """Results of years are found by them: a change here is a new schema, not a refactoring."""
    assert cell().id == "1216ab8f09eb3487"
    assert cell(Decode(4), scope="x").id == "114fcf1f10238df9"


def test_rate_that_is_asked_with_a_precision_is_the_cell_of_five_repetitions() -> None:
    fixed, adaptive = Decode(128), Decode(128, precision=0.03, budget_s=60)
    assert cell(fixed).id == cell(adaptive).id == cell(Decode(128, precision=0.01)).id
    assert cell(fixed).id != cell(Decode(128, repetitions=6)).id
