"""Advice on simulated ladders, whose truth is known: a small run of scripts/eval_advice.py."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"


def scores_of(monkeypatch: pytest.MonkeyPatch, law: str, items: int, kld: bool, worlds: int):  # type: ignore[no-untyped-def]
    monkeypatch.syspath_prepend(str(SCRIPTS))
    judge, laws = import_module("eval_advice"), import_module("advice_worlds")
    scores = judge.Scores()
    for number in range(worlds):
        rng = np.random.default_rng([5, number, items])
        judge.score_world(rng, laws.make_world(rng, law, items, kld), scores)
    return scores


def test_picks_lose_little_of_the_best_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over 2,000 asks of each kind: docs/advice.md."""
    scores = scores_of(monkeypatch, "plateau", 600, True, 15)
    assert np.mean(scores.regret) >= 0.985
    assert np.quantile(scores.regret, 0.05) >= 0.93
    assert np.mean(scores.called_worse) <= 0.05


def test_few_items_do_not_cost_much(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = scores_of(monkeypatch, "power", 150, False, 15)
    assert np.mean(scores.regret) >= 0.95
    assert np.mean(scores.stated) == pytest.approx(np.mean(scores.on), abs=0.1)


def test_size_is_not_trusted_where_it_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = scores_of(monkeypatch, "random", 600, False, 15)
    assert np.mean(scores.stated) == pytest.approx(np.mean(scores.on), abs=0.05)
    assert np.mean(scores.regret) >= 0.97
