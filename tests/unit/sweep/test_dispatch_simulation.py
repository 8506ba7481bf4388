"""The simulated executor over the grid of twelve classes, at a tenth of its size."""

from __future__ import annotations

from collections import Counter

import pytest
from dispatch_cells import cell, node
from dispatch_simulation.lower_bound import lower_bound_s
from dispatch_simulation.simulation import Scenario, Simulation
from dispatch_simulation.workload import CHIPS, FAILING, scenario

from grid.sweep.dispatch.scheduler_state import Costs

NODES, CELLS, MODELS = 60, 4_000, 5

ALL_THEIR_PART = scenario(1, NODES, CELLS, MODELS)
ONE_TOO_MUCH = scenario(1, NODES, CELLS, MODELS, hardest=3.0)
FAILURES = scenario(1, 120, 8_000, MODELS, failures=True)


def _one_cell(**changes: object) -> Scenario:
    """A cell of 10 s on a node at half the estimate's speed; opening takes 5 s, making 20 s."""
    fields: dict[str, object] = {
        "works": (cell("a"),),
        "costs": Costs(loads={("e", "p"): 5.0}, makes={("e", "p"): 20.0}),
        "nodes": (node("n"),),
        "pace": {"n": 1.0},
        "truth": {"a": 2.0},
        "bias": {"p": 1.0},
        "peer_s": {"e": 1.0},
    }
    return Scenario(**(fields | changes))  # type: ignore[arg-type]


def test_a_cell_takes_making_opening_and_itself() -> None:
    assert Simulation(_one_cell()).run().makespan_s == pytest.approx(20 + 5 + 2 * 10)


def test_the_bound_of_one_cell_is_its_chain() -> None:
    assert lower_bound_s(_one_cell()) == pytest.approx(20 + 5 + 2 * 10)


def test_an_artifact_on_the_disk_is_not_made() -> None:
    on_disk = _one_cell(nodes=(node("n", disk=frozenset({"e"})),))
    assert Simulation(on_disk).run().makespan_s == pytest.approx(5 + 2 * 10)


def test_a_failing_cell_costs_a_part_of_its_time() -> None:
    assert Simulation(_one_cell(failing={"a": 1})).run().makespan_s == pytest.approx(20 + 5 + 10)


def test_the_generator_has_twelve_classes_and_as_many_cells_as_asked() -> None:
    assert len(ALL_THEIR_PART.works) == CELLS
    assert Counter(spec.profile for spec in ALL_THEIR_PART.nodes).keys() == {c.name for c in CHIPS}
    assert len(ALL_THEIR_PART.nodes) == NODES


def test_the_generator_gives_the_same_for_the_same_seed() -> None:
    assert scenario(1, NODES, CELLS, MODELS) == ALL_THEIR_PART
    assert scenario(2, NODES, CELLS, MODELS) != ALL_THEIR_PART


def test_two_cells_in_a_hundred_fail() -> None:
    assert len(FAILURES.failing) / len(FAILURES.works) == pytest.approx(FAILING, rel=0.2)
    assert FAILURES.leaves
    assert FAILURES.joins


@pytest.mark.parametrize(
    ("workload", "most"),
    [(ALL_THEIR_PART, 1.12), (ONE_TOO_MUCH, 1.12), (FAILURES, 1.25)],
    ids=["all their part", "one class too much", "failures"],
)
def test_the_makespan_is_near_the_bound(workload: Scenario, most: float) -> None:
    """Short of the 1.05 and 1.15 of a thousand nodes (`scripts/bench_dispatch.py`): with two nodes
    of a class, one straggler weighs as much as a tenth of the class."""
    outcomes = Simulation(workload).run()
    bound = lower_bound_s(workload)
    assert bound * 0.999 <= outcomes.makespan_s <= most * bound


def test_every_cell_of_a_failing_grid_ends_once() -> None:
    outcomes = Simulation(FAILURES).run()
    assert outcomes.ended.keys() == {work.cell_id for work in FAILURES.works}
    assert Counter(outcomes.ended.values())["given up"] == 0
    failed = {cell_id for cell_id, how in outcomes.ended.items() if how == "failed"}
    assert failed == {cell_id for cell_id, times in FAILURES.failing.items() if times > 1}


def test_engines_are_opened_less_than_twice_as_often_as_they_must_be() -> None:
    outcomes = Simulation(ONE_TOO_MUCH).run()
    needed = {(w.engine, p) for w in ONE_TOO_MUCH.works if w.exclusive for p in w.seconds}
    assert outcomes.loads <= 2 * len(needed)
