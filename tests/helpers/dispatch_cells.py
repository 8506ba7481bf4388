"""Cells and nodes for the tests of dispatch."""

from __future__ import annotations

from grid.sweep.dispatch.scheduler_state import (
    Assignment,
    AttemptOutcome,
    Costs,
    NodeSpec,
    SchedulerState,
    Work,
)

COSTS = Costs()


def cell(
    name: str,
    engine: str = "e",
    *,
    at: dict[str, float] | None = None,
    exclusive: bool = False,
    rank: int = 0,
    host: int = 0,
    device: int = 0,
) -> Work:
    """A cell; its artifact is its engine's name up to the first `/`."""
    return Work(
        cell_id=name,
        engine=engine,
        artifact=engine.split("/")[0],
        exclusive=exclusive,
        seconds={"p": 10.0} if at is None else at,
        rank=(rank,),
        host_bytes=host,
        device_bytes=device,
    )


def node(
    name: str,
    profile: str = "p",
    *,
    host: int = 100,
    device: int = 0,
    slots: int = 1,
    disk: frozenset[str] = frozenset(),
) -> NodeSpec:
    return NodeSpec(
        name=name, profile=profile, host_bytes=host, device_bytes=device, slots=slots, disk=disk
    )


def begin(state: SchedulerState, name: str) -> Assignment:
    """The node takes what the state chooses for it."""
    assignment = state.choose(name)
    assert assignment is not None, f"nothing for {name}"
    state.start(assignment)
    return assignment


def finish(
    state: SchedulerState, assignment: Assignment, outcome: AttemptOutcome = AttemptOutcome.ok
) -> None:
    """Every cell of the batch ends so."""
    for cell_id in assignment.cells:
        state.record_end(assignment.node, cell_id, outcome)
    state.end_batch(assignment.node, assignment.engine)


def run_all(state: SchedulerState, names: list[str]) -> list[Assignment]:
    """Nodes in turn take a batch and finish it, until nothing is left; the batches in order."""
    batches: list[Assignment] = []
    while state.left:
        before = len(batches)
        for name in names:
            assignment = state.choose(name)
            if assignment is not None:
                state.start(assignment)
                finish(state, assignment)
                batches.append(assignment)
        assert len(batches) > before, f"{state.left} cells wait and nobody takes them"
    return batches
