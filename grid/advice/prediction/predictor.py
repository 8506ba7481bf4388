"""Predictor: rates of a model on a chip that nobody measured, fitted to those that were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self

import numpy as np

from grid.advice.prediction import quants
from grid.advice.prediction.fit import FAR, FittedRate, measured
from grid.advice.prediction.observation import Observation, require_positive
from grid.advice.prediction.result import FLAT_SHARE, Loo, LooRow, Prediction, Rate, summary
from grid.hardware.chips import Chip
from grid.results.statistics.interval import Floats
from grid.units import format_bytes

Key = Literal["group", "quant", "platform"]
_FEW = 2
PROMPT = 512
"""Tokens of a prompt where nobody says: those that most published rates are of."""
RATES: tuple[Rate, ...] = ("decode", "prefill")


@dataclass(frozen=True)
class Predictor:
    """Fitted decode and prefill. The same observations give the same predictions, draw by draw."""

    observations: tuple[Observation, ...]
    fitted: dict[Rate, FittedRate]

    @classmethod
    def fit(cls, observations: Sequence[Observation]) -> Self:
        """Fit both rates; the order of observations does not matter. Of a published rate that was
        imported into a store too, the one with more facts counts."""
        rows = _once(observations)
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
            one
            for one in self.observations
            if (one.group, one.platform) == (chip.name, chip.platform)
        ]
        here = next(iter(device), None)
        if copied is None:
            copied = here.copied if here is not None else False
        if cached is None:
            held = [one.read_bytes for one in device if one.cached]
            cached = read_bytes <= max(held, default=0.0)
        return Observation(
            group=chip.name,
            platform=chip.platform,
            engine=engine,
            quant=quant,
            weight_bytes=read_bytes,
            read_bytes=read_bytes,
            parameters=parameters,
            bandwidth_bytes_s=here.bandwidth_bytes_s if here else chip.bandwidth_bytes_s,
            flops_half=here.flops_half if here else chip.flops_half,
            flops_single=here.flops_single if here else chip.flops_single,
            clock_hz=here.clock_hz if here else chip.clock_hz,
            layers=layers,
            copied=copied,
            cached=cached,
        )

    def _predict(self, rate: Rate, row: Observation, most: Floats | None = None) -> Prediction:
        draws = self.fitted[rate].rates(row)
        if most is not None:
            draws = np.minimum(draws, most)
        value, low, high = summary(draws)
        error = self._errors(rate, row)
        far = self._far(rate, row)
        return Prediction(value, low, high, draws, error, self._basis(rate, row, error, far), far)

    def _errors(self, rate: Rate, row: Observation) -> Loo:
        """On the same platform in the same engine where there are a few, else on the platform; on
        one that nobody measured, the errors of leaving out each platform whole."""
        like = [one for one in self.loo.rows if (one.rate, one.platform) == (rate, row.platform)]
        same = [one for one in like if one.engine == row.engine]
        if like:
            return Loo(tuple(same if len(same) >= _FEW else like))
        strange = [one for one in self.loo_platforms.rows if one.rate == rate]
        same = [one for one in strange if one.engine == row.engine]
        return Loo(tuple(same if len(same) >= _FEW else strange))

    def _basis(self, rate: Rate, row: Observation, error: Loo, far: str) -> str:
        used = [one for one in self.observations if measured(rate, one) is not None]
        if not used:
            return "predicted: from data sheets and round figures alone, nothing was measured"
        groups = {one.group for one in used}
        like = {one.group for one in used if one.platform == row.platform}
        told = "not known" if error.median is None else f"{error.median:.0%}"
        sizes = f", {far}" if far else ""
        if row.group in like:
            return (
                f"predicted: from other {rate} rates of this hardware class{sizes}; "
                f"median error {told} with a class left out"
            )
        if like:
            return (
                f"predicted: from {_classes(like)} on {row.platform}{sizes}; "
                f"median error {told} with a class left out"
            )
        return (
            f"predicted: from {_classes(groups)}, none of them on {row.platform}{sizes}; "
            f"median error {told} with a platform left out"
        )

    def _far(self, rate: Rate, row: Observation) -> str:
        """Of what models the measured rates are, where this one is far from them."""
        fitted = self.fitted[rate]
        span = fitted.span(row)
        if span is None or fitted.outside(row) <= FAR:
            return ""
        least, most = (
            format_bytes(one) if rate == "decode" else f"{one / 1e9:.2g}B" for one in span
        )
        range_ = least if least == most else f"{least} to {most}"
        what = "read for each token" if rate == "decode" else "weights"
        return f"of models of {range_} {what} (this one is far from them)"


def _classes(groups: set[str]) -> str:
    return f"{len(groups)} hardware class{'es' if len(groups) > 1 else ''}"


def leave_one_out(
    observations: Sequence[Observation], key: Key = "group", rates: Sequence[Rate] = RATES
) -> tuple[LooRow, ...]:
    """Every measured rate beside what is predicted without its group, its platform, or its group's
    rows of the same quant. Where nothing is known of a group's chip (its bandwidth, for prefill its
    rate of operations), leaving it out whole leaves nothing to predict from: it is not listed."""
    rows = sorted(observations, key=repr)
    found: list[LooRow] = []
    for rate in rates:
        used = [row for row in rows if measured(rate, row) is not None]
        asked = [row for row in used if key == "quant" or _chip_known(rate, row)]
        for left in dict.fromkeys(_left(row, key) for row in asked):
            fitted = FittedRate.of(rate, [row for row in used if _left(row, key) != left])
            found += [compared(rate, fitted, row) for row in asked if _left(row, key) == left]
    return tuple(found)


def _chip_known(rate: Rate, row: Observation) -> bool:
    return (row.bandwidth_bytes_s if rate == "decode" else row.flops_half) is not None


def compared(rate: Rate, fitted: FittedRate, row: Observation) -> LooRow:
    """A measured row beside its prediction. Raises ValueError where its rate was not measured."""
    truth = measured(rate, row)
    if truth is None:
        raise ValueError(f"{row.group} {row.quant} has no {rate} rate")
    value, low, high = summary(fitted.rates(row))
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


def _once(observations: Sequence[Observation]) -> tuple[Observation, ...]:
    known: dict[object, Observation] = {}
    for row in sorted(observations, key=lambda one: (one.bandwidth_bytes_s is None, repr(one))):
        known.setdefault((row.quant.lower(), row.decode_tps, row.prefill_tps), row)
    return tuple(sorted(known.values(), key=repr))


def _left(row: Observation, key: Key) -> tuple[str, ...]:
    if key == "platform":
        return (row.platform,)
    return (row.device,) if key == "group" else (row.device, row.quant)
