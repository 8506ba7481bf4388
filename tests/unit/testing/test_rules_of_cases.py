"""The conformance suite skips what cannot be tried and says why; cases are checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from grid_fake import FakeBackend, write
from grid_fake.engine import FakeEngine
from rule_cases import case

from grid.errors import InputError
from grid.testing import CHECKS, check, local_node


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "toy.fake")


def test_a_skipped_rule_says_what_the_case_lacks(path: Path) -> None:
    skipped = "skipped: the case has no figures of another engine (Case.expected)"
    assert check("scores_agree_with_the_reference", case(path)) == skipped


def test_a_capability_that_is_not_declared_is_skipped(path: Path) -> None:
    class Bare(FakeBackend):
        capabilities = frozenset({"tokenizes"})

    bare = case(path, Bare())
    assert (
        check("generation_counts_and_repeats", bare) == "skipped: fake does not declare generates"
    )
    assert check("a_second_load_computes_the_same", bare) == (
        "skipped: fake declares neither logits nor scores"
    )


def test_slow_engines_are_asked_for_few_tokens(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    logits = FakeEngine.logits

    def counted(self: FakeEngine, ids: Any, first: int = 0) -> Any:
        counts.append(len(ids))
        return logits(self, ids, first)

    monkeypatch.setattr(FakeEngine, "logits", counted)
    for name in CHECKS:
        check(name, case(path, tokens=8, recipe="Q4"))
    assert max(counts) <= 8 + 5  # greedy text is followed to its end


@pytest.mark.parametrize("fields", [{"tokens": 7}, {"loads": 0}])
def test_a_case_that_leaves_nothing_to_try_is_an_input_error(
    path: Path, fields: dict[str, int]
) -> None:
    with pytest.raises(InputError, match="too few"):
        case(path, **fields)


def test_the_local_node_is_described_without_measuring_it() -> None:
    assert local_node().cores >= 1
    assert local_node().memory_bytes > 0
    assert local_node().bandwidth_bytes_s == 0
