"""SweepCoordinator over scripted nodes: every cell ends once, whatever the nodes do."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import grid_fake
import msgspec
import pytest

from grid.cells.cell import Cell
from grid.cells.measurement import PRUNED, Measurement, Status
from grid.cells.workload import kind
from grid.errors import ClusterLost
from grid.hardware.node import Node
from grid.plan.load import parse_sweep
from grid.plan.order import Session
from grid.sweep.coordinator import CellsAdded, Outcome, SweepCoordinator, Unrunnable
from grid.sweep.dispatch import policy as dispatch_policy
from grid.sweep.events import CellDone, cell_done
from grid.sweep.executors.executor import ExecutorEvent, Gathered, Joined, Left, NodeEvent, NodeIdle
from grid.sweep.node_report import BackendState, Report
from grid.sweep.planner import Planner
from grid.units import GIB

SWEEP = """
backends = ["fake"]
quants = ["F16", "Q4"]
[[models]]
source = "toy.fake"
[speed]
prompt = [64, 128]
generate = [16]
[quality]
text = "ref:heldout"
context = 64
chunks = 2
[tasks]
source = "ref:items"
items = 4
"""

Act = Callable[[Cell], Status | None]
"""What a node makes of a cell; None: nothing, and the node is gone."""


def report_of(name: str, chip: str = "slow") -> Report:
    node = Node(
        name=name,
        system="Linux x86_64",
        chip=chip,
        cores=2,
        memory_bytes=8 * GIB,
        bandwidth_bytes_s=10e9,
    )
    return Report(node=node, free_bytes=4 * GIB, backends={"fake": BackendState()})


HARDWARE_CLASS = report_of("a").node.hardware_class


def ok(cell: Cell) -> Status | None:
    return "ok"


class ScriptedExecutor:
    """Nodes that do at once what they are told to; `later` happens after as many cells."""

    def __init__(
        self,
        nodes: Iterable[Report],
        acts: dict[str, Act],
        later: dict[int, ExecutorEvent] | None = None,
    ) -> None:
        self.pending: deque[ExecutorEvent] = deque(
            Joined(report.node.name, report) for report in nodes
        )
        self.pending.append(Gathered())
        self._acts = acts
        self._later = later or {}
        self.ran: list[tuple[str, Cell]] = []

    def offer(self, cells: Iterable[Cell]) -> None:
        pass

    def start(self, place: str, sessions: Sequence[Session]) -> None:
        for session in sessions:
            for cell in session.cells:
                if not self._run(place, cell):
                    return
        self.pending.append(NodeIdle(place))

    def next_event(self, timeout_s: float) -> ExecutorEvent | None:
        return self.pending.popleft() if self.pending else None

    def close(self) -> None:
        pass

    def _run(self, place: str, cell: Cell) -> bool:
        status = self._acts.get(place, ok)(cell)
        if status is None:
            self.pending.append(Left(place, f"{place} is gone"))
            return False
        self.ran.append((place, cell))
        row = Measurement(cell_id=cell.id, status=status, wall_s=0.01)
        self.pending.append(NodeEvent(place, cell_done(cell, row)))
        if len(self.ran) in self._later:
            self.pending.append(self._later[len(self.ran)])
        return True


@pytest.fixture
def planner(tmp_path: Path) -> Planner:
    grid_fake.write(tmp_path / "toy.fake")
    sweep = parse_sweep(SWEEP.encode(), "toy.toml", tmp_path)
    return Planner(sweep, str(tmp_path / "rows"))


def play(
    executor: ScriptedExecutor, planner: Planner, wait_s: float = 0.0
) -> tuple[SweepCoordinator, list[Outcome]]:
    coordinator = SweepCoordinator(executor, planner, wait_for_nodes_s=wait_s)
    assert list(coordinator.gather()) == []
    coordinator.plan()
    return coordinator, list(coordinator.run())


def attempts(outcomes: Iterable[Outcome]) -> list[tuple[str, CellDone]]:
    """What each node reported of cells, by place."""
    return [
        (outcome.place, outcome.event)
        for outcome in outcomes
        if isinstance(outcome, NodeEvent) and isinstance(outcome.event, CellDone)
    ]


def final_attempts(outcomes: Iterable[Outcome]) -> list[CellDone]:
    return [event for _, event in attempts(outcomes) if not event.will_retry]


def ends(outcomes: Sequence[Outcome]) -> Counter[str]:
    """How often each cell came to an end."""
    unrunnable = (outcome.cell_id for outcome in outcomes if isinstance(outcome, Unrunnable))
    return Counter([*unrunnable, *(event.cell_id for event in final_attempts(outcomes))])


def test_speed_runs_on_each_class_and_quality_once(planner: Planner) -> None:
    executor = ScriptedExecutor([report_of("a"), report_of("b", "fast")], {})
    coordinator, outcomes = play(executor, planner)
    assert set(ends(outcomes).values()) == {1}
    assert len(ends(outcomes)) == coordinator.merged_plan.cell_count
    shared = [cell.id for _, cell in executor.ran if not cell.exclusive]
    assert len(shared) == len(set(shared)) > 0
    classes = {
        "a": report_of("a").node.hardware_class,
        "b": report_of("b", "fast").node.hardware_class,
    }
    speed = Counter(place for place, cell in executor.ran if cell.exclusive)
    assert speed["a"] == speed["b"] > 0
    assert all(cell.scope == classes[place] for place, cell in executor.ran if cell.exclusive)


def test_two_nodes_of_a_class_share_its_cells(planner: Planner) -> None:
    executor = ScriptedExecutor([report_of("a"), report_of("b")], {})
    _, outcomes = play(executor, planner)
    assert set(ends(outcomes).values()) == {1}
    assert len(executor.ran) == len(ends(outcomes))


def test_cells_of_a_lost_node_run_on_another(planner: Planner) -> None:
    count = iter(range(100))

    def dies(cell: Cell) -> Status | None:
        return "ok" if next(count) < 1 else None

    executor = ScriptedExecutor([report_of("a"), report_of("b")], {"a": dies})
    coordinator, outcomes = play(executor, planner)
    assert set(ends(outcomes).values()) == {1}
    assert len(ends(outcomes)) == coordinator.merged_plan.cell_count
    assert Left("a", "a is gone") in outcomes


def test_events_of_a_node_that_left_are_ignored(planner: Planner) -> None:
    executor = ScriptedExecutor([report_of("a"), report_of("b")], {})
    coordinator = SweepCoordinator(executor, planner, wait_for_nodes_s=0.0)
    list(coordinator.gather())
    coordinator.plan()
    cell = coordinator.merged_plan.read_cells()[0]
    executor.pending.append(Left("a", "a is gone"))
    row = Measurement(cell_id=cell.id, status="ok")
    executor.pending.append(NodeEvent("a", cell_done(cell, row)))
    outcomes = list(coordinator.run())
    assert set(ends(outcomes).values()) == {1}


def test_an_error_is_tried_once_more_on_another_node(planner: Planner) -> None:
    executor = ScriptedExecutor([report_of("a"), report_of("b")], {"a": lambda cell: "error"})
    _, outcomes = play(executor, planner)
    assert {place for place, event in attempts(outcomes) if event.will_retry} == {"a"}
    assert {event.status for event in final_attempts(outcomes)} == {"ok"}


def test_errors_of_a_single_node_are_final(planner: Planner) -> None:
    executor = ScriptedExecutor([report_of("a")], {"a": lambda cell: "error"})
    coordinator, outcomes = play(executor, planner)
    assert len(executor.ran) == coordinator.merged_plan.cell_count == len(ends(outcomes))


def test_a_late_node_of_a_new_class_brings_its_speed_cells(planner: Planner) -> None:
    late = Joined("late", report_of("late", "fast"))
    executor = ScriptedExecutor([report_of("a")], {}, later={2: late})
    coordinator, outcomes = play(executor, planner)
    assert CellsAdded() in outcomes
    assert set(ends(outcomes).values()) == {1}
    assert len(ends(outcomes)) == coordinator.merged_plan.cell_count
    assert any(place == "late" and cell.exclusive for place, cell in executor.ran)


def test_cells_of_a_hardware_class_that_left_are_lost(planner: Planner) -> None:
    executor = ScriptedExecutor([report_of("a"), report_of("b", "fast")], {"b": lambda cell: None})
    _, outcomes = play(executor, planner)
    assert {outcome.status for outcome in outcomes if isinstance(outcome, Unrunnable)} == {"lost"}
    assert set(ends(outcomes).values()) == {1}


def test_a_node_that_comes_back_runs_its_waiting_cells(planner: Planner) -> None:
    back = Joined("b.1", report_of("b", "fast"))
    executor = ScriptedExecutor(
        [report_of("a"), report_of("b", "fast")], {"b": lambda cell: None}, later={3: back}
    )
    _, outcomes = play(executor, planner, wait_s=60.0)
    assert not any(isinstance(outcome, Unrunnable) for outcome in outcomes)
    assert set(ends(outcomes).values()) == {1}


@pytest.mark.parametrize("first", ["full", "roomy"])
def test_a_full_disk_of_one_node_skips_nothing_that_its_twin_can_keep(
    planner: Planner, first: str
) -> None:
    reports = {
        "full": msgspec.structs.replace(report_of("full"), disk_room=0),
        "roomy": msgspec.structs.replace(report_of("roomy"), disk_room=2**40),
    }
    order = sorted(reports, key=lambda name: name != first)
    executor = ScriptedExecutor([reports[name] for name in order], {})
    coordinator, outcomes = play(executor, planner)
    assert coordinator.merged_plan.unrunnable_skips() == []
    assert len(ends(outcomes)) == len(planner.plan(reports["roomy"]).cells) > 0


def test_larger_cells_than_one_out_of_memory_are_of_its_class_and_artifact(
    planner: Planner,
) -> None:
    merged = SweepCoordinator(ScriptedExecutor([], {}), planner).merged_plan
    for report in (report_of("a"), report_of("b", "fast")):
        merged.add(report.profile, planner.plan(report))
    cells = {cell.id: cell for plan in merged.plans.values() for cell in plan.cells}
    small = next(
        c for c in cells.values() if c.label.endswith("pp64") and c.scope == HARDWARE_CLASS
    )
    larger = [cells[cell_id] for cell_id in merged.larger(small, report_of("a").profile, cells)]
    assert sorted(cell.workload.size for cell in larger) == [64, 128]
    assert {(cell.scope, cell.artifact.id) for cell in larger} == {(small.scope, small.artifact.id)}


def test_out_of_memory_skips_larger_cells_of_later_batches(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch_policy, "BATCH_CELLS", 1)

    def small(cell: Cell) -> Status | None:
        return "oom" if cell.label.endswith("pp64") else "ok"

    executor = ScriptedExecutor([report_of("a")], {"a": small})
    _, outcomes = play(executor, planner)
    assert set(ends(outcomes).values()) == {1}
    assert not [cell.label for _, cell in executor.ran if cell.label.endswith("pp128")]
    final = final_attempts(outcomes)
    assert [event.status for event in final if event.reason.startswith(PRUNED)] == ["skipped"] * 2


def test_quality_without_a_reference_is_dropped_where_another_node_has_one(
    planner: Planner,
) -> None:
    small = msgspec.structs.replace(report_of("small", "little"), free_bytes=67_250_000)
    executor = ScriptedExecutor([report_of("a"), small], {})
    play(executor, planner)
    quality = Counter(
        cell.artifact.quant for _, cell in executor.ran if kind(cell.workload) == "quality"
    )
    assert quality == {"F16": 2, "Q4": 1}, "16 bits have their noise floor beside"
    resumed = SweepCoordinator(ScriptedExecutor([report_of("a"), small], {}), planner)
    list(resumed.gather())
    resumed.plan()
    done = {cell.id for _, cell in executor.ran}
    resumed.merged_plan.remove_finished({report.profile: done for report in resumed.all_reports})
    assert resumed.merged_plan.all_work() == [], "nothing is left for a resume"


def test_unwanted_nodes_get_no_work(planner: Planner) -> None:
    planner.sweep = msgspec.structs.replace(planner.sweep, nodes=("*fast*",))
    executor = ScriptedExecutor([report_of("a"), report_of("b", "fast")], {})
    play(executor, planner)
    assert {place for place, _ in executor.ran} == {"b"}


def test_only_the_wanted_of_equal_nodes_gets_work(planner: Planner) -> None:
    planner.sweep = msgspec.structs.replace(planner.sweep, nodes=("b",))
    executor = ScriptedExecutor([report_of("a"), report_of("b")], {})
    play(executor, planner)
    assert {place for place, _ in executor.ran} == {"b"}


def test_gathering_no_node_raises_cluster_lost(planner: Planner) -> None:
    with pytest.raises(ClusterLost, match="no node"):
        list(SweepCoordinator(ScriptedExecutor([], {}), planner).gather())
