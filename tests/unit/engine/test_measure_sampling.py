"""KL divergence from kept and drawn entries, against sums over whole synthetic vocabularies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from grid.engine.measure import sampling
from grid.engine.measure.chunks import Chunk, log_softmax
from grid.engine.measure.comparison import ChunkComparison, compare
from grid.engine.measure.reference import (
    WHOLE,
    Reference,
    _packed,
    _unpacked,
    reference_of,
    reference_row_bytes,
)

ROWS, VOCABULARY = 16, 20_000
DISTURBANCES = [0.06, 0.3, 1.0]
"""Standard deviation of a quant's logits around the reference's, about those of Q8_0, Q4_0, Q2_K of
a small model."""


class Pair(NamedTuple):
    reference: Chunk
    quantized: Chunk


def chunk_of(logits: npt.ArrayLike) -> Chunk:
    rows = np.asarray(logits, dtype=np.float32)
    return Chunk(np.zeros(len(rows), dtype=np.int64), log_softmax(rows))


def pair(disturbance: float, rows: int = ROWS, vocabulary: int = VOCABULARY) -> Pair:
    """Logits as a language model's: few likely entries, a long tail whose mass is 5 to 20 %."""
    rng = np.random.default_rng(11)
    logits = rng.normal(0, 3, (rows, vocabulary))
    noise = rng.normal(0, disturbance, (rows, vocabulary))
    return Pair(chunk_of(logits), chunk_of(logits + noise))


def as_stored(chunk: Chunk, position: int = 0) -> Reference:
    return _unpacked(_packed(reference_of(chunk, position)))


def estimates(chunks: Pair, seeds: int) -> list[ChunkComparison]:
    return [compare(chunks.quantized, as_stored(chunks.reference, seed)) for seed in range(seeds)]


def exact(p_chunk: Chunk, q_chunk: Chunk) -> npt.NDArray[np.float64]:
    p, q = p_chunk.log_probs.astype(np.float64), q_chunk.log_probs.astype(np.float64)
    return np.asarray((np.exp(p) * (p - q)).sum(axis=1))


def sampling_error(comparison: ChunkComparison) -> float:
    return float(np.sqrt(comparison.kld_variance.sum())) / len(comparison.kld)


@pytest.mark.parametrize("disturbance", DISTURBANCES)
def test_both_divergences_are_unbiased(disturbance: float) -> None:
    chunks = pair(disturbance)
    drawn = estimates(chunks, 40)
    for name, truth in (
        ("kld", exact(*chunks).mean()),
        ("kld_reverse", exact(chunks.quantized, chunks.reference).mean()),
    ):
        means = np.array([getattr(comparison, name).mean() for comparison in drawn])
        error = means.std(ddof=1) / np.sqrt(len(means))
        # Beside the draws' error, what rounding to 16 bits leaves: its square.
        assert abs(means.mean() - truth) < 3.5 * error + 1e-6
        assert means.std(ddof=1) < 0.05 * truth


@pytest.mark.parametrize("disturbance", DISTURBANCES)
def test_the_standard_error_of_sampling_is_honest(disturbance: float) -> None:
    chunks = pair(disturbance)
    truth = exact(*chunks).mean()
    drawn = estimates(chunks, 60)
    means = np.array([comparison.kld.mean() for comparison in drawn])
    errors = np.array([sampling_error(comparison) for comparison in drawn])
    assert np.mean(np.abs(means - truth) < 1.96 * errors + 1e-6) >= 0.88
    assert 0.8 < np.sqrt((errors**2).mean()) / means.std(ddof=1) < 1.4


@pytest.mark.parametrize("disturbance", [0.06, 0.3])
def test_near_the_reference_the_known_mass_takes_most_of_the_error_away(disturbance: float) -> None:
    chunks = pair(disturbance)
    (comparison,) = estimates(chunks, 1)
    reference = as_stored(chunks.reference)
    assert reference.ids is not None
    drawn = reference.ids[:, sampling.TOP :]
    p, q = (np.take_along_axis(chunk.log_probs, drawn, axis=1) for chunk in chunks)
    plain = reference.tail_mass * (p - q).std(axis=1) / np.sqrt(sampling.DRAWS)
    assert sampling_error(comparison) < 0.6 * float(np.sqrt((plain**2).sum())) / ROWS


def test_against_itself_there_is_only_the_square_of_rounding() -> None:
    chunk = pair(0.0).reference
    comparison = compare(chunk, as_stored(chunk))
    assert np.abs(comparison.kld).max() < 1e-5
    assert np.abs(comparison.kld_reverse).max() < 1e-5
    assert (comparison.same_top == 1).all()


def test_a_small_vocabulary_is_whole_and_unrounded() -> None:
    chunks = pair(0.3, vocabulary=WHOLE)
    reference = as_stored(chunks.reference)
    assert reference.ids is None
    assert np.array_equal(reference.log_probs, chunks.reference.log_probs)
    comparison = compare(chunks.quantized, reference)
    p, q = (chunk.log_probs.astype(np.float64) for chunk in chunks)
    assert np.array_equal(comparison.kld, (np.exp(p) * (p - q)).sum(axis=1))
    assert np.array_equal(comparison.kld_reverse, (np.exp(q) * (q - p)).sum(axis=1))
    assert not comparison.kld_variance.any()


def test_the_kept_are_the_most_likely_and_the_draws_are_of_the_rest() -> None:
    chunk = pair(0.0, rows=4).reference
    ids, tail_mass = sampling.sample_ids(chunk.log_probs, 0)
    for row, row_ids, mass in zip(chunk.log_probs, ids, tail_mass, strict=True):
        top, drawn = row_ids[: sampling.TOP], row_ids[sampling.TOP :]
        assert set(top) == set(np.argsort(-row)[: sampling.TOP])
        assert not set(top) & set(drawn)
        assert mass == pytest.approx(1 - np.exp(row[top].astype(np.float64)).sum(), abs=1e-6)


def test_draws_are_in_proportion_to_probability() -> None:
    chunk = pair(0.0, rows=1).reference
    counts, masses = np.zeros(VOCABULARY), []
    for seed in range(400):
        ids, tail_mass = sampling.sample_ids(chunk.log_probs, seed)
        np.add.at(counts, ids[0, sampling.TOP :], 1)
        masses.append(tail_mass[0])
    p = np.exp(chunk.log_probs[0].astype(np.float64))
    expected = 400 * sampling.DRAWS * p / masses[0]
    often = (counts > 0) & (expected > 60)
    assert often.sum() > 300
    deviations = (counts - expected)[often] / np.sqrt(expected[often])
    assert abs(deviations.mean()) < 4 / np.sqrt(often.sum())
    assert 0.5 < deviations.std() < 1.1  # strata make it less than that of free draws


def test_the_position_alone_decides_the_draws() -> None:
    chunk = pair(0.0, rows=2).reference
    first, same, different = (sampling.sample_ids(chunk.log_probs, seed).ids for seed in (3, 3, 4))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, different)


@pytest.mark.parametrize("vocabulary", [2**16, 2**16 + 1, 150_000])
def test_ids_keep_all_their_bits_in_few_bytes(vocabulary: int) -> None:
    chunk = pair(0.0, rows=3, vocabulary=vocabulary).reference
    reference = reference_of(chunk, 0)
    packed = _packed(reference)
    assert np.array_equal(_unpacked(dict(packed)).ids, reference.ids)
    entries = sum(packed.get(name, np.empty(0)).nbytes for name in ("ids_low", "ids_high"))
    assert (entries + packed["log_probs"].nbytes) == 3 * reference_row_bytes(vocabulary)


def test_equal_logits_at_the_edge_of_the_kept_do_no_harm() -> None:
    logits = np.zeros((2, VOCABULARY))
    logits[:, :100] = 5.0
    chunk, flat = chunk_of(logits), chunk_of(np.zeros((2, VOCABULARY)))
    comparison = compare(flat, as_stored(chunk))
    assert comparison.kld == pytest.approx(exact(chunk, flat), rel=1e-3)


@pytest.mark.parametrize("bias", [-1e30, -300.0])
def test_entries_of_no_probability_give_no_nan(bias: float) -> None:
    logits = np.random.default_rng(0).normal(0, 3, (4, VOCABULARY))
    logits[:, 300:] = bias
    chunk, spread = chunk_of(logits), chunk_of(np.where(logits == bias, -20.0, logits))
    forward, back = compare(spread, as_stored(chunk)), compare(chunk, as_stored(spread))
    assert forward.kld == pytest.approx(exact(chunk, spread), abs=1e-5)
    assert np.isfinite(forward.kld_reverse).all()
    assert (back.kld >= 0).all()
    assert not np.isnan(back.kld_reverse).any()


def test_unused_entries_beyond_the_reference_take_their_mass_with_them() -> None:
    chunks = pair(0.06)
    padding = np.full((ROWS, 64), np.log(1e-5), dtype=np.float32)
    wide = np.hstack((chunks.quantized.log_probs + np.float32(np.log1p(-64e-5)), padding))
    wider = Chunk(chunks.quantized.targets, wide)
    reference = as_stored(chunks.reference)
    usual, padded = compare(chunks.quantized, reference), compare(wider, reference)
    assert padded.kld - usual.kld == pytest.approx(np.full(ROWS, -np.log1p(-64e-5)), abs=2e-5)


def test_an_engine_may_lack_sampled_entries_of_no_probability() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (4, VOCABULARY))
    logits[:, -10:] = -40.0
    whole, short = chunk_of(logits), chunk_of(logits[:, :-10])
    assert np.abs(compare(short, as_stored(whole)).kld).max() < 1e-5
