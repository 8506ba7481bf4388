"""Dispatch: cells that fail, and places that go."""

from __future__ import annotations

import pytest
from dispatch_cells import begin, cell, finish, place, run_all

from grid.sweep.dispatch.board import Board, Outcome


def test_a_failed_cell_is_tried_once_more_at_another_place() -> None:
    board = Board([cell("a")], places=[place("n"), place("m")])
    assert not board.done(*_only(board, "n"), Outcome.failed)
    board.idle("n")
    assert board.choose("n") is None
    assert board.done(*_only(board, "m"), Outcome.failed)
    assert board.left == 0


def test_where_there_is_no_other_place_a_failure_is_the_end() -> None:
    board = Board([cell("a", host=90)], places=[place("n"), place("little", host=50)])
    assert board.done(*_only(board, "n"), Outcome.failed)
    assert board.left == 0


def test_out_of_memory_is_not_tried_again() -> None:
    board = Board([cell("a")], places=[place("n"), place("m")])
    assert board.done(*_only(board, "n"), Outcome.final)


def test_a_failed_cell_may_return_where_every_other_place_is_gone() -> None:
    board = Board([cell("a")], places=[place("n"), place("m")])
    board.done(*_only(board, "n"), Outcome.failed)
    board.idle("n")
    board.leave("m", "it left")
    assert begin(board, "n").cells == ("a",)


def test_cells_of_a_place_that_left_are_queued_again() -> None:
    board = Board([cell("a"), cell("b")], places=[place("n"), place("m")])
    assert set(begin(board, "n").cells) == set(board.leave("n", "it left").requeued)
    assert {c for batch in run_all(board, ["m"]) for c in batch.cells} == {"a", "b"}


def test_a_cell_that_takes_three_places_with_it_is_given_up() -> None:
    cells = [cell("bad", at={"p": 0.0}), *(cell(f"c{n}", at={"p": 0.0}) for n in range(4))]
    board = Board(cells, places=[place("n")])
    for turn in range(3):
        assert begin(board, "n").cells[0] == "bad"
        board.done("n", f"c{turn}", Outcome.ok)  # so it is neither the engine nor the place
        given_up = board.leave("n", "connection lost").given_up
        board.join(place("n"))
    assert given_up == {"bad": "lost 3 times; the last time: connection lost"}
    assert begin(board, "n").cells == ("c3",)


def test_an_engine_that_takes_three_places_with_it_is_given_up() -> None:
    cells = [cell(f"c{n}", at={"p": 20.0}, exclusive=True) for n in range(9)]
    cells.append(cell("other", "f", at={"p": 1.0}))
    board = Board(cells, places=[place(f"n{n}") for n in range(4)])
    for name in ("n0", "n1", "n2"):
        assert begin(board, name).engine == "e"
        given_up = board.leave(name, "connection lost").given_up
    assert len(given_up) == 9
    assert given_up["c5"] == (
        "3 nodes were lost with its engine open, no cell done: connection lost"
    )
    assert begin(board, "n3").cells == ("other",)
    assert board.left == 1


def test_cells_behind_the_one_that_was_under_way_are_not_blamed() -> None:
    board = Board([cell(f"c{n}", rank=n, at={"p": 0.0}) for n in range(9)], places=[place("n")])
    given_up: list[str] = []
    for turn in range(6):
        assert len(begin(board, "n").cells) == 9 - turn
        board.done("n", f"c{turn}", Outcome.ok)  # then the next one is under way
        given_up += board.leave("n", "it left").given_up
        board.join(place("n"))
    assert given_up == []
    assert board.left == 3


def test_a_cell_that_a_batch_forgot_is_queued_again() -> None:
    board = Board([cell("a")], places=[place("n")])
    begin(board, "n")
    assert board.idle("n").requeued == ("a",)
    assert begin(board, "n").cells == ("a",)


def test_a_place_where_three_engines_fail_that_work_elsewhere_is_set_aside() -> None:
    board = Board([cell(e, e) for e in "efghij"], places=[place("good"), place("bad")])
    for _ in range(3):
        finish(board, begin(board, "bad"), Outcome.failed)
    assert board.aside == {}  # they may fail everywhere
    while (choice := board.choose("good")) is not None:
        board.start(choice)
        finish(board, choice)
    assert board.aside == {"bad": "3 engines failed here that work on other nodes"}
    assert board.choose("bad") is None
    assert board.left == 0


def test_an_engine_that_fails_everywhere_is_not_the_places_fault() -> None:
    cells = [cell(f"{e}", e) for e in "abcdefgh"]
    board = Board(cells, places=[place("n"), place("m")])
    while board.left:
        for name in ("n", "m"):
            if (choice := board.choose(name)) is not None:
                board.start(choice)
                finish(board, choice, Outcome.failed)
    assert board.aside == {}


def test_a_single_place_is_not_set_aside_for_failing_cells() -> None:
    board = Board([cell(f"c{n}", f"e{n}") for n in range(6)], places=[place("n")])
    while board.left:
        finish(board, begin(board, "n"), Outcome.failed)
    assert board.aside == {}


def test_a_place_that_dies_three_times_without_a_result_is_set_aside() -> None:
    board = Board([cell(f"c{n}", f"e{n}") for n in range(6)], places=[place("n")])
    for _ in range(3):
        begin(board, "n")
        board.leave("n", "its worker died")
        welcome = board.join(place("n"))
    assert not welcome
    reason = "lost 3 times in a row with no cell done in between: its worker died"
    assert board.aside == {"n": reason}
    assert set(board.infeasible().values()) == {
        f"no node is left for it; n was set aside: {reason}"
    }


def test_a_place_that_comes_back_and_works_is_welcome() -> None:
    board = Board([cell(f"c{n}", f"e{n}") for n in range(8)], places=[place("n")])
    for _ in range(4):
        finish(board, begin(board, "n"))
        begin(board, "n")
        board.leave("n", "asleep")
        assert board.join(place("n"))


def test_a_place_joins_once() -> None:
    board = Board([cell("a")], places=[place("n")])
    with pytest.raises(ValueError, match="n is there"):
        board.join(place("n"))


def _only(board: Board, name: str) -> tuple[str, str]:
    """The place and the cell of a batch of one."""
    (cell_id,) = begin(board, name).cells
    return name, cell_id
