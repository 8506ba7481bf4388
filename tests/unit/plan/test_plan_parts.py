"""Parts of workloads, and the stages in which a sweep that stops when it is decided runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
from plan_helpers import plan_of

from grid.cells.workload import Decode, Prefill, Quality
from grid.errors import InputError
from grid.plan.parts import chunk_looks, item_looks, stages

ENTRIES = """
quants = ["F16", "Q4"]
[[models]]
source = "x.fake"
[speed]
prompt = [64]
generate = [16]
depth = [0, 64]
repetitions = 5
[quality]
text = "t.txt"
context = 16
chunks = 64
[tasks]
source = "ref:items"
items = 80
"""
DECIDED = ENTRIES + '[budget]\nstop = "decided"\n'


@pytest.mark.parametrize(
    ("chunks", "looks"), [(64, (8, 24, 64)), (16, (8, 16)), (15, (15,)), (1, (1,))]
)
def test_looks_at_chunks(chunks: int, looks: tuple[int, ...]) -> None:
    assert chunk_looks(chunks) == looks


def test_looks_at_items() -> None:
    assert item_looks(200) == (40, 200)
    assert item_looks(1000) == (40, 120, 360, 1000)


def test_sweep_without_stop_is_planned_as_before(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ENTRIES)
    assert not plan.optional
    assert not any(getattr(cell.workload, "part_of", 0) for cell in plan.cells)


def test_cells_asked_for_keep_their_ids_and_parts_come_before_them(tmp_path: Path) -> None:
    complete, decided = plan_of(tmp_path, ENTRIES), plan_of(tmp_path, DECIDED)
    ids = [cell.id for cell in decided.cells]
    assert {cell.id for cell in complete.cells} < set(ids)
    chunks = [c.workload.chunks for c in decided.cells if isinstance(c.workload, Quality)]
    assert chunks[:3] == [8, 24, 64]


def test_part_is_the_cell_of_a_sweep_that_asks_for_so_many_chunks(tmp_path: Path) -> None:
    few = plan_of(tmp_path, ENTRIES.replace("chunks = 64", "chunks = 8"))
    parts = [c for c in plan_of(tmp_path, DECIDED).cells if getattr(c.workload, "chunks", 0) == 8]
    assert parts
    assert {cell.id for cell in parts} <= {cell.id for cell in few.cells}


def test_first_stage_has_all_variants_and_no_whole_text_task_or_rate(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, DECIDED)
    stage = stages(plan.cells)
    first = [cell.workload for cell in plan.cells if not stage[cell.id]]
    assert {workload.label for workload in first} >= {"pp16", "tg4", "quality 8x16"}
    assert all(w.part_of for w in first if isinstance(w, Quality | Prefill | Decode))
    assert {cell.id for cell in plan.optional} == {cell.id for cell in plan.cells if stage[cell.id]}


def test_parts_of_what_is_measured_whole_are_not_run(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, DECIDED)
    whole = {c.id for c in plan.cells if not getattr(c.workload, "part_of", 0)}
    left = plan.without_finished(whole)
    assert not [cell for cell in left.cells if isinstance(cell.workload, Quality)]
    assert {type(cell.workload).__name__ for cell in left.cells} <= {"Prefill", "Decode"}


def test_wrong_stop_is_refused_with_what_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"budget.stop: .*early"):
        plan_of(tmp_path, DECIDED.replace('"decided"', '"early"'))
