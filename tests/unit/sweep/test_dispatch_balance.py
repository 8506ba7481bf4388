"""The linear program that divides shared work among the classes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.sweep.dispatch.balance import balance


def test_equal_classes_end_together() -> None:
    division = balance([{"p": 60.0, "q": 60.0}], {"p": 40.0}, {"p": 1, "q": 1}, thrift=0.0)
    assert division.end_s == pytest.approx(50.0)
    assert division.shares[0]["q"] == pytest.approx(50 / 60)


def test_a_class_with_too_much_of_its_own_takes_none() -> None:
    division = balance([{"p": 60.0, "q": 60.0}], {"p": 100.0}, {"p": 1, "q": 1})
    assert division.end_s == pytest.approx(100.0)
    assert division.shares[0] == pytest.approx({"q": 1.0})


def test_more_nodes_take_more() -> None:
    division = balance([{"p": 90.0, "q": 90.0}], {}, {"p": 2, "q": 1}, thrift=0.0)
    assert division.end_s == pytest.approx(30.0)
    assert division.shares[0]["p"] == pytest.approx(2 / 3)


def test_among_equal_ends_the_least_work_is_taken() -> None:
    division = balance([{"p": 10.0, "q": 20.0}], {"q": 5.0, "r": 100.0}, {"p": 1, "q": 1, "r": 1})
    assert division.shares[0]["p"] > 0.8


def test_classes_that_share_nothing_are_balanced_apart() -> None:
    groups = [{"p": 60.0, "q": 60.0}, {"r": 30.0, "s": 30.0}]
    fixed = {"p": 1000.0}
    division = balance(groups, fixed, {"p": 1, "q": 1, "r": 1, "s": 1}, thrift=0.0)
    assert division.end_s == pytest.approx(1000.0)
    assert division.shares[1] == pytest.approx({"r": 0.5, "s": 0.5})


def test_without_shared_work_the_fullest_class_is_the_end() -> None:
    assert balance([], {"p": 30.0, "q": 80.0}, {"p": 1, "q": 4}).end_s == 30.0


_SECONDS = st.floats(0.1, 1000.0)


@given(
    groups=st.lists(
        st.dictionaries(st.sampled_from("pqr"), _SECONDS, min_size=1), min_size=1, max_size=6
    ),
    fixed=st.dictionaries(st.sampled_from("pqr"), _SECONDS),
    capacity=st.fixed_dictionaries({name: st.integers(1, 5) for name in "pqr"}),
)
def test_every_group_is_whole_and_no_class_ends_late(
    groups: list[dict[str, float]], fixed: dict[str, float], capacity: dict[str, int]
) -> None:
    division = balance(groups, fixed, capacity, thrift=0.0)
    load = {name: fixed.get(name, 0.0) for name in capacity}
    for seconds, shares in zip(groups, division.shares, strict=True):
        assert sum(shares.values()) == pytest.approx(1.0, abs=1e-4)
        for name, part in shares.items():
            load[name] += part * seconds[name]
    for name, count in capacity.items():
        assert load[name] / count <= division.end_s * (1 + 1e-4) + 1e-6
