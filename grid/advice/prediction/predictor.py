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
    ) -> Prediction:
        """Token/s when a token reads `read_bytes`: weights less unread embeddings, and KV cache.

        `parameters` (those that a token uses) default to what so many bytes hold in this quant.
        A chip with the name of a measured hardware class is that class, and weights as small as
        those that its cache held are read from the cache.
        Raises InputError for figures not above zero.
        """
        require_positive(chip.name, "bytes read for each token", read_bytes)
        if parameters is None:
            parameters = read_bytes * 8 / quants.bits(quant)
        row = self._row(chip, engine, quant, read_bytes, parameters, layers)
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
        row = self._row(chip, engine, quant, read_bytes, parameters)
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
        layers: int | None = None,
    ) -> Observation:
        """The chip as an observation without a rate: of a measured class with the facts that its
        rows have, since the bandwidth is meant as it was measured there."""
        device = (chip.platform, chip.name)
        rows = [row for row in self.observations if (row.platform, row.group) == device]
        facts = rows[0] if rows else chip
        cached_bytes = max((row.read_bytes for row in rows if row.cached), default=0.0)
        return Observation(
            group=chip.name,
            platform=chip.platform,
            engine=engine,
            quant=quant,
            weight_bytes=read_bytes,
            read_bytes=read_bytes,
            parameters=parameters,
            bandwidth_bytes_s=facts.bandwidth_bytes_s,
            flops_half=facts.flops_half,
            flops_single=facts.flops_single,
            clock_hz=facts.clock_hz,
            layers=layers,
            bandwidth_copied=bool(rows) and rows[0].bandwidth_copied,
            cached=read_bytes <= cached_bytes,
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
        """Errors on the same platform in the same engine where there are a few, else on the
        platform; on one that nobody measured, those of leaving out each platform whole."""
        errors = [e for e in self.loo.rows if (e.rate, e.platform) == (rate, row.platform)]
        errors = errors or [e for e in self.loo_platforms.rows if e.rate == rate]
        same_engine = [e for e in errors if e.engine == row.engine]
        return Loo(tuple(same_engine if len(same_engine) >= _FEW else errors))

    def _basis(self, rate: RateKind, row: Observation, error: Loo, far: str) -> str:
        """What a prediction rests on, in words, and how wrong such predictions were."""
        used = [o for o in self.observations if measured_rate(rate, o) is not None]
        if not used:
            return "predicted: from data sheets and round figures alone, nothing was measured"
        groups = {o.group for o in used}
        on_platform = {o.group for o in used if o.platform == row.platform}
        error_text = "not known" if error.median is None else f"{error.median:.0%}"
        sizes = f", {far}" if far else ""
        source, unit = f"{_classes(groups)}, none of them on {row.platform}", "platform"
        if on_platform:
            source, unit = f"{_classes(on_platform)} on {row.platform}", "class"
        if row.group in on_platform:
            source = f"other {rate} rates of this hardware class"
        return f"predicted: from {source}{sizes}; median error {error_text} with a {unit} left out"

    def _far(self, rate: RateKind, row: Observation) -> str:
        """Sizes of the models that were measured, where this one is far from them, else empty."""
        fitted = self.fitted[rate]
        span = fitted.span(row)
        if span is None or fitted.factor_outside(row) <= FAR:
            return ""
        if rate == "decode":
            ends, what = [format_bytes(size) for size in span], "read for each token"
        else:
            ends, what = [f"{size / 1e9:.2g}B" for size in span], "weights"
        sizes = " to ".join(dict.fromkeys(ends))
        return f"of models of {sizes} {what} (this one is far from them)"


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
    """Each rate once, that with a bandwidth first; in an order of their own."""
    unique: dict[object, Observation] = {}
    for row in sorted(observations, key=lambda o: (o.bandwidth_bytes_s is None, repr(o))):
        unique.setdefault((row.quant.lower(), row.decode_tps, row.prefill_tps), row)
    return tuple(sorted(unique.values(), key=repr))


def _left_out_key(row: Observation, key: LeftOutBy) -> tuple[str, ...]:
    if key == "platform":
        return (row.platform,)
    return (row.device,) if key == "group" else (row.device, row.quant)
