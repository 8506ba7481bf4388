"""KL divergence of a real model's quants: 49,152 entries of which 768 are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from real_models import dequantized, quantized, smollm2

from grid.backend import Engine
from grid.cells.texts import HELDOUT, read_text
from grid.cells.workload import Quality
from grid.engine.measure.chunks import scored_chunks
from grid.engine.measure.meter import Meter
from grid.engine.measure.quality import quality
from grid.engine.measure.reference import read_reference, write_reference

pytestmark = pytest.mark.engine

CONTEXT, CHUNKS = 128, 2
SCORED = CHUNKS * (CONTEXT // 2 - 1)


def distributions(
    engine: Engine, workload: Quality, chunks: list[list[int]]
) -> npt.NDArray[np.float32]:
    """Log-probabilities [scored tokens, vocabulary]."""
    scored = scored_chunks(engine, workload, Meter(), chunks)
    return np.concatenate([chunk.log_probs for chunk in scored])


@pytest.mark.parametrize("preset", ["Q8_0", "Q2_K"])
def test_both_divergences_are_those_of_the_whole_vocabulary(
    load_engine: Any, tmp_path: Path, preset: str
) -> None:
    f16 = dequantized(smollm2())
    workload = Quality(HELDOUT, read_text(HELDOUT).sha256, CONTEXT, CHUNKS)
    reference = tmp_path / "reference.npz"
    with load_engine(f16) as engine:
        write_reference(engine, workload, reference, Meter())
        chunks = read_reference(str(reference)).tokens.chunks.tolist()
        p = distributions(engine, workload, chunks)
    with load_engine(quantized(f16, preset)) as engine:
        q = distributions(engine, workload, chunks)
        result = quality(engine, workload, str(reference), Meter())
    mean = {series.name: float(np.mean(series.values)) for series in result.series}
    exact = (np.exp(p.astype(np.float64)) * (p - q)).sum(axis=1).mean()
    reverse = (np.exp(q.astype(np.float64)) * (q - p)).sum(axis=1).mean()
    error = result.scalars["kld_sampling_se"]
    assert error < 0.005 * exact
    assert abs(mean["kld"] - exact) < 3.5 * error + 1e-6
    assert mean["kld_reverse"] == pytest.approx(reverse, rel=0.03)
    assert mean["same_top"] == (p.argmax(axis=1) == q.argmax(axis=1)).mean()
    assert mean["top1_reference"] == pytest.approx(np.exp(p.max(axis=1)).mean(), rel=1e-6)
    assert reference.stat().st_size < SCORED * 2 * (49_152 + 4) / 20


def test_the_same_model_in_other_pieces_is_the_same_to_the_last_bit(
    load_engine: Any, tmp_path: Path
) -> None:
    """The noise floor of llama.cpp on a CPU takes one chunk: other threads, other batches."""
    f16, file = dequantized(smollm2()), str(tmp_path / "reference.npz")
    workload = Quality(HELDOUT, read_text(HELDOUT).sha256, CONTEXT, CHUNKS)
    with load_engine(f16, threads=2) as engine:
        whole = quality(engine, workload, None, Meter(), target=Path(file))
    with load_engine(f16, threads=1, ubatch=64) as engine:
        probe = quality(engine, workload, file, Meter(), probes=True)
    assert (whole.scalars["chunks"], probe.scalars["chunks"]) == (CHUNKS, 1)
    assert np.mean(next(s.values for s in whole.series if s.name == "kld")) < 1e-6
