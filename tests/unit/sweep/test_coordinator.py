"""The conductor over scripted nodes: every cell ends once, whatever the nodes do."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeGuard

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
from grid.sweep.coordinator import Conductor, Crowd, Grown, Happened, Outcome, Unrunnable
from grid.sweep.dispatch import policy as dispatch_policy
from grid.sweep.events import CellDone
from grid.sweep.executors.executor import Ended, Gathered, Heard, Joined, Left, Told
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


def seen(name: str, chip: str = "slow") -> Report:
    node = Node(
        name=name,
        system="Linux x86_64",
        chip=chip,
        cores=2,
        memory_bytes=8 * GIB,
        bandwidth_bytes_s=10e9,
    )
    return Report(node=node, free_bytes=4 * GIB, backends={"fake": BackendState()})


HARDWARE_CLASS = seen("a").node.hardware_class


def ok(cell: Cell) -> Status | None:
    return "ok"


class Script:
    """Nodes that do at once what they are told to; `later` are heard after as many cells."""

    def __init__(
        self, nodes: Iterable[Report], acts: dict[str, Act], later: dict[int, Heard] | None = None
    ) -> None:
        self._heard: deque[Heard] = deque(Joined(one.node.name, one) for one in nodes)
        self._heard.append(Gathered())
        self._acts = acts
        self._later = later or {}
        self.ran: list[tuple[str, Cell]] = []

    def offer(self, cells: Iterable[Cell]) -> None:
        pass

    def give(self, place: str, sessions: Sequence[Session]) -> None:
        for session in sessions:
            for cell in session.cells:
                if not self._run(place, cell):
                    return
        self._heard.append(Ended(place))

    def hear(self, timeout_s: float) -> Heard | None:
        return self._heard.popleft() if self._heard else None

    def close(self) -> None:
        pass

    def _run(self, place: str, cell: Cell) -> bool:
        status = self._acts.get(place, ok)(cell)
        if status is None:
            self._heard.append(Left(place, f"{place} is gone"))
            return False
        self.ran.append((place, cell))
        row = Measurement(cell_id=cell.id, status=status, wall_s=0.01)
        self._heard.append(Told(place, (CellDone(measurement=row),)))
        if len(self.ran) in self._later:
            self._heard.append(self._later[len(self.ran)])
        return True


@pytest.fixture
def planner(tmp_path: Path) -> Planner:
    grid_fake.write(tmp_path / "toy.fake")
    sweep = parse_sweep(SWEEP.encode(), "toy.toml", tmp_path)
    return Planner(sweep, str(tmp_path / "rows"))


def played(crew: Script, planner: Planner, wait_s: float = 0.0) -> tuple[Conductor, list[Outcome]]:
    conductor = Conductor(crew, planner, wait_for_nodes_s=wait_s)
    assert list(conductor.gather()) == []
    conductor.plan()
    return conductor, list(conductor.run())


def is_end(one: Outcome) -> TypeGuard[Happened]:
    return isinstance(one, Happened) and isinstance(one.event, CellDone) and not one.again


def ends(outcomes: Iterable[Outcome]) -> Counter[str]:
    """How often each cell came to an end."""
    found: Counter[str] = Counter()
    for one in outcomes:
        if isinstance(one, Unrunnable):
            found[one.cell_id] += 1
        elif isinstance(one, Happened) and isinstance(one.event, CellDone) and not one.again:
            found[one.event.measurement.cell_id] += 1
    return found


def test_speed_runs_on_each_class_and_quality_once(planner: Planner) -> None:
    crew = Script([seen("a"), seen("b", "fast")], {})
    conductor, outcomes = played(crew, planner)
    assert set(ends(outcomes).values()) == {1}
    assert len(ends(outcomes)) == conductor.campaign.cells
    shared = [cell.id for _, cell in crew.ran if not cell.exclusive]
    assert len(shared) == len(set(shared)) > 0
    classes = {"a": seen("a").node.hardware_class, "b": seen("b", "fast").node.hardware_class}
    speed = Counter(place for place, cell in crew.ran if cell.exclusive)
    assert speed["a"] == speed["b"] > 0
    assert all(cell.scope == classes[place] for place, cell in crew.ran if cell.exclusive)


def test_two_nodes_of_a_class_share_its_cells(planner: Planner) -> None:
    crew = Script([seen("a"), seen("b")], {})
    _, outcomes = played(crew, planner)
    assert set(ends(outcomes).values()) == {1}
    assert len(crew.ran) == len(ends(outcomes))


def test_what_a_lost_node_had_is_done_by_another(planner: Planner) -> None:
    count = iter(range(100))

    def dies(cell: Cell) -> Status | None:
        return "ok" if next(count) < 1 else None

    crew = Script([seen("a"), seen("b")], {"a": dies})
    conductor, outcomes = played(crew, planner)
    assert set(ends(outcomes).values()) == {1}
    assert len(ends(outcomes)) == conductor.campaign.cells
    assert any(isinstance(one, Crowd) and not one.joined for one in outcomes)


def test_what_a_node_says_after_it_left_is_not_counted(planner: Planner) -> None:
    only = seen("a")
    crew = Script([only, seen("b")], {})
    conductor = Conductor(crew, planner, wait_for_nodes_s=0.0)
    list(conductor.gather())
    conductor.plan()
    cell = conductor.campaign.read_cells()[0]
    crew._heard.append(Left("a", "a is gone"))
    row = Measurement(cell_id=cell.id, status="ok")
    crew._heard.append(Told("a", (CellDone(measurement=row),)))
    outcomes = list(conductor.run())
    assert set(ends(outcomes).values()) == {1}


def test_an_error_is_tried_once_more_on_another_node(planner: Planner) -> None:
    crew = Script([seen("a"), seen("b")], {"a": lambda cell: "error"})
    _, outcomes = played(crew, planner)
    told = [
        one
        for one in outcomes
        if isinstance(one, Happened) and isinstance(one.event, CellDone) and one.again
    ]
    assert told
    assert all(one.report.node.name == "a" for one in told)
    final = {
        one.event.measurement.cell_id: one.event.measurement.status
        for one in outcomes
        if isinstance(one, Happened) and isinstance(one.event, CellDone) and not one.again
    }
    assert set(final.values()) == {"ok"}


def test_a_single_node_has_all_its_errors_and_goes_on(planner: Planner) -> None:
    crew = Script([seen("a")], {"a": lambda cell: "error"})
    conductor, outcomes = played(crew, planner)
    assert len(crew.ran) == conductor.campaign.cells == len(ends(outcomes))


def test_a_late_node_of_a_new_class_brings_its_speed_cells(planner: Planner) -> None:
    late = Joined("late", seen("late", "fast"))
    crew = Script([seen("a")], {}, later={2: late})
    conductor, outcomes = played(crew, planner)
    assert any(isinstance(one, Grown) for one in outcomes)
    assert set(ends(outcomes).values()) == {1}
    assert len(ends(outcomes)) == conductor.campaign.cells
    assert any(place == "late" and cell.exclusive for place, cell in crew.ran)


def test_cells_of_a_class_that_is_gone_are_lost_with_the_reason(planner: Planner) -> None:
    crew = Script([seen("a"), seen("b", "fast")], {"b": lambda cell: None})
    _, outcomes = played(crew, planner)
    lost = [one for one in outcomes if isinstance(one, Unrunnable)]
    assert lost
    assert {one.status for one in lost} == {"lost"}
    assert set(ends(outcomes).values()) == {1}


def test_a_node_that_comes_back_goes_on(planner: Planner) -> None:
    again = Joined("b.1", seen("b", "fast"))
    crew = Script([seen("a"), seen("b", "fast")], {"b": lambda cell: None}, later={3: again})
    _, outcomes = played(crew, planner, wait_s=60.0)
    assert not [one for one in outcomes if isinstance(one, Unrunnable)]
    assert set(ends(outcomes).values()) == {1}


def test_what_is_larger_than_an_out_of_memory_is_not_tried(planner: Planner) -> None:
    campaign = Conductor(Script([], {}), planner).campaign
    for report in (seen("a"), seen("b", "fast")):
        campaign.add(report.profile, planner.plan(report))
    cells = {cell.id: cell for plan in campaign.plans.values() for cell in plan.cells}
    small = next(
        c for c in cells.values() if c.label.endswith("pp64") and c.scope == HARDWARE_CLASS
    )
    found = [cells[one] for one in campaign.larger(small, seen("a").profile, cells)]
    assert sorted(cell.workload.size for cell in found) == [64, 128]
    assert {(cell.scope, cell.artifact.id) for cell in found} == {(small.scope, small.artifact.id)}


def test_an_out_of_memory_ends_what_is_larger_in_later_batches(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch_policy, "BATCH_CELLS", 1)

    def small(cell: Cell) -> Status | None:
        return "oom" if cell.label.endswith("pp64") else "ok"

    crew = Script([seen("a")], {"a": small})
    _, outcomes = played(crew, planner)
    assert set(ends(outcomes).values()) == {1}
    assert not [cell.label for _, cell in crew.ran if cell.label.endswith("pp128")]
    pruned = [one.event.measurement for one in outcomes if is_end(one)]
    assert [row.status for row in pruned if row.reason.startswith(PRUNED)] == ["skipped"] * 2


def test_quality_without_a_reference_is_left_out_where_another_node_has_one(
    planner: Planner,
) -> None:
    small = msgspec.structs.replace(seen("small", "little"), free_bytes=67_250_000)
    crew = Script([seen("a"), small], {})
    played(crew, planner)
    quality = Counter(
        cell.artifact.quant for _, cell in crew.ran if kind(cell.workload) == "quality"
    )
    assert quality == {"F16": 2, "Q4": 1}, "16 bits have their noise floor beside"
    again = Conductor(Script([seen("a"), small], {}), planner)
    list(again.gather())
    again.plan()
    done = {cell.id for _, cell in crew.ran}
    again.campaign.minus({report.profile: done for report in again.everyone})
    assert again.campaign.works() == [], "nothing is left for a resume"


def test_nodes_that_the_sweep_does_not_want_get_nothing(planner: Planner) -> None:
    planner.sweep = msgspec.structs.replace(planner.sweep, nodes=("*fast*",))
    crew = Script([seen("a"), seen("b", "fast")], {})
    played(crew, planner)
    assert {place for place, _ in crew.ran} == {"b"}


def test_of_nodes_alike_only_the_wanted_one_gets_work(planner: Planner) -> None:
    planner.sweep = msgspec.structs.replace(planner.sweep, nodes=("b",))
    crew = Script([seen("a"), seen("b")], {})
    played(crew, planner)
    assert {place for place, _ in crew.ran} == {"b"}


def test_without_any_node_the_cluster_is_lost(planner: Planner) -> None:
    with pytest.raises(ClusterLost, match="no node"):
        list(Conductor(Script([], {}), planner).gather())
