"""A model's ladder whose variants were scored on the same chunks of a text, for tests of KLD."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from analysis_cases import SIZES, variant

from grid.analysis import Variant
from grid.analysis.scored_text import ScoredText
from grid.results.statistics import Interval

KLD = {"F16": 0.0, "Q8_0": 0.004, "Q4_K_M": 0.055, "Q2_K": 0.4}
"""As SmolLM2-135M has them, nat."""

HARDNESS = (0.6, 1.7, 0.9, 1.2, 0.5, 1.1, 0.8, 1.4, 1.0, 0.7, 1.3, 0.8)
"""What chunks of a text cost every variant alike: far more than variants differ by."""


def scored(
    quant: str,
    kld: Sequence[float] | None,
    gains: Sequence[float] = (),
    nll: Sequence[float] | None = None,
    text: str = "wiki",
    **fields: object,
) -> Variant:
    """A variant with mean KLD (and NLL) by chunk, and item gains if it was asked any."""
    run = ScoredText(
        text=text,
        context=512,
        chunks=len(kld or nll or ()),
        tokens=255 * len(kld or nll or ()),
        reference="" if kld is None else f"{fields.get('model', 'base')}-F16@llamacpp",
        kld=None if kld is None else np.array(kld),
        nll=None if nll is None else np.array(nll),
    )
    facts = {
        "kld_mean": None if kld is None else Interval(float(np.mean(kld))),
        "perplexity": None if nll is None else Interval(float(np.exp(np.mean(nll)))),
        "scored_text": run,
        "sixteen_bit": quant == "F16",
        **fields,
    }
    return variant(quant, SIZES.get(quant, 1000), {"math": gains} if len(gains) else {}, **facts)


def kld_ladder(
    chunks: int = 8, gains: Sequence[float] = (), model: str = "base", **fields: object
) -> list[Variant]:
    """F16 to Q2_K with the divergences of KLD; `gains` are those of every variant."""
    facts = {"model": model, "rates": [10.0, 10.1, 9.9], **fields}
    return [
        scored(
            quant,
            spread(KLD[quant], chunks, noise=i),
            gains,
            artifact_id=f"{model}-{quant}",
            **facts,
        )
        for i, quant in enumerate(SIZES)
    ]


def spread(mean: float, chunks: int, noise: int = 0, sd: float = 0.03) -> list[float]:
    """Divergences of chunks with a mean: the chunk's hardness times a little of the variant's."""
    rng = np.random.default_rng(noise)
    values = np.resize(HARDNESS, chunks) * np.exp(sd * rng.standard_normal(chunks))
    return (mean * values / values.mean()).tolist()
