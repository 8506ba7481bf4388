"""Dispatch: what a free place is given."""

from __future__ import annotations

from dispatch_cells import begin, cell, finish, place, run_all

from grid.sweep.dispatch.board import Board, Costs


def test_choosing_changes_nothing() -> None:
    board = Board([cell("a"), cell("b")], places=[place("n")])
    assert board.choose("n") == board.choose("n")
    assert board.left == 2


def test_a_class_runs_its_own_cells_only() -> None:
    cells = [cell("slow", at={"p": 1.0}, exclusive=True), cell("fast", at={"q": 1.0})]
    board = Board(cells, places=[place("p1"), place("q1", "q")])
    assert begin(board, "p1").cells == ("slow",)
    assert begin(board, "q1").cells == ("fast",)


def test_every_hardware_class_runs_its_speed_cells() -> None:
    cells = [cell(f"{p}{n}", at={p: 5.0}, exclusive=True) for p in "pqr" for n in range(4)]
    board = Board(cells, places=[place(f"{p}1", p) for p in "pqr"])
    batches = run_all(board, ["p1", "q1", "r1"])
    assert {b.place: {c[0] for c in b.cells} for b in batches} == {
        "p1": {"p"},
        "q1": {"q"},
        "r1": {"r"},
    }


def test_a_place_goes_on_with_its_engine() -> None:
    cells = [cell(f"{e}{n}", e, at={"p": 40.0}) for n in range(4) for e in ("e", "f")]
    board = Board(cells, places=[place("n"), place("m")])
    first = begin(board, "n")
    finish(board, first)
    assert begin(board, "n").engine == first.engine


def test_two_places_open_two_engines() -> None:
    cells = [cell(f"{e}{n}", e, at={"p": 40.0}) for e in ("e", "f") for n in range(4)]
    board = Board(cells, places=[place("n"), place("m")])
    assert begin(board, "n").engine != begin(board, "m").engine


def test_exclusive_cells_of_an_engine_come_before_its_shared_ones() -> None:
    board = Board([cell("shared", rank=0), cell("alone", exclusive=True, rank=1)])
    board.join(place("n"))
    assert begin(board, "n").cells == ("alone",)


def test_a_batch_is_exclusive_or_shared() -> None:
    cells = [cell(f"c{n}", exclusive=n % 2 == 0, at={"p": 0.01}) for n in range(20)]
    board = Board(cells, places=[place("n")])
    for batch in run_all(board, ["n"]):
        assert {int(c[1:]) % 2 == 0 for c in batch.cells} == {batch.exclusive}


def test_an_exclusive_batch_waits_for_the_place_to_be_empty() -> None:
    cells = [cell("shared", "e"), cell("alone", "f", exclusive=True, at={"p": 5.0})]
    board = Board(cells, places=[place("n", slots=2), place("other", "q")])
    first = begin(board, "n")
    assert first.cells == ("shared",)
    assert board.choose("n") is None
    finish(board, first)
    assert begin(board, "n").cells == ("alone",)
    assert board.choose("n") is None


def test_shared_batches_fill_the_slots() -> None:
    cells = [cell(f"c{n}", f"e{n}", host=30) for n in range(3)]
    board = Board(cells, places=[place("n", slots=2)])
    assert begin(board, "n").engine != begin(board, "n").engine
    assert board.choose("n") is None


def test_batches_beside_each_other_share_the_memory() -> None:
    cells = [cell("large", "e", host=80), cell("larger", "f", host=90)]
    board = Board(cells, places=[place("n", slots=2)])
    first = begin(board, "n")
    assert board.choose("n") is None
    finish(board, first)
    assert begin(board, "n").cells == ("larger",)


def test_a_cell_goes_where_its_memory_is() -> None:
    cells = [cell("big", "e", host=90), cell("vram", "f", device=20), cell("small", "g")]
    places = [place("little", host=50), place("roomy"), place("gpu", host=50, device=24)]
    board = Board(cells, places=places)
    assert begin(board, "little").cells == ("small",)
    assert begin(board, "roomy").cells == ("big",)
    assert begin(board, "gpu").cells == ("vram",)


def test_the_engine_with_the_longest_cell_is_opened_first() -> None:
    cells = [cell("short", "e", at={"p": 5.0}), cell("long", "f", at={"p": 50.0})]
    board = Board(cells, places=[place("n"), place("m")])
    assert begin(board, "n").cells == ("long",)


def test_a_long_cell_goes_before_its_rank() -> None:
    cells = [cell("short", rank=0, at={"p": 1.0}), cell("long", rank=1, at={"p": 50.0})]
    board = Board(cells, places=[place("n"), place("m")])
    assert begin(board, "n").cells == ("long",)


def test_a_single_place_keeps_the_order_given() -> None:
    cells = [
        cell("a2", "a", rank=2, at={"p": 1.0}),
        cell("a1", "a", rank=1, at={"p": 70.0}),
        cell("b", "b", at={"p": 500.0}),
        cell("c", "c", at={"p": 5.0}),
    ]
    board = Board(cells, places=[place("n", disk=frozenset({"c"}))])
    batches = run_all(board, ["n"])
    assert [c for batch in batches for c in batch.cells] == ["a1", "a2", "b", "c"]


def test_of_engines_alike_the_one_whose_artifact_is_on_the_disk_is_opened() -> None:
    cells = [cell(f"c{n}", f"e{n}") for n in range(4)]
    board = Board(cells, places=[place("n", disk=frozenset({"e2"})), place("m")])
    assert begin(board, "n").engine == "e2"


def test_what_was_observed_is_on_the_disk() -> None:
    cells = [cell(f"c{n}", f"e{n}") for n in range(4)]
    board = Board(cells, places=[place("n"), place("m")])
    board.observe("m", "e3")
    assert begin(board, "m").engine == "e3"


def test_an_artifact_that_another_place_makes_is_not_waited_for() -> None:
    cells = [cell("x", "a/1", at={"p": 50.0}), cell("y", "a/2", at={"p": 49.0}), cell("z", "b")]
    board = Board(cells, places=[place("n"), place("m")])
    assert begin(board, "n").engine == "a/1"
    assert begin(board, "m").engine == "b"


def test_once_it_is_made_it_is() -> None:
    cells = [cell("x", "a/1", at={"p": 50.0}), cell("y", "a/2", at={"p": 49.0}), cell("z", "b")]
    board = Board(cells, places=[place("n"), place("m")])
    begin(board, "n")
    board.observe("n", "a")
    assert begin(board, "m").engine == "a/2"


def test_a_free_place_helps_where_much_is_left() -> None:
    cells = [cell(f"c{n}", at={"p": 50.0}) for n in range(10)]
    board = Board(cells, places=[place("n"), place("m")])
    assert begin(board, "n").engine == begin(board, "m").engine


def test_help_that_comes_too_late_is_not_given() -> None:
    costs = Costs(loads={("e", "p"): 1000.0})
    board = Board([cell("a"), cell("b")], costs, [place("n"), place("m")])
    begin(board, "n")
    assert board.choose("m") is None


def test_a_batch_is_short_where_many_places_wait_and_long_where_cells_are_nothing() -> None:
    board = Board([cell(f"c{n}", at={"p": 1.0}) for n in range(100)], places=[place("n")])
    assert len(begin(board, "n").cells) == 25  # a quarter of what is left
    board = Board([cell(f"c{n}", at={"p": 0.0}) for n in range(1000)], places=[place("n")])
    assert len(begin(board, "n").cells) == 256


def test_shared_work_goes_to_the_class_that_has_less_of_its_own() -> None:
    alone = [cell(f"a{n}", "a", at={"p": 100.0}, exclusive=True) for n in range(10)]
    shared = [cell(f"s{n}", f"e{n}", at={"p": 10.0, "q": 10.0}) for n in range(10)]
    board = Board([*alone, *shared], places=[place("p1"), place("q1", "q")])
    finish(board, begin(board, "p1"))
    assert begin(board, "p1").exclusive
    assert not begin(board, "q1").exclusive


def test_a_late_node_gets_work() -> None:
    board = Board([cell(f"c{n}", at={"p": 50.0}) for n in range(10)], places=[place("n")])
    begin(board, "n")
    news = board.news
    board.join(place("late"))
    assert board.news != news
    assert begin(board, "late").cells


def test_a_late_node_of_a_new_class_brings_its_cells() -> None:
    board = Board([cell("a")], places=[place("n")])
    board.join(place("late", "q"))
    board.add([cell("b", at={"q": 60.0}), cell("a", at={"p": 10.0, "q": 10.0})])
    assert board.left == 2
    assert begin(board, "late").cells
    assert begin(board, "n").cells == ("a",)


def test_dropped_cells_are_run_by_nobody() -> None:
    board = Board([cell("a"), cell("b")], places=[place("n")])
    assert board.drop(["b", "unknown"]) == ("b",)
    assert [b.cells for b in run_all(board, ["n"])] == [("a",)]


def test_infeasible_cells_are_told_with_the_reason() -> None:
    cells = [
        cell("class", at={"x86": 1.0}),
        cell("host", host=2**31),
        cell("device", device=2**31),
        cell("fine"),
    ]
    board = Board(cells, places=[place("n", host=2**30, device=2**30)])
    assert board.infeasible() == {
        "class": "no node of the class x86 is in the grid",
        "host": "needs 2 GiB of memory, the largest node for it has 1 GiB",
        "device": "needs 2 GiB of device memory, the largest node for it has 1 GiB",
    }
