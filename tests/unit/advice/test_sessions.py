"""Several sessions at once: rates held against published batched runs, and their laws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from advice_cases import OWN_CLASS, RATES, family, write_store

from grid.advice import Ask, recommend
from grid.advice.advice import DECODE, MEMORY, PREDICTED
from grid.advice.sessions import StepParts, session_rates
from grid.advice.to_json import to_data
from grid.errors import InputError
from grid.results.statistics.interval import Floats

TABLE = Path(__file__).parents[2] / "data" / "batched-decode.json"
MODELS = json.loads(TABLE.read_text())["models"]
ENGINES_OF_TODAY = [m for m in MODELS if not m["build"].startswith("2023")]
"""Builds of 2023 leave their kernels for one token at twice the time, which no later one does."""


def totals(model: dict[str, Any]) -> list[tuple[float, Floats]]:
    """Measured token/s of all sessions together beside draws of what is predicted from one."""
    alone = {context: rate for context, sessions, _, rate in model["rows"] if sessions == 1}
    prefill = np.full(2000, max(row[2] for row in model["rows"]))
    share = model["active_parameters"] / model["parameters"]
    pairs = []
    for context, sessions, _, rate in model["rows"]:
        if sessions == 1:
            continue
        cache = context * model["kv_bytes_token"]
        parts = StepParts(cache / (cache + share * model["weight_bytes"]), share)
        single = np.full(2000, alone[context])
        pairs.append((rate, sessions * session_rates(single, prefill, sessions, parts)))
    return pairs


@pytest.mark.parametrize(
    "model",
    [m for m in ENGINES_OF_TODAY if not m["fitted"]],
    ids=lambda m: f"{m['model']} on {m['chip']}",
)
def test_intervals_hold_batched_rates_that_nothing_was_fitted_to(model: dict[str, Any]) -> None:
    pairs = totals(model)
    ends = [(rate, *np.quantile(draws, (0.05, 0.95))) for rate, draws in pairs]
    assert np.mean([low <= rate <= high for rate, low, high in ends]) >= 0.85
    errors = [abs(float(np.median(draws)) / rate - 1) for rate, draws in pairs]
    assert np.median(errors) <= 0.15


def test_all_sessions_together_are_faster_and_each_is_slower() -> None:
    single, prefill = np.full(500, 40.0), np.full(500, 2000.0)
    each = [session_rates(single, prefill, count, StepParts(0.05)) for count in (1, 2, 4, 8, 16)]
    for fewer, several, count in zip(each, each[1:], (2, 4, 8, 16), strict=False):
        assert (several < fewer).all()
        assert (several <= prefill / (count - 1)).all()  # no faster than the arithmetic allows
    assert np.median(16 * each[-1]) > np.median(each[0])


def test_a_mixture_reads_more_experts_for_more_sessions() -> None:
    single, prefill = np.full(500, 40.0), np.full(500, 2000.0)
    dense, mixture = (session_rates(single, prefill, 8, StepParts(0.0, s)) for s in (1.0, 0.1))
    assert np.median(mixture) < 0.7 * np.median(dense)


def test_each_session_has_a_cache_of_its_own(tmp_path: Path) -> None:
    dataset = write_store(family(), tmp_path / "store")
    alone, four = (
        recommend(dataset, Ask(hardware=OWN_CLASS, quant="Q4_K_M", sessions=n)) for n in (1, 4)
    )
    assert alone.pick is not None
    assert four.pick is not None
    assert four.pick.kv_bytes == 4 * (alone.pick.kv_bytes or 0)
    cache = 3 * (alone.pick.kv_bytes or 0)
    assert four.pick.figures[MEMORY].value == alone.pick.figures[MEMORY].value + cache
    rate = four.pick.figures[DECODE]
    assert rate.value < RATES["Q4_K_M"] < 4 * rate.value
    assert rate.evidence.kind == PREDICTED
    assert "each of 4 sessions; all together" in rate.evidence.text
    data = to_data(four)["sessions"]
    assert data["together_tps"]["value"] == pytest.approx(4 * rate.value)
    assert to_data(alone)["sessions"] is None


def test_the_least_rate_is_that_of_each_session(tmp_path: Path) -> None:
    dataset = write_store(family(), tmp_path / "store")
    alone = recommend(dataset, Ask(hardware=OWN_CLASS, min_decode_tps=35))
    shared = recommend(dataset, Ask(hardware=OWN_CLASS, min_decode_tps=35, sessions=8))
    assert alone.pick is not None
    assert alone.pick.variant.quant == "Q8_0"
    assert shared.pick is None or shared.pick.variant.quant != "Q8_0"


def test_too_many_sessions_are_answered_with_how_many_fit(tmp_path: Path) -> None:
    dataset = write_store(family(), tmp_path / "store")
    ask = Ask(hardware=OWN_CLASS, memory_bytes=2**20, reserved_bytes=0, sessions=8)
    advice = recommend(dataset, ask)
    assert advice.pick is None
    steps = [step for step in advice.relax if step.limit == "sessions"]
    assert [(step.now, step.to) for step in steps] == [(8, 3)]


@pytest.mark.parametrize(("count", "message"), [(0, "give a number above 0"), (5000, "at most")])
def test_senseless_numbers_of_sessions_are_refused(count: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Ask(sessions=count)
