"""The conformance suite holds figures against a reference, and loads weights twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_fake import FakeBackend, write
from grid_fake.engine import FakeEngine
from rule_cases import break_message, case

from grid.errors import InputError
from grid.testing import Expected, check, expectation


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "toy.fake")


def test_an_engine_agrees_with_its_own_figures(path: Path) -> None:
    expected = expectation(case(path), "itself")
    assert check("scores_agree_with_the_reference", case(path, expected=expected)) == "ran"
    assert check("text_becomes_the_tokens_of_the_reference", case(path, expected=expected)) == "ran"


def test_figures_of_other_weights_are_found_to_differ(path: Path, tmp_path: Path) -> None:
    other_weights = write(tmp_path / "other.fake", seed=1)
    expected = expectation(case(other_weights), "another model")
    complaint = break_message("scores_agree_with_the_reference", case(path, expected=expected))
    assert complaint.startswith("scores agree with another model: ")
    assert complaint.endswith(" nats apart")


def test_figures_may_be_off_by_as_much_as_they_say(path: Path) -> None:
    exact = expectation(case(path))
    off = [value - 0.04 for value in exact.log_probs]
    loose = Expected(ids=exact.ids, log_probs=tuple(off))
    strict = Expected(ids=exact.ids, log_probs=tuple(off), near=0.03)
    assert check("scores_agree_with_the_reference", case(path, expected=loose)) == "ran"
    break_message("scores_agree_with_the_reference", case(path, expected=strict))


def test_an_engine_that_only_scores_is_held_against_the_reference(path: Path) -> None:
    class Scorer(FakeBackend):
        capabilities = frozenset({"tokenizes", "scores"})

    expected = expectation(case(path))
    assert check("scores_agree_with_the_reference", case(path, Scorer(), expected=expected)) == (
        "ran"
    )


def test_other_tokens_of_a_text_are_found(path: Path) -> None:
    expected = Expected(ids=(256, 97, 99), log_probs=(-1.0, -1.0), text="ab", source="another")
    complaint = break_message(
        "text_becomes_the_tokens_of_the_reference", case(path, expected=expected)
    )
    assert complaint == (
        "text becomes the tokens of the reference: 3 tokens of the text, another has 3, "
        "the first other one at 2"
    )


def test_a_special_token_too_many_is_found(path: Path) -> None:
    expected = Expected(ids=(97, 98), log_probs=(-1.0,), text="ab")
    complaint = break_message(
        "text_becomes_the_tokens_of_the_reference", case(path, expected=expected)
    )
    assert "3 tokens of the text, the reference has 2" in complaint


@pytest.mark.parametrize("log_probs", [(), (-1.0,), (-1.0, -1.0, -1.0)])
def test_figures_that_do_not_fit_together_are_an_input_error(log_probs: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="a log-probability for each but the first"):
        Expected(ids=(1, 2, 3), log_probs=log_probs)


def test_weights_that_load_differently_each_time_are_found(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = iter(range(100))
    plain_init = FakeEngine.__init__

    def init(self: FakeEngine, content: Any, options: Any) -> None:
        plain_init(self, content, options)
        noise = np.random.default_rng(next(seeds)).standard_normal(self._table.shape)
        self._table = (self._table + noise).astype(np.float32)

    monkeypatch.setattr(FakeEngine, "__init__", init)
    assert "loaded twice score the same" in break_message(
        "a_second_load_computes_the_same", case(path)
    )
    assert check("logits_are_a_distribution_per_token", case(path)) == "ran"
