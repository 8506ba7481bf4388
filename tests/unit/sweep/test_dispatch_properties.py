"""Dispatch: whatever happens, every cell ends exactly once."""

from __future__ import annotations

from dispatch_cells import cell, node
from dispatch_simulation.lower_bound import lower_bound_s
from dispatch_simulation.simulation import Outcomes, Scenario, Simulation
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.sweep.dispatch.scheduler_state import Costs, NodeSpec, Work

PROFILES = ("p", "q", "r")

_nodes = st.builds(
    node,
    name=st.just(""),
    profile=st.sampled_from(PROFILES),
    host=st.integers(50, 100),
    slots=st.integers(1, 2),
)


@st.composite
def _cells(draw: st.DrawFn) -> list[Work]:
    cells = []
    for number in range(draw(st.integers(1, 30))):
        exclusive = draw(st.booleans())
        at = draw(
            st.dictionaries(
                st.sampled_from(PROFILES),
                st.floats(0.0, 300.0),
                min_size=1,
                max_size=1 if exclusive else 3,
            )
        )
        cells.append(
            cell(
                f"c{number}",
                draw(st.sampled_from(("a/1", "a/2", "b", "c"))),
                at=at,
                exclusive=exclusive,
                rank=draw(st.integers(0, 3)),
                host=draw(st.integers(0, 50)),
            )
        )
    return cells


def _renumbered(nodes: list[NodeSpec], prefix: str) -> list[NodeSpec]:
    return [
        node(f"{prefix}{n}", spec.profile, host=spec.host_bytes, slots=spec.slots)
        for n, spec in enumerate(nodes)
    ]


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """A node of each class that stays; others that leave, come back and come late."""
    cells = draw(_cells())
    staying = [node(name, name) for name in PROFILES]
    leaving = _renumbered(draw(st.lists(_nodes, max_size=3)), "leaving")
    coming = _renumbered(draw(st.lists(_nodes, max_size=3)), "coming")
    times = st.floats(0.0, 2000.0)
    leaves = [(draw(times), spec.name) for spec in leaving]
    joins = [(draw(times), spec) for spec in coming]
    joins += [
        (t + 100.0, p) for (t, _), p in zip(leaves, leaving, strict=True) if draw(st.booleans())
    ]
    names = [spec.name for spec in (*staying, *leaving, *coming)]
    return Scenario(
        works=tuple(cells),
        costs=Costs(),
        nodes=(*staying, *leaving),
        pace={name: draw(st.floats(0.9, 1.1)) for name in names},
        truth={work.cell_id: draw(st.floats(0.5, 5.0)) for work in cells},
        bias={name: draw(st.floats(0.7, 1.4)) for name in PROFILES},
        peer_s={work.artifact: 3.0 for work in cells},
        failing=draw(
            st.dictionaries(st.sampled_from([work.cell_id for work in cells]), st.integers(1, 2))
        ),
        leaves=tuple(leaves),
        joins=tuple(joins),
    )


@settings(max_examples=60, deadline=None)
@given(scenario=scenarios())
def test_every_cell_ends_once_and_no_schedule_beats_the_bound(scenario: Scenario) -> None:
    outcomes = Simulation(scenario).run()
    assert set(outcomes.ended) == {work.cell_id for work in scenario.works}
    _check_failures(scenario, outcomes)
    if not scenario.failing:  # a failed cell is not tried twice where one node alone could
        assert outcomes.makespan_s >= lower_bound_s(scenario) * 0.999


def _check_failures(scenario: Scenario, outcomes: Outcomes) -> None:
    """Cells that fail at no try, or at every one, end as they must."""
    for cell_id, how in outcomes.ended.items():
        failures = scenario.failing.get(cell_id, 0)
        if failures == 0:
            assert how in ("ok", "given up")
        if failures > 1:
            assert how in ("failed", "given up")


@settings(max_examples=15, deadline=None)
@given(scenario=scenarios())
def test_the_same_scenario_gives_the_same_schedule(scenario: Scenario) -> None:
    assert Simulation(scenario).run() == Simulation(scenario).run()
