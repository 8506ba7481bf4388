"""Parts of workloads, and the stages in which a sweep that stops when it is decided runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
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


def test_a_decided_sweep_repeats_rates_less_unless_it_says_how_often(tmp_path: Path) -> None:
    def limits(text: str) -> set[tuple[float, float]]:
        plan = plan_of(tmp_path, text.replace("repetitions = 5\n", ""))
        rates = [c.workload for c in plan.cells if isinstance(c.workload, Prefill | Decode)]
        return {(rate.precision, rate.budget_s) for rate in rates if not rate.part_of}

    explicit = DECIDED.replace("generate = [16]", "generate = [16]\nprecision = 0.02\ntime = 9")
    assert limits(ENTRIES) == {(0.03, 20.0)}
    assert limits(DECIDED) == {(0.05, 6.0)}
    assert limits(explicit) == {(0.02, 9.0)}


def test_cells_asked_for_keep_their_ids_and_parts_come_before_them(tmp_path: Path) -> None:
    complete, decided = plan_of(tmp_path, ENTRIES), plan_of(tmp_path, DECIDED)
    ids = [cell.id for cell in decided.cells]
    assert {cell.id for cell in complete.cells} < set(ids)
    chunks = [c.workload.chunks for c in decided.cells if isinstance(c.workload, Quality)]
    assert chunks[:3] == [8, 24, 64]


@pytest.mark.parametrize("first", ["decided", "complete"])
def test_part_is_another_cell_than_as_much_asked_for_by_itself(tmp_path: Path, first: str) -> None:
    """Its row says what it is a part of, and would be read so; and the reverse."""
    small = (
        ENTRIES.replace("chunks = 64", "chunks = 8")
        .replace("items = 80", "items = 40")
        .replace("prompt = [64]", "prompt = [16]")
        .replace("generate = [16]", "generate = [2]")
        .replace("repetitions = 5", "repetitions = 3")
    )
    plans = plan_of(tmp_path, DECIDED), plan_of(tmp_path, small)
    twins = {
        replace(cell, workload=replace(cell.workload, part_of=0)).id: cell.id
        for cell in plans[0].cells
        if getattr(cell.workload, "part_of", 0) and getattr(cell.workload, "chunks", 8) == 8
    }
    assert twins.keys() <= {cell.id for cell in plans[1].cells}
    before, after = plans if first == "decided" else plans[::-1]
    left = after.without_finished({cell.id for cell in before.cells})
    wanted = twins.keys() if first == "decided" else set(twins.values())
    assert wanted <= {cell.id for cell in left.cells}


def test_parts_of_rates_are_shorter_and_say_of_what(tmp_path: Path) -> None:
    labels = {cell.workload.label for cell in plan_of(tmp_path, DECIDED).cells}
    assert {"pp16 (for pp64)", "tg2 (for tg16)", "pp64", "tg16"} <= labels


def test_first_stage_has_all_variants_and_no_whole_text_task_or_rate(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, DECIDED)
    stage = stages(plan.cells)
    first = [cell.workload for cell in plan.cells if not stage[cell.id]]
    assert {workload.label for workload in first} >= {
        "pp16 (for pp64)",
        "tg2 (for tg16)",
        "quality 8x16",
    }
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
