"""A sweep that stops when it is decided: what it drops, on which nodes, and what a resume does."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import grid_fake
import numpy as np
import pytest

from grid.analysis.dataset import Dataset
from grid.cells.cell import Cell
from grid.cells.measurement import DISTURBED, Measurement, Series
from grid.cells.workload import Decode, Memory, Prefill, Quality
from grid.hardware.node import Node
from grid.plan.load import parse_sweep
from grid.plan.order import Session
from grid.plan.parts import stages
from grid.results import open_for_writing
from grid.results.reader import Results
from grid.results.statistics import BetweenRuns
from grid.sweep.coordinator import SweepCoordinator, Unrunnable
from grid.sweep.events import CellDone, cell_done
from grid.sweep.executors.executor import ExecutorEvent, Gathered, Joined, Left, NodeEvent, NodeIdle
from grid.sweep.node_report import BackendState, Report
from grid.sweep.planner import Planner
from grid.sweep.race import NOT_NEEDED, reference_cells
from grid.sweep.recorder import SweepRecorder
from grid.units import GIB

SWEEP = """
backends = ["fake"]
quants = ["F16", "Q8", "Q4", "Q2"]
measures = ["memory", "speed", "quality"]
[[models]]
source = "toy.fake"
[options.fake]
batch = [8, 4]
[speed]
prompt = [64]
generate = [16]
[quality]
text = "ref:heldout"
context = 64
chunks = 64
[budget]
stop = "STOP"
"""
KLD = {"F16": 0.0, "Q8": 0.0005, "Q4": 0.05, "Q2": 0.5}
"""Of the quants; Q8 and F16 differ by less than chooses anything."""
SPREAD: dict[str, float] = {}
"""Of log divergences of the quants; 0.1 by default."""
RATE = {"F16": 100.0, "Q8": 200.0, "Q4": 400.0, "Q2": 800.0}


def report_of(name: str) -> Report:
    node = Node(name=name, system="Linux", chip="c", cores=2, memory_bytes=8 * GIB,
                bandwidth_bytes_s=10e9)  # fmt: skip
    return Report(node=node, free_bytes=4 * GIB, backends={"fake": BackendState()})


def measured(cell: Cell, disturbs: Container[str] = ()) -> Measurement:
    """What a model with the figures above would give, with a little noise of its own; rates of the
    quants in `disturbs` say that others disturbed them."""
    rng = np.random.default_rng(int(cell.id[:8], 16))
    quant, workload = cell.artifact.quant, cell.workload
    series: tuple[Series, ...] = ()
    scalars: dict[str, float] = {}
    match workload:
        case Memory():
            scalars = {"peak_rss_bytes": 1e9 / RATE[quant], "load_s": 0.1}
        case Prefill(tokens=tokens) | Decode(tokens=tokens):
            name = "prefill_s" if isinstance(workload, Prefill) else "decode_s"
            slow = 1.0 if cell.options["batch"] == 8 else 2.0
            seconds = slow * tokens / RATE[quant] * np.exp(0.01 * rng.standard_normal(5))
            series = (Series(name, "s", tuple(seconds.tolist())),)
        case Quality(chunks=chunks):
            if cell.options["batch"] == 1:
                chunks = 1  # the noise run ends early: its first chunk is the reference's
            text = np.random.default_rng(list(quant.encode()))  # whatever the options
            spread = SPREAD.get(quant, 0.1)
            kld = KLD[quant] * np.exp(spread * text.standard_normal(2 * chunks))
            series = (Series("nll", "nat", (3.0,) * (2 * chunks)), Series("kld", "nat", tuple(kld)))
            scalars = {"chunks": float(chunks), "scored_bytes": 10.0 * chunks}
    disturbed = {DISTURBED: "5 of 5 repetitions were disturbed"} if quant in disturbs else {}
    return Measurement(
        cell_id=cell.id, status="ok", series=series, scalars=scalars, wall_s=0.01,
        environment=disturbed if series and "_s" in series[0].name else {},
    )  # fmt: skip


class MeasuringExecutor:
    """Nodes that measure at once; the first leaves after `leaves_after` cells."""

    def __init__(
        self, nodes: Iterable[str], leaves_after: int = 0, disturbs: Container[str] = ()
    ) -> None:
        self.pending: list[ExecutorEvent] = [Joined(name, report_of(name)) for name in nodes]
        self.pending.append(Gathered())
        self.ran: list[Cell] = []
        self.places: set[str] = set()
        self._leaves_after = leaves_after
        self._disturbs = disturbs

    def offer(self, cells: Iterable[Cell]) -> None:
        pass

    def start(self, place: str, sessions: Sequence[Session]) -> None:
        self.places.add(place)
        for session in sessions:
            for cell in session.cells:
                if place == "a" and len(self.ran) == self._leaves_after > 0:
                    self._leaves_after = 0
                    self.pending.append(Left(place, "a is gone"))
                    return
                self.ran.append(cell)
                self.pending.append(
                    NodeEvent(place, cell_done(cell, measured(cell, self._disturbs)))
                )
        self.pending.append(NodeIdle(place))

    def next_event(self, timeout_s: float) -> ExecutorEvent | None:
        return self.pending.pop(0) if self.pending else None

    def close(self) -> None:
        pass


class Silent:
    def tell(self, event: object) -> None:
        pass


def run(folder: Path, stop: str, executor: MeasuringExecutor) -> tuple[list[str], dict[str, str]]:
    """Run the sweep into a store; ids of cells that ended in a measurement, and of the dropped the
    reasons."""
    if not (folder / "toy.fake").exists():
        grid_fake.write(folder / "toy.fake")
    sweep = parse_sweep(SWEEP.replace("STOP", stop).encode(), "toy.toml", folder)
    planner = Planner(sweep, str(folder / "rows"))
    coordinator = SweepCoordinator(executor, planner)
    list(coordinator.gather())
    coordinator.plan()
    ended: list[str] = []
    dropped: dict[str, str] = {}
    with open_for_writing(str(folder / "rows")).writer() as writer:
        recorder = SweepRecorder(
            coordinator.merged_plan, writer, Silent(), sweep="toy", sweep_id="s",
            nodes=lambda: coordinator.reports,
        )  # fmt: skip
        recorder.begin(planner.reread_store().final_statuses())
        for outcome in coordinator.run():
            recorder.record(outcome)
            match outcome:
                case Unrunnable(cell_id, "skipped", reason):
                    dropped[cell_id] = reason
                case NodeEvent(_, CellDone(will_retry=False) as event):
                    ended.append(event.cell_id)
        recorder.end()
    return ended, dropped


@pytest.mark.parametrize("nodes", [["a"], ["a", "b"]])
def test_every_cell_ends_once_and_what_is_dropped_has_a_reason(tmp_path: Path, nodes: list[str]):
    executor = MeasuringExecutor(nodes)
    ended, dropped = run(tmp_path, "decided", executor)
    assert executor.places == set(nodes)
    assert len(ended) == len(set(ended))
    assert not set(ended) & dropped.keys()
    assert len(dropped) > len(ended) / 2
    assert all(reason.startswith(NOT_NEEDED) for reason in dropped.values())
    rows = Results(str(tmp_path / "rows")).final().to_pylist()
    assert {row["cell_id"] for row in rows if row["status"] == "skipped"} == dropped.keys()


def test_all_variants_are_measured_in_part_before_any_is_in_whole(tmp_path: Path):
    executor = MeasuringExecutor(["a"])
    run(tmp_path, "decided", executor)
    stage = stages(executor.ran)
    order = [stage[cell.id] for cell in executor.ran]
    assert order == sorted(order)
    assert {cell.artifact.quant for cell in executor.ran if not stage[cell.id]} == KLD.keys()


def test_slower_options_and_what_a_smaller_quant_replaces_are_measured_no_further(tmp_path: Path):
    executor = MeasuringExecutor(["a"])
    run(tmp_path, "decided", executor)
    whole = [c for c in executor.ran if isinstance(c.workload, Decode) and not c.workload.part_of]
    assert {cell.options["batch"] for cell in whole} == {8}
    assert {cell.artifact.quant for cell in whole} == {"Q8", "Q4", "Q2"}


def test_reasons_name_the_variant_that_is_better_or_what_was_enough(tmp_path: Path):
    _, dropped = run(tmp_path, "decided", MeasuringExecutor(["a"]))
    reasons = set(dropped.values())
    assert any("of 64 chunks say how it compares" in reason for reason in reasons)
    assert any("toy Q8 (batch=8) is as good" in reason for reason in reasons)


def test_row_of_a_part_says_of_how_many_chunks(tmp_path: Path):
    run(tmp_path, "decided", MeasuringExecutor(["a"]))
    rows = Results(str(tmp_path / "rows")).final().to_pylist()
    workloads = [r["workload"] for r in rows if r["measure"] == "quality" and r["status"] == "ok"]
    assert any('"chunks":8' in text and '"part_of":64' in text for text in workloads)


def test_same_sweep_again_measures_nothing_and_drops_the_same(tmp_path: Path):
    _, dropped = run(tmp_path, "decided", MeasuringExecutor(["a"]))
    executor = MeasuringExecutor(["a"])
    assert run(tmp_path, "decided", executor) == ([], dropped)
    assert not executor.ran


def test_complete_sweep_afterwards_measures_what_was_dropped(tmp_path: Path):
    _, dropped = run(tmp_path, "decided", MeasuringExecutor(["a"]))
    ended, _ = run(tmp_path, "complete", MeasuringExecutor(["a"]))
    assert set(ended) == dropped.keys() - _parts(dropped, tmp_path)
    assert run(tmp_path, "complete", MeasuringExecutor(["a"]))[0] == []


def _parts(cell_ids: Iterable[str], folder: Path) -> set[str]:
    rows = Results(str(folder / "rows")).attempts().to_pylist()
    return {r["cell_id"] for r in rows if '"part_of":64' in r["workload"]} & set(cell_ids)


def test_node_that_leaves_changes_nothing_of_what_is_decided(tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    _, alone = run(tmp_path / "one", "decided", MeasuringExecutor(["a"]))
    _, after_loss = run(tmp_path / "two", "decided", MeasuringExecutor(["a", "b"], leaves_after=5))
    assert alone.keys() == after_loss.keys()


def test_noise_floor_is_probed_once_and_compared_with_nothing(tmp_path: Path):
    executor = MeasuringExecutor(["a"])
    _, dropped = run(tmp_path, "decided", executor)
    noise = [c for c in executor.ran if c.options["batch"] == 1]
    assert [c.workload.label for c in noise] == ["quality 8x64"]
    rows = Results(str(tmp_path / "rows")).final().to_pylist()
    skipped = [r for r in rows if r["cell_id"] in dropped and _batch(r) == 1]
    assert {row["reason"] for row in skipped} == {f"{NOT_NEEDED}quality 8x64 gives the noise floor"}
    assert not any("batch=1)" in reason for reason in dropped.values())


def _batch(row: Mapping[str, Any]) -> int:
    return int(json.loads(row["options"])["batch"])


def test_beaten_sixteen_bits_are_scored_on_as_many_chunks_as_what_is_compared_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Q8 replaces them; Q4 and Q2 lie as close as 8 chunks do not tell, and get more."""
    monkeypatch.setitem(KLD, "Q2", KLD["Q4"])
    monkeypatch.setitem(SPREAD, "Q2", 1.0)
    executor = MeasuringExecutor(["a"])
    _, dropped = run(tmp_path, "decided", executor)
    rows = Results(str(tmp_path / "rows")).final().to_pylist()
    assert any(r["quant"] == "F16" and "is as good" in dropped.get(r["cell_id"], "") for r in rows)
    scored = {
        quant: {
            cell.workload.chunks
            for cell in executor.ran
            if isinstance(cell.workload, Quality)
            and cell.artifact.quant == quant
            and cell.options["batch"] == 8
        }
        for quant in KLD
    }
    assert scored["Q2"] > {8}
    assert scored["F16"] == set().union(*scored.values())


def test_reference_cells_are_those_of_the_same_text_in_the_reference_engine(tmp_path: Path):
    cells = MeasuringExecutor(["a"])
    run(tmp_path, "complete", cells)
    texts = [c for c in cells.ran if isinstance(c.workload, Quality) and c.options["batch"] == 8]
    own, quant = (next(c for c in texts if c.artifact.quant == name) for name in ("F16", "Q4"))
    references = {own.workload.reference: own}
    assert reference_cells([quant], texts, references) == [own]
    assert reference_cells([], texts, references) == []


@pytest.mark.parametrize("resumed", [False, True])
def test_disturbed_rates_drop_nothing_now_or_in_a_resume(tmp_path: Path, resumed: bool):
    """Q4 is slower with batch=4, and surely so, were it not disturbed."""
    executor = MeasuringExecutor(["a"], disturbs={"Q4"})
    _, dropped = run(tmp_path, "decided", executor)
    if resumed:
        second = MeasuringExecutor(["a"])
        assert run(tmp_path, "decided", second) == ([], dropped)
    rows = Results(str(tmp_path / "rows")).final().to_pylist()
    beaten = {row["quant"] for row in rows if "is as good" in (row["reason"] or "")}
    assert "Q4" not in beaten
    assert "Q2" in beaten
    assert not any("toy Q4" in reason for reason in dropped.values())


def test_winner_that_a_reason_names_is_measured_whole(tmp_path: Path):
    executor = MeasuringExecutor(["a"])
    _, dropped = run(tmp_path, "decided", executor)
    whole = {
        f"{cell.artifact.label} (batch={cell.options['batch']})"
        for cell in executor.ran
        if isinstance(cell.workload, Decode) and not cell.workload.part_of
    }
    winners = {
        reason.removeprefix(NOT_NEEDED).partition(" is as good")[0]
        for reason in dropped.values()
        if "is as good" in reason
    }
    assert winners
    assert winners <= whole


def test_decided_sweep_after_a_complete_one_measures_no_text_again(tmp_path: Path):
    run(tmp_path, "complete", MeasuringExecutor(["a"]))
    executor = MeasuringExecutor(["a"])
    run(tmp_path, "decided", executor)
    assert not [cell for cell in executor.ran if not getattr(cell.workload, "part_of", 0)]
    assert not [cell for cell in executor.ran if isinstance(cell.workload, Quality)]


def test_runs_in_the_store_that_lay_far_apart_leave_speed_undecided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    apart = dict.fromkeys(("prefill", "decode"), BetweenRuns(0.5**2, 30))
    hardware_class = report_of("a").node.hardware_class
    monkeypatch.setattr(
        Planner,
        "earlier_runs",
        lambda planner: {(hardware_class, kind): runs for kind, runs in apart.items()},
    )
    _, dropped = run(tmp_path, "decided", MeasuringExecutor(["a"]))
    assert not any("is as good" in reason for reason in dropped.values())


def test_rates_over_fewer_tokens_are_on_no_axis(tmp_path: Path):
    run(tmp_path, "decided", MeasuringExecutor(["a"]))
    rows = Results(str(tmp_path / "rows")).final().to_pylist()
    assert {json.loads(r["workload"])["tokens"] for r in rows if r["measure"] == "decode"} == {
        2,
        16,
    }
    dataset = Dataset(str(tmp_path / "rows"))
    (measured_class,) = dataset.classes
    variants = dataset.variants(measured_class.name)
    tokens = {
        kind: {speed.tokens for v in variants for speed in v.speeds(kind).values()}
        for kind in ("prefill", "decode")
    }
    assert tokens == {"prefill": {64}, "decode": {16}}
    assert any(not v.decode for v in variants)
