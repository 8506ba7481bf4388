"""Dispatch: what a free node is given."""

from __future__ import annotations

from dispatch_cells import begin, cell, finish, node, run_all

from grid.sweep.dispatch.scheduler_state import Costs, SchedulerState


def test_choosing_changes_nothing() -> None:
    state = SchedulerState([cell("a"), cell("b")], nodes=[node("n")])
    assert state.choose("n") == state.choose("n")
    assert state.left == 2


def test_a_class_runs_its_own_cells_only() -> None:
    cells = [cell("slow", at={"p": 1.0}, exclusive=True), cell("fast", at={"q": 1.0})]
    state = SchedulerState(cells, nodes=[node("p1"), node("q1", "q")])
    assert begin(state, "p1").cells == ("slow",)
    assert begin(state, "q1").cells == ("fast",)


def test_every_hardware_class_runs_its_speed_cells() -> None:
    cells = [cell(f"{p}{n}", at={p: 5.0}, exclusive=True) for p in "pqr" for n in range(4)]
    state = SchedulerState(cells, nodes=[node(f"{p}1", p) for p in "pqr"])
    batches = run_all(state, ["p1", "q1", "r1"])
    assert {b.node: {c[0] for c in b.cells} for b in batches} == {
        "p1": {"p"},
        "q1": {"q"},
        "r1": {"r"},
    }


def test_a_node_goes_on_with_its_open_engine() -> None:
    cells = [cell(f"{e}{n}", e, at={"p": 40.0}) for n in range(4) for e in ("e", "f")]
    state = SchedulerState(cells, nodes=[node("n"), node("m")])
    first = begin(state, "n")
    finish(state, first)
    assert begin(state, "n").engine == first.engine


def test_two_nodes_open_two_engines() -> None:
    cells = [cell(f"{e}{n}", e, at={"p": 40.0}) for e in ("e", "f") for n in range(4)]
    state = SchedulerState(cells, nodes=[node("n"), node("m")])
    assert begin(state, "n").engine != begin(state, "m").engine


def test_exclusive_cells_of_an_engine_come_before_its_shared_ones() -> None:
    state = SchedulerState([cell("shared", rank=0), cell("alone", exclusive=True, rank=1)])
    state.join(node("n"))
    assert begin(state, "n").cells == ("alone",)


def test_a_batch_is_exclusive_or_shared() -> None:
    cells = [cell(f"c{n}", exclusive=n % 2 == 0, at={"p": 0.01}) for n in range(20)]
    state = SchedulerState(cells, nodes=[node("n")])
    for batch in run_all(state, ["n"]):
        assert {int(c[1:]) % 2 == 0 for c in batch.cells} == {batch.exclusive}


def test_an_exclusive_batch_waits_for_the_node_to_be_empty() -> None:
    cells = [cell("shared", "e"), cell("alone", "f", exclusive=True, at={"p": 5.0})]
    state = SchedulerState(cells, nodes=[node("n", slots=2), node("other", "q")])
    first = begin(state, "n")
    assert first.cells == ("shared",)
    assert state.choose("n") is None
    finish(state, first)
    assert begin(state, "n").cells == ("alone",)
    assert state.choose("n") is None


def test_shared_batches_fill_the_slots() -> None:
    cells = [cell(f"c{n}", f"e{n}", host=30) for n in range(3)]
    state = SchedulerState(cells, nodes=[node("n", slots=2)])
    assert begin(state, "n").engine != begin(state, "n").engine
    assert state.choose("n") is None


def test_batches_beside_each_other_share_the_memory() -> None:
    cells = [cell("large", "e", host=80), cell("larger", "f", host=90)]
    state = SchedulerState(cells, nodes=[node("n", slots=2)])
    first = begin(state, "n")
    assert state.choose("n") is None
    finish(state, first)
    assert begin(state, "n").cells == ("larger",)


def test_a_cell_goes_where_its_memory_is() -> None:
    cells = [cell("big", "e", host=90), cell("vram", "f", device=20), cell("small", "g")]
    nodes = [node("little", host=50), node("roomy"), node("gpu", host=50, device=24)]
    state = SchedulerState(cells, nodes=nodes)
    assert begin(state, "little").cells == ("small",)
    assert begin(state, "roomy").cells == ("big",)
    assert begin(state, "gpu").cells == ("vram",)


def test_the_engine_with_the_longest_cell_is_opened_first() -> None:
    cells = [cell("short", "e", at={"p": 5.0}), cell("long", "f", at={"p": 50.0})]
    state = SchedulerState(cells, nodes=[node("n"), node("m")])
    assert begin(state, "n").cells == ("long",)


def test_a_long_cell_goes_before_its_rank() -> None:
    cells = [cell("short", rank=0, at={"p": 1.0}), cell("long", rank=1, at={"p": 50.0})]
    state = SchedulerState(cells, nodes=[node("n"), node("m")])
    assert begin(state, "n").cells == ("long",)


def test_a_single_node_keeps_the_order_of_the_cells() -> None:
    cells = [
        cell("a2", "a", rank=2, at={"p": 1.0}),
        cell("a1", "a", rank=1, at={"p": 70.0}),
        cell("b", "b", at={"p": 500.0}),
        cell("c", "c", at={"p": 5.0}),
    ]
    state = SchedulerState(cells, nodes=[node("n", disk=frozenset({"c"}))])
    batches = run_all(state, ["n"])
    assert [c for batch in batches for c in batch.cells] == ["a1", "a2", "b", "c"]


def test_of_engines_alike_the_one_whose_artifact_is_on_the_disk_is_opened() -> None:
    cells = [cell(f"c{n}", f"e{n}") for n in range(4)]
    state = SchedulerState(cells, nodes=[node("n", disk=frozenset({"e2"})), node("m")])
    assert begin(state, "n").engine == "e2"


def test_an_observed_artifact_is_preferred_like_one_on_the_disk() -> None:
    cells = [cell(f"c{n}", f"e{n}") for n in range(4)]
    state = SchedulerState(cells, nodes=[node("n"), node("m")])
    state.note_artifact("m", "e3")
    assert begin(state, "m").engine == "e3"


def test_an_artifact_that_another_node_makes_is_not_waited_for() -> None:
    cells = [cell("x", "a/1", at={"p": 50.0}), cell("y", "a/2", at={"p": 49.0}), cell("z", "b")]
    state = SchedulerState(cells, nodes=[node("n"), node("m")])
    assert begin(state, "n").engine == "a/1"
    assert begin(state, "m").engine == "b"


def test_an_artifact_that_another_node_has_made_is_used() -> None:
    cells = [cell("x", "a/1", at={"p": 50.0}), cell("y", "a/2", at={"p": 49.0}), cell("z", "b")]
    state = SchedulerState(cells, nodes=[node("n"), node("m")])
    begin(state, "n")
    state.note_artifact("n", "a")
    assert begin(state, "m").engine == "a/2"


def test_a_free_node_helps_where_much_is_left() -> None:
    cells = [cell(f"c{n}", at={"p": 50.0}) for n in range(10)]
    state = SchedulerState(cells, nodes=[node("n"), node("m")])
    assert begin(state, "n").engine == begin(state, "m").engine


def test_help_that_comes_too_late_is_not_given() -> None:
    costs = Costs(loads={("e", "p"): 1000.0})
    state = SchedulerState([cell("a"), cell("b")], costs, [node("n"), node("m")])
    begin(state, "n")
    assert state.choose("m") is None


def test_a_batch_is_a_part_of_the_remaining_time_and_at_most_256_cells() -> None:
    state = SchedulerState([cell(f"c{n}", at={"p": 1.0}) for n in range(100)], nodes=[node("n")])
    assert len(begin(state, "n").cells) == 25  # a quarter of what is left
    state = SchedulerState([cell(f"c{n}", at={"p": 0.0}) for n in range(1000)], nodes=[node("n")])
    assert len(begin(state, "n").cells) == 256


def test_shared_work_goes_to_the_class_that_has_less_of_its_own() -> None:
    alone = [cell(f"a{n}", "a", at={"p": 100.0}, exclusive=True) for n in range(10)]
    shared = [cell(f"s{n}", f"e{n}", at={"p": 10.0, "q": 10.0}) for n in range(10)]
    state = SchedulerState([*alone, *shared], nodes=[node("p1"), node("q1", "q")])
    finish(state, begin(state, "p1"))
    assert begin(state, "p1").exclusive
    assert not begin(state, "q1").exclusive


def test_a_late_node_gets_work() -> None:
    state = SchedulerState([cell(f"c{n}", at={"p": 50.0}) for n in range(10)], nodes=[node("n")])
    begin(state, "n")
    news = state.news
    state.join(node("late"))
    assert state.news != news
    assert begin(state, "late").cells


def test_a_late_node_of_a_new_class_brings_its_cells() -> None:
    state = SchedulerState([cell("a")], nodes=[node("n")])
    state.join(node("late", "q"))
    state.add([cell("b", at={"q": 60.0}), cell("a", at={"p": 10.0, "q": 10.0})])
    assert state.left == 2
    assert begin(state, "late").cells
    assert begin(state, "n").cells == ("a",)


def test_dropped_cells_are_run_by_nobody() -> None:
    state = SchedulerState([cell("a"), cell("b")], nodes=[node("n")])
    assert state.drop(["b", "unknown"]) == ("b",)
    assert [b.cells for b in run_all(state, ["n"])] == [("a",)]


def test_infeasible_cells_come_with_the_reason() -> None:
    cells = [
        cell("class", at={"x86": 1.0}),
        cell("host", host=2**31),
        cell("device", device=2**31),
        cell("fine"),
    ]
    state = SchedulerState(cells, nodes=[node("n", host=2**30, device=2**30)])
    assert state.infeasible() == {
        "class": "no node of the class x86 is in the grid",
        "host": "needs 2 GiB of memory, the largest node for it has 1 GiB",
        "device": "needs 2 GiB of device memory, the largest node for it has 1 GiB",
    }
