"""Dispatch: cells that fail, and nodes that go."""

from __future__ import annotations

import pytest
from dispatch_cells import begin, cell, finish, node, run_all

from grid.sweep.dispatch.scheduler_state import AttemptOutcome, SchedulerState


def test_a_failed_cell_is_tried_once_more_at_another_node() -> None:
    state = SchedulerState([cell("a")], nodes=[node("n"), node("m")])
    assert not state.record_end(*_only(state, "n"), AttemptOutcome.failed)
    state.end_batch("n")
    assert state.choose("n") is None
    assert state.record_end(*_only(state, "m"), AttemptOutcome.failed)
    assert state.left == 0


def test_without_another_node_a_failure_is_the_end() -> None:
    state = SchedulerState([cell("a", host=90)], nodes=[node("n"), node("little", host=50)])
    assert state.record_end(*_only(state, "n"), AttemptOutcome.failed)
    assert state.left == 0


def test_out_of_memory_is_not_tried_again() -> None:
    state = SchedulerState([cell("a")], nodes=[node("n"), node("m")])
    assert state.record_end(*_only(state, "n"), AttemptOutcome.final)


def test_a_failed_cell_may_return_when_every_other_node_is_gone() -> None:
    state = SchedulerState([cell("a")], nodes=[node("n"), node("m")])
    state.record_end(*_only(state, "n"), AttemptOutcome.failed)
    state.end_batch("n")
    state.leave("m", "it left")
    assert begin(state, "n").cells == ("a",)


def test_cells_of_a_node_that_left_are_queued_again() -> None:
    state = SchedulerState([cell("a"), cell("b")], nodes=[node("n"), node("m")])
    assert set(begin(state, "n").cells) == set(state.leave("n", "it left").requeued)
    assert {c for batch in run_all(state, ["m"]) for c in batch.cells} == {"a", "b"}


def test_a_cell_that_takes_three_nodes_with_it_is_given_up() -> None:
    cells = [cell("bad", at={"p": 0.0}), *(cell(f"c{n}", at={"p": 0.0}) for n in range(4))]
    state = SchedulerState(cells, nodes=[node("n")])
    for turn in range(3):
        assert begin(state, "n").cells[0] == "bad"
        state.record_end(
            "n", f"c{turn}", AttemptOutcome.ok
        )  # so it is neither the engine nor the node
        given_up = state.leave("n", "connection lost").given_up
        state.join(node("n"))
    assert given_up == {"bad": "lost 3 times; the last time: connection lost"}
    assert begin(state, "n").cells == ("c3",)


def test_an_engine_that_takes_three_nodes_with_it_is_given_up() -> None:
    cells = [cell(f"c{n}", at={"p": 20.0}, exclusive=True) for n in range(9)]
    cells.append(cell("other", "f", at={"p": 1.0}))
    state = SchedulerState(cells, nodes=[node(f"n{n}") for n in range(4)])
    for name in ("n0", "n1", "n2"):
        assert begin(state, name).engine == "e"
        given_up = state.leave(name, "connection lost").given_up
    assert len(given_up) == 9
    assert given_up["c5"] == (
        "3 nodes were lost with its engine open, no cell done: connection lost"
    )
    assert begin(state, "n3").cells == ("other",)
    assert state.left == 1


def test_cells_behind_the_one_that_was_under_way_are_not_blamed() -> None:
    state = SchedulerState(
        [cell(f"c{n}", rank=n, at={"p": 0.0}) for n in range(9)], nodes=[node("n")]
    )
    given_up: list[str] = []
    for turn in range(6):
        assert len(begin(state, "n").cells) == 9 - turn
        state.record_end("n", f"c{turn}", AttemptOutcome.ok)  # then the next one is under way
        given_up += state.leave("n", "it left").given_up
        state.join(node("n"))
    assert given_up == []
    assert state.left == 3


def test_a_cell_that_a_batch_forgot_is_queued_again() -> None:
    state = SchedulerState([cell("a")], nodes=[node("n")])
    begin(state, "n")
    assert state.end_batch("n").requeued == ("a",)
    assert begin(state, "n").cells == ("a",)


def test_a_node_where_three_engines_fail_that_work_elsewhere_is_set_aside() -> None:
    state = SchedulerState([cell(e, e) for e in "efghij"], nodes=[node("good"), node("bad")])
    for _ in range(3):
        finish(state, begin(state, "bad"), AttemptOutcome.failed)
    assert state.set_aside == {}  # they may fail everywhere
    while (choice := state.choose("good")) is not None:
        state.start(choice)
        finish(state, choice)
    assert state.set_aside == {"bad": "3 engines failed here that work on other nodes"}
    assert state.choose("bad") is None
    assert state.left == 0


def test_an_engine_that_fails_everywhere_is_not_the_nodes_fault() -> None:
    cells = [cell(f"{e}", e) for e in "abcdefgh"]
    state = SchedulerState(cells, nodes=[node("n"), node("m")])
    while state.left:
        for name in ("n", "m"):
            if (choice := state.choose(name)) is not None:
                state.start(choice)
                finish(state, choice, AttemptOutcome.failed)
    assert state.set_aside == {}


def test_a_single_node_is_not_set_aside_for_failing_cells() -> None:
    state = SchedulerState([cell(f"c{n}", f"e{n}") for n in range(6)], nodes=[node("n")])
    while state.left:
        finish(state, begin(state, "n"), AttemptOutcome.failed)
    assert state.set_aside == {}


def test_a_node_that_dies_three_times_without_a_result_is_set_aside() -> None:
    state = SchedulerState([cell(f"c{n}", f"e{n}") for n in range(6)], nodes=[node("n")])
    for _ in range(3):
        begin(state, "n")
        state.leave("n", "its worker died")
        welcome = state.join(node("n"))
    assert not welcome
    reason = "lost 3 times in a row with no cell done in between: its worker died"
    assert state.set_aside == {"n": reason}
    assert set(state.infeasible().values()) == {
        f"no node is left for it; n was set aside: {reason}"
    }


def test_a_node_that_comes_back_and_works_is_welcome() -> None:
    state = SchedulerState([cell(f"c{n}", f"e{n}") for n in range(8)], nodes=[node("n")])
    for _ in range(4):
        finish(state, begin(state, "n"))
        begin(state, "n")
        state.leave("n", "asleep")
        assert state.join(node("n"))


def test_a_node_joins_once() -> None:
    state = SchedulerState([cell("a")], nodes=[node("n")])
    with pytest.raises(ValueError, match="n is there"):
        state.join(node("n"))


def _only(state: SchedulerState, name: str) -> tuple[str, str]:
    """The node and the cell of a batch of one."""
    (cell_id,) = begin(state, name).cells
    return name, cell_id
