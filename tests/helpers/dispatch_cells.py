"""Cells and places for the tests of dispatch."""

from __future__ import annotations

from grid.sweep.dispatch.board import Assignment, Board, Costs, Outcome, Place, Work

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


def place(
    name: str,
    profile: str = "p",
    *,
    host: int = 100,
    device: int = 0,
    slots: int = 1,
    disk: frozenset[str] = frozenset(),
) -> Place:
    return Place(
        name=name, profile=profile, host_bytes=host, device_bytes=device, slots=slots, disk=disk
    )


def begin(board: Board, name: str) -> Assignment:
    """The place takes what the board chooses for it."""
    assignment = board.choose(name)
    assert assignment is not None, f"nothing for {name}"
    board.start(assignment)
    return assignment


def finish(board: Board, assignment: Assignment, outcome: Outcome = Outcome.ok) -> None:
    """Every cell of the batch ends so."""
    for cell_id in assignment.cells:
        board.done(assignment.place, cell_id, outcome)
    board.idle(assignment.place, assignment.engine)


def run_all(board: Board, names: list[str]) -> list[Assignment]:
    """Places in turn take a batch and finish it, until nothing is left; the batches in order."""
    batches: list[Assignment] = []
    while board.left:
        before = len(batches)
        for name in names:
            assignment = board.choose(name)
            if assignment is not None:
                board.start(assignment)
                finish(board, assignment)
                batches.append(assignment)
        assert len(batches) > before, f"{board.left} cells wait and nobody takes them"
    return batches
