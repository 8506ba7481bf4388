"""Plans of made-up models: speed and memory are planned, what takes trained weights is refused."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from plan_helpers import NODE

from grid.backend.registry import backend
from grid.errors import InputError
from grid.plan.expand import expand
from grid.plan.fits import DiskRoom
from grid.plan.load import load_sweep
from grid.plan.plan import Plan
from grid.units import GIB

SWEEP = """
quants = ["Q8_0", "Q4_K_M"]
[[models]]
source = "synthetic:llama-1b"
[tasks]
names = ["quick"]
"""


def plan_of(folder: Path, text: str, memory: int = 64 * GIB, disk: int | None = None) -> Plan:
    (folder / "s.toml").write_text(text)
    node = msgspec.structs.replace(NODE, memory_bytes=memory)
    backends = {"llamacpp": backend("llamacpp")}
    room = DiskRoom(disk)
    return expand(load_sweep(folder / "s.toml"), backends, node, disk=room)


def test_quality_is_refused_and_speed_and_memory_are_planned(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 'measures = ["memory", "speed", "latency", "quality"]' + SWEEP)
    kinds = {type(cell.workload).__name__ for cell in plan.cells}
    assert kinds == {"Memory", "Prefill", "Decode", "Latency"}
    assert {type(skip.cell.workload).__name__ for skip in plan.skipped} == {"Quality"}
    assert all("weights are random" in skip.reason for skip in plan.skipped)
    assert {cell.artifact.model.name for cell in plan.cells} == {"synthetic-Llama-3.2-1B"}


def test_sizes_are_exact_and_nothing_else_is_made_first(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 'measures = ["memory"]' + SWEEP)
    for cell in plan.cells:
        facts = cell.artifact.facts
        assert facts is not None
        assert plan.weight_bytes[cell.artifact.id] == facts.bytes
        assert (cell.artifact.made_from, facts.sha256) == (None, "")


def test_what_does_not_fit_into_memory_or_onto_the_disk_is_skipped(tmp_path: Path) -> None:
    large = 'measures = ["memory"]' + SWEEP.replace("llama-1b", "llama-70b")
    small = plan_of(tmp_path, large, memory=32 * GIB)
    assert not small.cells
    assert all("available" in skip.reason for skip in small.skipped)
    full = plan_of(tmp_path, 'measures = ["memory"]' + SWEEP, disk=GIB)
    assert [cell.artifact.quant for cell in full.cells] == ["Q4_K_M"]
    assert "of disk in the cache, 1 GiB available" in full.skipped[0].reason


def test_ids_depend_on_shape_quant_and_generator_alone(tmp_path: Path) -> None:
    text = 'measures = ["memory"]' + SWEEP
    short = {cell.artifact.id for cell in plan_of(tmp_path, text).cells}
    public = text.replace("llama-1b", "Llama-3.2-1B")
    assert {cell.artifact.id for cell in plan_of(tmp_path, public).cells} == short
    assert len(short) == 2


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (SWEEP.replace("llama-1b", "lama-1b"), "Did you mean 'synthetic:llama-1b'"),
        (SWEEP.replace('"Q8_0"', '"Q8_1"'), "Did you mean"),
        (
            SWEEP.replace('source = "synthetic', 'files = ["synthetic').replace('1b"', '1b"]'),
            "source =",
        ),
        (SWEEP.replace('quants = ["Q8_0", "Q4_K_M"]', ""), "no quants"),
    ],
)
def test_what_is_written_wrongly_is_one_line(tmp_path: Path, written: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        plan_of(tmp_path, written)
    assert "\n" not in str(caught.value)


def test_quants_with_the_same_tensors_are_written_once(tmp_path: Path) -> None:
    text = SWEEP.replace("llama-1b", "gemma3-270m").replace('"Q8_0"', '"Q5_K_S", "Q5_1"')
    plan = plan_of(tmp_path, 'measures = ["memory"]' + text)
    reasons = {skip.cell.artifact.quant: skip.reason for skip in plan.skipped}
    assert all("same tensors as" in reason for reason in reasons.values())
