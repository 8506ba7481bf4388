"""Perplexity and KL divergence, against the formulas computed another way."""

from __future__ import annotations

from pathlib import Path

import grid_fake
import numpy as np
import pytest

from grid.errors import EngineError, Unsupported
from grid.measure import reference as reference_module
from grid.measure.chunks import chunk_ids, log_softmax, scored_chunks
from grid.measure.meter import Meter
from grid.measure.quality import compare, quality
from grid.measure.reference import read_reference, write_reference
from grid.texts import read_text
from grid.workload import Quality

CONTEXT, CHUNKS = 32, 3


@pytest.fixture
def workload(tmp_path: Path) -> Quality:
    path = tmp_path / "text.txt"
    path.write_text("the cat sat on the mat, and the dog sat on the log. " * 10)
    text = read_text(str(path))
    return Quality(text.source, text.sha256, CONTEXT, CHUNKS)


@pytest.fixture
def engine(tmp_path: Path):
    path = grid_fake.write(tmp_path / "toy.fake")
    with grid_fake.backend.load(path, "cpu", grid_fake.backend.options({}, None)) as loaded:
        yield loaded


@pytest.fixture
def worse(tmp_path: Path):
    path = grid_fake.write(tmp_path / "worse.fake", bits=2.0)
    with grid_fake.backend.load(path, "cpu", grid_fake.backend.options({}, None)) as loaded:
        yield loaded


def test_log_softmax_is_that_of_the_definition() -> None:
    logits = np.random.default_rng(0).normal(0, 30, (5, 300)).astype(np.float32)
    exact = logits.astype(np.longdouble)
    exact = exact - np.log(np.exp(exact - exact.max(1, keepdims=True)).sum(1, keepdims=True))
    exact = exact - logits.max(1, keepdims=True)
    assert np.allclose(log_softmax(logits), exact.astype(np.float64), atol=1e-5)


def test_chunks_begin_with_bos_and_do_not_overlap(engine, workload: Quality) -> None:
    chunks = chunk_ids(engine, workload, Meter())
    text = read_text(workload.text).text.encode()
    assert [len(chunk) for chunk in chunks] == [CONTEXT] * CHUNKS
    assert {chunk[0] for chunk in chunks} == {engine.bos}
    for number, chunk in enumerate(chunks):
        start = number * CONTEXT  # of the ids, the first of which is BOS
        assert bytes(chunk[1:]) == text[start : start + CONTEXT - 1]


def test_the_second_half_of_each_chunk_is_scored(engine, workload: Quality) -> None:
    outcome = quality(engine, workload, None, Meter())
    (nll,) = outcome.series
    chunks = chunk_ids(engine, workload, Meter())
    expected = []
    for chunk in chunks:
        rows = log_softmax(engine.logits(chunk))
        expected += [-rows[i, chunk[i + 1]] for i in range(CONTEXT // 2, CONTEXT - 1)]
    assert nll.values == pytest.approx(expected)
    assert outcome.scalars["scored_bytes"] == CHUNKS * (CONTEXT // 2 - 1)


def test_a_short_text_says_how_many_chunks_fit(engine, workload: Quality) -> None:
    long = Quality(workload.text, workload.text_sha256, 512, 99)
    with pytest.raises(Unsupported, match="at most 1 chunks fit"):
        chunk_ids(engine, long, Meter())


def test_kld_against_itself_is_zero(engine, workload: Quality, tmp_path: Path) -> None:
    write_reference(engine, workload, tmp_path / "r.npz", Meter())
    outcome = quality(engine, workload, str(tmp_path / "r.npz"), Meter())
    series = {one.name: np.array(one.values) for one in outcome.series}
    assert np.abs(series["kld"]).max() < 1e-9
    assert (series["same_top"] == 1).all()
    assert np.array_equal(series["nll"], series["nll_reference"])


def test_kld_is_the_sum_over_the_vocabulary(
    engine, worse, workload: Quality, tmp_path: Path
) -> None:
    write_reference(engine, workload, tmp_path / "r.npz", Meter())
    outcome = quality(worse, workload, str(tmp_path / "r.npz"), Meter())
    found = {one.name: np.array(one.values) for one in outcome.series}
    pairs = zip(
        scored_chunks(engine, workload, Meter()), scored_chunks(worse, workload, Meter()),
        strict=True,
    )  # fmt: skip
    kld, dp = [], []
    for mine, other in pairs:
        p, q = mine.log_probs.astype(np.float64), other.log_probs.astype(np.float64)
        kld += list((np.exp(p) * (p - q)).sum(axis=1))
        rows = np.arange(len(mine.targets))
        dp += list(np.exp(q[rows, mine.targets]) - np.exp(p[rows, mine.targets]))
    assert found["kld"] == pytest.approx(kld, abs=1e-9)
    assert found["dp"] == pytest.approx(dp, abs=1e-6)
    assert found["kld"].mean() > 0.01


def test_a_truncated_reference_bounds_kld_from_below_and_closely(
    engine, worse, workload: Quality, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_reference(engine, workload, tmp_path / "whole.npz", Meter())
    monkeypatch.setattr(reference_module, "WHOLE", 100)
    monkeypatch.setattr(reference_module, "TOP", 64)
    write_reference(engine, workload, tmp_path / "top.npz", Meter())
    runs = [quality(worse, workload, str(tmp_path / f"{n}.npz"), Meter()) for n in ("whole", "top")]
    whole, top = (np.array({s.name: s.values for s in run.series}["kld"]) for run in runs)
    assert (top <= whole + 1e-6).all()
    assert whole.mean() <= top.mean() + runs[1].scalars["kld_gap_mean"]
    assert top.mean() > 0.5 * whole.mean()
    assert runs[0].scalars["kld_gap_mean"] == 0
    assert 0 < runs[1].scalars["reference_tail_mass_max"] < 1


def test_a_reference_over_other_tokens_is_refused(
    engine, workload: Quality, tmp_path: Path
) -> None:
    write_reference(engine, workload, tmp_path / "r.npz", Meter())
    reference = read_reference(str(tmp_path / "r.npz"))
    (chunk, *_) = scored_chunks(engine, workload, Meter())
    assert compare(chunk, reference._replace(
        targets=reference.targets[: len(chunk.targets)],
        log_probs=reference.log_probs[: len(chunk.targets)],
        tail=reference.tail[: len(chunk.targets)],
        nll=reference.nll[: len(chunk.targets)],
        argmax=reference.argmax[: len(chunk.targets)],
    )).kld.max() < 1e-9  # fmt: skip
    Path(workload.text).write_text("another text altogether, as long as the first one. " * 10)
    with pytest.raises(EngineError, match="other token ids"):
        quality(engine, workload, str(tmp_path / "r.npz"), Meter())


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_an_unreadable_reference_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.npz"
    path.write_bytes(content)
    with pytest.raises(EngineError, match=r"r\.npz is unreadable"):
        read_reference(str(path))
