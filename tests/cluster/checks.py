"""What must hold of a store after a sweep, whatever happened while it ran."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from itertools import pairwise
from typing import Any

from grid.results.reader import Results

Row = dict[str, Any]


def exactly_once(results: Results, expected: Collection[str]) -> None:
    """Every expected cell was measured with success once, and nothing else was; every row of the
    other tables belongs to an attempt, and none is there twice."""
    assert results.problems == []
    final = results.final().to_pylist()
    assert {row["cell_id"] for row in final} == set(expected)
    assert Counter(row["status"] for row in final) == {"ok": len(expected)}, _reasons(final)
    attempts = results.attempts().to_pylist()
    measured = Counter(row["cell_id"] for row in attempts if row["status"] == "ok")
    assert measured == Counter(expected), "measured more than once"
    _no_child_twice(results)


def one_final_each(results: Results, expected: Collection[str]) -> dict[str, str]:
    """Every expected cell has one final attempt, of whatever status; returns {cell: status}."""
    assert results.problems == []
    final = results.final().to_pylist()
    assert Counter(row["cell_id"] for row in final) == Counter(expected)
    _no_child_twice(results)
    return {row["cell_id"]: row["status"] for row in final}


def speed_on_each_class(results: Results, nodes_of: dict[str, set[str]]) -> None:
    """Speed rows of each hardware class were measured on its nodes only, and each class has the
    same ones. `nodes_of`: {a word of the class's name: its nodes}."""
    rows = [row for row in results.final().to_pylist() if row["scope"] == row["hardware_class"]]
    planned: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for row in rows:
        (word,) = [word for word in nodes_of if word in row["hardware_class"]]
        assert row["node"] in nodes_of[word], row["label"]
        planned[word].add((row["model"], row["quant"], row["label"]))
    assert planned.keys() == nodes_of.keys()
    first, *others = planned.values()
    assert first
    assert all(figures == first for figures in others)


def shared_on_any(results: Results) -> set[str]:
    """Each quality and task cell was measured once in all; returns the nodes that did it."""
    rows = [row for row in results.final().to_pylist() if row["scope"] != row["hardware_class"]]
    assert rows
    planned = Counter((row["artifact_id"], row["label"], row["options"]) for row in rows)
    assert set(planned.values()) == {1}
    return {row["node"] for row in rows}


def alone(results: Results) -> None:
    """While a speed cell ran, its node ran no other cell."""
    by_node: dict[str, list[Row]] = defaultdict(list)
    for row in results.attempts().to_pylist():
        if row["status"] == "ok":
            by_node[row["node"]].append(row)
    for rows in by_node.values():
        rows.sort(key=lambda row: row["started_at"])
        for before, after in pairwise(rows):
            overlap = before["started_at"].timestamp() + before["wall_s"]
            overlap -= after["started_at"].timestamp()
            exclusive = any(row["scope"] == row["hardware_class"] for row in (before, after))
            assert not exclusive or overlap < 0.05, (before["label"], after["label"], overlap)


def _no_child_twice(results: Results) -> None:
    for table, keys in {
        "metrics": ["attempt_id", "name"],
        "items": ["attempt_id", "task_class", "item"],
    }.items():
        rows = getattr(results, table)().select(keys).to_pylist()
        assert rows
        twice = [key for key, n in Counter(tuple(row.values()) for row in rows).items() if n > 1]
        assert not twice, f"{table}: {twice[:5]}"


def _reasons(final: list[Row]) -> list[tuple[str, str, str]]:
    return [(row["label"], row["status"], row["reason"]) for row in final if row["status"] != "ok"][
        :20
    ]
