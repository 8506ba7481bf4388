"""Variants of a sweep that stopped when it was decided: compared on what they have in common."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grid.analysis import Limits, Variant, draw_posterior, picks
from grid.analysis.scored_text import ScoredText
from grid.analysis.text_draws import text_draws, text_scope
from grid.results.statistics import Interval

CHUNKS = 64
HARD = np.where(np.arange(CHUNKS) < 8, 3.0, 1.0)
"""The first chunks are three times as hard as the others."""


def variant(name: str, kld: np.ndarray, size: int) -> Variant:
    part_of = CHUNKS if len(kld) < CHUNKS else 0
    return Variant(
        model="m", family="", parameters=1000, quant=name, format="gguf", artifact_id=name,
        artifact_bytes=size, bpw_file=None, bpw_layer=None, backend="b", options="{}",
        hardware_class="box", device_kind="cpu", kld_mean=Interval(float(kld.mean())),
        scored_text=ScoredText("text", 512, len(kld), 255 * len(kld), "F16@b", kld, None, "",
                               part_of),
    )  # fmt: skip


def noisy(seed: int, mean: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return mean * HARD * np.exp(0.05 * rng.standard_normal(CHUNKS))


def test_part_of_a_text_is_of_the_same_text_as_the_whole() -> None:
    kld = noisy(1, 0.1)
    whole, part = variant("Q4", kld, 100), variant("Q3", kld[:8], 80)
    assert text_scope(whole, "kld_mean") == text_scope(part, "kld_mean")
    few = replace(part, scored_text=replace(part.scored_text, part_of=0))  # asked for 8 alone
    assert text_scope(few, "kld_mean") != text_scope(whole, "kld_mean")


def test_divergence_of_a_part_is_carried_to_all_chunks() -> None:
    """By itself the part would be 2.4 times too high, for its chunks are the hard ones."""
    whole, worse = noisy(1, 0.1), noisy(2, 0.2)
    pair = [variant("Q4", whole, 100), variant("Q3", worse[:8], 80)]
    drawn = np.exp(-text_draws(pair, "kld_mean", 4000, 1))
    assert abs(drawn[:, 1].mean() / worse.mean() - 1) < 0.1
    assert np.mean(drawn[:, 1] > drawn[:, 0]) > 0.99


def test_parts_alone_are_compared_as_they_are() -> None:
    pair = [variant("Q4", noisy(1, 0.1)[:8], 100), variant("Q3", noisy(2, 0.2)[:8], 80)]
    alone = [replace(v, scored_text=replace(v.scored_text, part_of=0)) for v in pair]
    assert (text_draws(pair, "kld_mean", 500, 1) == text_draws(alone, "kld_mean", 500, 1)).all()


def test_pick_is_that_of_the_complete_sweep() -> None:
    means = {"F16": 1e-9, "Q8": 0.003, "Q6": 0.006, "Q4": 0.06, "Q2": 0.5}
    full = [variant(q, noisy(i, m), 100 - 10 * i) for i, (q, m) in enumerate(means.items())]
    decided = [
        v if v.quant in ("Q8", "Q6") else variant(v.quant, v.scored_text.kld[:8], v.artifact_bytes)
        for v in full
        if v.scored_text is not None and v.scored_text.kld is not None
    ]
    chosen = [picks(draw_posterior(g), [Limits()], axis="kld_mean")[0] for g in (full, decided)]
    assert [pick.variant and pick.variant.quant for pick in chosen] == ["Q6", "Q6"]
