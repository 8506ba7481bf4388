"""Predictor: rates of a model on a chip that nobody measured, fitted to those that were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self

import numpy as np

from grid.advice.prediction import quants
from grid.advice.prediction.fit import FAR, FittedRate, measured_rate
from grid.advice.prediction.observation import Observation, require_positive
from grid.advice.prediction.result import FLAT_SHARE, Loo, LooRow, Prediction, RateKind, summarize
from grid.hardware.chips import Chip
from grid.results.statistics.interval import Floats
from grid.units import format_bytes

LeftOutBy = Literal["group", "quant", "platform"]
_FEW = 2
PROMPT = 512
"""Tokens of a prompt where nobody says: those that most published rates are of."""
RATES: tuple[RateKind, ...] = ("decode", "prefill")


@dataclass(frozen=True)
class Predictor:
    """Fitted decode and prefill. The same observations give the same predictions, draw by draw."""

    observations: tuple[Observation, ...]
    fitted: dict[RateKind, FittedRate]

    @classmethod
    def fit(cls, observations: Sequence[Observation]) -> Self:
        """Fit both rates; the order of observations does not matter. Of a published rate that was
        imported into a store too, the one with more facts counts."""
        rows = _deduplicate(observations)
        return cls(rows, {rate: FittedRate.of(rate, rows) for rate in RATES})

    def decode(
        self,
        chip: Chip,
        engine: str,
        quant: str,
        read_bytes: float,
        *,
        parameters: float | None = None,
        layers: int | None = None,
        copied: bool | None = None,
        cached: bool | None = None,
    ) -> Prediction:
        """Token/s when a token reads `read_bytes`: weights less unread embeddings, and KV cache.

        `parameters` (those that a token uses) default to what so many bytes hold in this quant.
        A chip with the name of a measured hardware class is that class, and weights as small as
        those that its cache held are `cached`. Raises InputError for figures not above zero.
        """
        require_positive(chip.name, "bytes read for each token", read_bytes)
        if parameters is None:
            parameters = read_bytes * 8 / quants.bits(quant)
        row = self._row(chip, engine, quant, read_bytes, parameters, layers, copied, cached)
        return self._predict("decode", row)

    def prefill(
        self, chip: Chip, engine: str, quant: str, parameters: float, tokens: int = PROMPT
    ) -> Prediction:
        """Token/s of reading a prompt of `tokens` with a model that uses `parameters` for each.

        The prompt takes at least as long as a decoded token, for which all weights are read too.
        Raises InputError for figures that are not above zero.
        """
        require_positive(chip.name, "parameters", parameters)
        require_positive(chip.name, "tokens of the prompt", tokens)
        read_bytes = parameters * quants.bits(quant) / 8
        row = self._row(chip, engine, quant, read_bytes, parameters, None, None, None)
        steps = tokens * self.fitted["decode"].rates(row)
        return self._predict("prefill", row, most=steps)

    @cached_property
    def loo(self) -> Loo:
        """Errors of leaving out one hardware class after another; takes a fit for each."""
        return Loo(leave_one_out(self.observations))

    @cached_property
    def loo_platforms(self) -> Loo:
        """Errors of leaving out one platform after another, for platforms that nobody measured."""
        return Loo(leave_one_out(self.observations, key="platform"))

    def _row(
        self,
        chip: Chip,
        engine: str,
        quant: str,
        read_bytes: float,
        parameters: float,
        layers: int | None,
        copied: bool | None,
        cached: bool | None,
    ) -> Observation:
        """The chip's row. Where its class was measured the bandwidth is meant as it was there."""
        device = [
            observation
            for observation in self.observations
            if (observation.group, observation.platform) == (chip.name, chip.platform)
        ]
        own = next(iter(device), None)
        if copied is None:
            copied = own.bandwidth_copied if own is not None else False
        if cached is None:
            held = [observation.read_bytes for observation in device if observation.cached]
            cached = read_bytes <= max(held, default=0.0)
        return Observation(
            group=chip.name,
            platform=chip.platform,
            engine=engine,
            quant=quant,
            weight_bytes=read_bytes,
            read_bytes=read_bytes,
            parameters=parameters,
            bandwidth_bytes_s=own.bandwidth_bytes_s if own else chip.bandwidth_bytes_s,
            flops_half=own.flops_half if own else chip.flops_half,
            flops_single=own.flops_single if own else chip.flops_single,
            clock_hz=own.clock_hz if own else chip.clock_hz,
            layers=layers,
            bandwidth_copied=copied,
            cached=cached,
        )

    def _predict(self, rate: RateKind, row: Observation, most: Floats | None = None) -> Prediction:
        draws = self.fitted[rate].rates(row)
        if most is not None:
            draws = np.minimum(draws, most)
        value, low, high = summarize(draws)
        error = self._errors(rate, row)
        far = self._far(rate, row)
        return Prediction(value, low, high, draws, error, self._basis(rate, row, error, far), far)

    def _errors(self, rate: RateKind, row: Observation) -> Loo:
        """On the same platform in the same engine where there are a few, else on the platform; on
        one that nobody measured, the errors of leaving out each platform whole."""
        like = [
            loo_row
            for loo_row in self.loo.rows
            if (loo_row.rate, loo_row.platform) == (rate, row.platform)
        ]
        same = [loo_row for loo_row in like if loo_row.engine == row.engine]
        if like:
            return Loo(tuple(same if len(same) >= _FEW else like))
        strange = [loo_row for loo_row in self.loo_platforms.rows if loo_row.rate == rate]
        same = [loo_row for loo_row in strange if loo_row.engine == row.engine]
        return Loo(tuple(same if len(same) >= _FEW else strange))

    def _basis(self, rate: RateKind, row: Observation, error: Loo, far: str) -> str:
        used = [
            observation
            for observation in self.observations
            if measured_rate(rate, observation) is not None
        ]
        if not used:
            return "predicted: from data sheets and round figures alone, nothing was measured"
        groups = {observation.group for observation in used}
        like = {observation.group for observation in used if observation.platform == row.platform}
        error_text = "not known" if error.median is None else f"{error.median:.0%}"
        sizes = f", {far}" if far else ""
        if row.group in like:
            return (
                f"predicted: from other {rate} rates of this hardware class{sizes}; "
                f"median error {error_text} with a class left out"
            )
        if like:
            return (
                f"predicted: from {_classes(like)} on {row.platform}{sizes}; "
                f"median error {error_text} with a class left out"
            )
        return (
            f"predicted: from {_classes(groups)}, none of them on {row.platform}{sizes}; "
            f"median error {error_text} with a platform left out"
        )

    def _far(self, rate: RateKind, row: Observation) -> str:
        """Of what models the measured rates are, where this one is far from them."""
        fitted = self.fitted[rate]
        span = fitted.span(row)
        if span is None or fitted.factor_outside(row) <= FAR:
            return ""
        least, most = (
            format_bytes(size) if rate == "decode" else f"{size / 1e9:.2g}B" for size in span
        )
        range_ = least if least == most else f"{least} to {most}"
        what = "read for each token" if rate == "decode" else "weights"
        return f"of models of {range_} {what} (this one is far from them)"


def _classes(groups: set[str]) -> str:
    return f"{len(groups)} hardware class{'es' if len(groups) > 1 else ''}"


def leave_one_out(
    observations: Sequence[Observation], key: LeftOutBy = "group", rates: Sequence[RateKind] = RATES
) -> tuple[LooRow, ...]:
    """Every measured rate beside what is predicted without its group, its platform, or its group's
    rows of the same quant. Where nothing is known of a group's chip (its bandwidth, for prefill its
    rate of operations), leaving it out whole leaves nothing to predict from: it is not listed."""
    rows = sorted(observations, key=repr)
    results: list[LooRow] = []
    for rate in rates:
        used = [row for row in rows if measured_rate(rate, row) is not None]
        targets = [row for row in used if key == "quant" or _chip_known(rate, row)]
        for left in dict.fromkeys(_left_out_key(row, key) for row in targets):
            fitted = FittedRate.of(rate, [row for row in used if _left_out_key(row, key) != left])
            results += [
                compare_with_prediction(rate, fitted, row)
                for row in targets
                if _left_out_key(row, key) == left
            ]
    return tuple(results)


def _chip_known(rate: RateKind, row: Observation) -> bool:
    return (row.bandwidth_bytes_s if rate == "decode" else row.flops_half) is not None


def compare_with_prediction(rate: RateKind, fitted: FittedRate, row: Observation) -> LooRow:
    """A measured row beside its prediction. Raises ValueError where its rate was not measured."""
    truth = measured_rate(rate, row)
    if truth is None:
        raise ValueError(f"{row.group} {row.quant} has no {rate} rate")
    value, low, high = summarize(fitted.rates(row))
    flat = None
    if rate == "decode" and row.bandwidth_bytes_s is not None:
        flat = FLAT_SHARE * row.bandwidth_bytes_s / row.weight_bytes
    return LooRow(
        rate=rate,
        group=row.group,
        engine=row.engine,
        quant=row.quant,
        model=row.model,
        platform=row.platform,
        measured=truth,
        predicted=value,
        low=low,
        high=high,
        flat_rule=flat,
    )


def _deduplicate(observations: Sequence[Observation]) -> tuple[Observation, ...]:
    unique: dict[object, Observation] = {}
    for row in sorted(
        observations,
        key=lambda observation: (observation.bandwidth_bytes_s is None, repr(observation)),
    ):
        unique.setdefault((row.quant.lower(), row.decode_tps, row.prefill_tps), row)
    return tuple(sorted(unique.values(), key=repr))


def _left_out_key(row: Observation, key: LeftOutBy) -> tuple[str, ...]:
    if key == "platform":
        return (row.platform,)
    return (row.device,) if key == "group" else (row.device, row.quant)
