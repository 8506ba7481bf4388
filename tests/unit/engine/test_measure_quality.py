"""Perplexity and KL divergence, against the formulas computed another way."""

from __future__ import annotations

from pathlib import Path

import grid_fake
import numpy as np
import pytest

from grid.cells.texts import read_text
from grid.cells.workload import Quality
from grid.engine.measure import reference as reference_module
from grid.engine.measure import sampling
from grid.engine.measure.chunks import Chunk, chunk_ids, log_softmax, scored_chunks
from grid.engine.measure.comparison import compare
from grid.engine.measure.meter import Meter
from grid.engine.measure.quality import quality
from grid.engine.measure.reference import Reference, read_reference, write_reference
from grid.errors import EngineError, Unsupported

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


def score_chunks(engine, workload: Quality) -> list[Chunk]:
    ids = chunk_ids(engine, workload, Meter())
    return list(scored_chunks(engine, workload, Meter(), ids))


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
    series = {column.name: np.array(column.values) for column in outcome.series}
    assert np.abs(series["kld"]).max() < 1e-9
    assert (series["same_top"] == 1).all()
    assert np.array_equal(series["nll"], series["nll_reference"])


@pytest.mark.parametrize("whole", [4096, 64])
def test_one_pass_gives_the_reference_and_the_row_of_its_own(
    engine, workload: Quality, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: int
) -> None:
    monkeypatch.setattr(reference_module, "WHOLE", whole)
    monkeypatch.setattr(sampling, "TOP", 16)
    monkeypatch.setattr(sampling, "DRAWS", 8)
    write_reference(engine, workload, tmp_path / "r.npz", Meter())
    separate = quality(engine, workload, str(tmp_path / "r.npz"), Meter())
    shared = quality(engine, workload, None, Meter(), target=tmp_path / "shared.npz")
    assert shared == separate
    assert (tmp_path / "shared.npz").read_bytes() == (tmp_path / "r.npz").read_bytes()


def test_a_probe_of_noise_ends_after_a_chunk_that_is_the_references(
    engine, worse, workload: Quality, tmp_path: Path
) -> None:
    write_reference(engine, workload, tmp_path / "r.npz", Meter())
    probes = [
        quality(e, workload, str(tmp_path / "r.npz"), Meter(), probes=True) for e in (engine, worse)
    ]
    assert [probe.scalars["chunks"] for probe in probes] == [1, CHUNKS]
    assert [len(probe.series[0].values) for probe in probes] == [15, 15 * CHUNKS]
    assert probes[0].environment["scored_chunks"].startswith(f"1 of {CHUNKS}")
    assert "scored_chunks" not in probes[1].environment


def test_kld_is_the_sum_over_the_vocabulary(
    engine, worse, workload: Quality, tmp_path: Path
) -> None:
    write_reference(engine, workload, tmp_path / "r.npz", Meter())
    outcome = quality(worse, workload, str(tmp_path / "r.npz"), Meter())
    values = {column.name: np.array(column.values) for column in outcome.series}
    pairs = zip(score_chunks(engine, workload), score_chunks(worse, workload), strict=True)
    kld, reverse, dp = [], [], []
    for reference, quantized in pairs:
        p, q = reference.log_probs.astype(np.float64), quantized.log_probs.astype(np.float64)
        kld += list((np.exp(p) * (p - q)).sum(axis=1))
        reverse += list((np.exp(q) * (q - p)).sum(axis=1))
        rows = np.arange(len(reference.targets))
        dp += list(np.exp(q[rows, reference.targets]) - np.exp(p[rows, reference.targets]))
    assert values["kld"] == pytest.approx(kld, abs=1e-9)
    assert values["kld_reverse"] == pytest.approx(reverse, abs=1e-9)
    assert values["dp"] == pytest.approx(dp, abs=1e-6)
    assert values["kld"].mean() > 0.01


def test_a_sampled_reference_gives_the_same_figures_within_its_error(
    engine, worse, workload: Quality, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_reference(engine, workload, tmp_path / "whole.npz", Meter())
    monkeypatch.setattr(reference_module, "WHOLE", 100)
    monkeypatch.setattr(sampling, "TOP", 64)
    write_reference(engine, workload, tmp_path / "drawn.npz", Meter())
    runs = [
        quality(worse, workload, str(tmp_path / f"{n}.npz"), Meter()) for n in ("whole", "drawn")
    ]
    whole, drawn = ({s.name: np.mean(s.values) for s in run.series} for run in runs)
    error = runs[1].scalars["kld_sampling_se"]
    assert 0 < error < 0.01 * whole["kld"]
    assert abs(drawn["kld"] - whole["kld"]) < 4 * error + 1e-6
    assert drawn["kld_reverse"] == pytest.approx(whole["kld_reverse"], rel=0.02)
    for name in ("nll", "dp", "same_top", "nll_reference", "top1_reference"):
        assert drawn[name] == pytest.approx(whole[name], abs=1e-12)
    assert runs[0].scalars["kld_sampling_se"] == 0
    assert runs[0].scalars["reference_tail_mass_max"] == 0
    assert 0 < runs[1].scalars["reference_tail_mass_max"] < 1


@pytest.mark.parametrize("broken", [np.nan, -np.inf, np.inf])
def test_a_logit_that_is_no_number_ends_the_measurement(
    engine, workload: Quality, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: float
) -> None:
    write_reference(engine, workload, tmp_path / "r.npz", Meter())
    whole = type(engine).logits
    calls = []

    def logits(self, ids, first=0):
        rows = whole(self, ids, first).copy()
        calls.append(ids)
        if len(calls) == 2:
            rows[3, 7] = broken
        return rows

    monkeypatch.setattr(type(engine), "logits", logits)
    place = rf"a logit of {broken} \(chunk 2, position {CONTEXT // 2 + 3}, id 7\)"
    for reference in (None, str(tmp_path / "r.npz")):
        calls.clear()
        with pytest.raises(EngineError, match=place):
            quality(engine, workload, reference, Meter())


def test_every_engine_is_given_the_ids_that_the_reference_was(
    engine, worse, workload: Quality, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_reference(engine, workload, tmp_path / "r.npz", Meter())
    usual = quality(worse, workload, str(tmp_path / "r.npz"), Meter())
    assert "tokenizer" not in usual.environment
    monkeypatch.setattr(type(worse), "encode", lambda self, text: [32, *text.encode()])
    outcome = quality(worse, workload, str(tmp_path / "r.npz"), Meter())
    assert outcome.series == usual.series
    assert outcome.environment["tokenizer"].startswith("cuts this text into other tokens")


@pytest.mark.parametrize(
    ("name", "replacement", "message"),
    [
        ("decode", lambda self, ids: bytes(ids[0:1]).upper(), r"id 97 is b'A', there b'a'"),
        ("vocabulary", 100, "it has 100 tokens, the reference uses id 256"),
    ],
)
def test_another_vocabulary_has_bits_per_byte_and_no_divergence(
    engine,
    workload: Quality,
    tmp_path: Path,
    monkeypatch,
    name: str,
    replacement: object,
    message: str,
) -> None:
    write_reference(engine, workload, tmp_path / "r.npz", Meter())
    if name == "decode":  # BOS has no text
        monkeypatch.setattr(
            type(engine), name, lambda self, ids: b"" if ids[0] > 255 else replacement(self, ids)
        )
    else:
        monkeypatch.setattr(type(engine), name, replacement)
    outcome = quality(engine, workload, str(tmp_path / "r.npz"), Meter())
    assert [column.name for column in outcome.series] == ["nll"]
    assert outcome.scalars["scored_bytes"] > 0
    assert message in outcome.environment["kld_refused"]
    assert outcome.environment["kld_refused"].endswith("compare bits per byte")


def chunk_of(log_probs: list[list[float]]) -> Chunk:
    rows = np.array(log_probs, dtype=np.float32)
    return Chunk(np.zeros(len(rows), dtype=np.int64), rows)


def reference_of(log_probs: list[list[float]]) -> Reference:
    rows = np.array(log_probs, dtype=np.float32)
    return Reference(
        targets=np.zeros(len(rows), dtype=np.int64),
        ids=None,
        log_probs=rows,
        tail_mass=np.zeros(len(rows)),
        nll=-rows[:, 0].astype(np.float64),
        argmax=rows.argmax(axis=1),
        top1=np.exp(rows.max(axis=1)),
        top=rows.shape[1],
        vocabulary=rows.shape[1],
    )


HALF = float(np.log(0.5))


def test_unused_entries_at_the_end_of_a_vocabulary_change_nothing() -> None:
    padded = chunk_of([[HALF, HALF, -40.0, -40.0]])
    assert compare(padded, reference_of([[HALF, HALF]])).kld == pytest.approx([0.0], abs=1e-6)


def test_an_engine_may_lack_entries_that_the_reference_never_expects() -> None:
    short = chunk_of([[HALF, HALF]])
    assert compare(short, reference_of([[HALF, HALF, -40.0]])).kld == pytest.approx([0], abs=1e-6)


def test_an_engine_must_not_lack_entries_that_the_reference_expects() -> None:
    with pytest.raises(EngineError, match=r"vocabulary ends at 2, .* a probability of 0\.25"):
        compare(chunk_of([[HALF, HALF]]), reference_of([[HALF, HALF, float(np.log(0.25))]]))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_an_unreadable_reference_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.npz"
    path.write_bytes(content)
    with pytest.raises(EngineError, match=r"r\.npz is unreadable"):
        read_reference(str(path))
