"""The model: what a token's time is made of, and the effects on each part (docs/prediction.md).

The priors are physics and round figures: what streaming reads reach of a bandwidth, how long a
dependent kernel takes to start and drain, how many operations unpack a weight, what share of an
arithmetic unit a matrix product keeps busy. Rates of chips come in through observations alone.
"""

from __future__ import annotations

from grid.advice.prediction.decode_terms import decode_terms
from grid.advice.prediction.effects import Effect, Term
from grid.advice.prediction.observation import Observation
from grid.advice.prediction.prefill_terms import prefill_terms
from grid.advice.prediction.result import RateKind
from grid.advice.prediction.shape import BANDWIDTH_BYTES_S

__all__ = ["BANDWIDTH_BYTES_S", "MODEL", "Effect", "Term", "terms"]

MODEL = "model "
"""What names of effects of models begin with."""
_MODEL = 0.06
_SOURCE, _SOURCE_ON_PLATFORM = 0.03, 0.1
"""Who measured says most of the runtime's build, and builds of a platform go their own ways: on
Metal those of 2023 and of two years later differ by 18 %. Rows do not say theirs."""


def terms(rate: RateKind, row: Observation) -> tuple[Term, ...]:
    """The parts of the seconds that a token of `row` takes."""
    parts = decode_terms(row) if rate == "decode" else prefill_terms(row)
    whole = _whole(row)
    return tuple(Term(part.offset, (*part.effects, *whole)) for part in parts)


def _whole(row: Observation) -> tuple[Effect, ...]:
    """Effects on the whole time: who measured (builds, settings, whether tokens were sampled), and
    what is peculiar to a model (vocabulary, kinds of layers), which is told by its size."""
    size = f"{row.parameters:.2e}{' of a mixture' if row.mixture else ''}"
    return (
        Effect(f"source {row.origin}", _SOURCE, pooled=True),
        Effect(f"source {row.origin} on {row.platform}", _SOURCE_ON_PLATFORM, pooled=True),
        Effect(f"{MODEL}{size}", _MODEL, pooled=True),
    )
