"""Predictor: rates of a model on a chip that nobody measured, fitted to those that were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np

from grid.advice.prediction import quants
from grid.advice.prediction.bundled_errors import LEFT_OUT_BY, bundled_errors
from grid.advice.prediction.fit import FAR, FittedRate, measured_rate
from grid.advice.prediction.leave_one_out import left_out_key
from grid.advice.prediction.left_out import left_out_rows
from grid.advice.prediction.observation import PROMPT, Observation, chip_facts, require_positive
from grid.advice.prediction.prefill_terms import within_peak
from grid.advice.prediction.result import (
    OWN_QUANTS,
    RATES,
    Loo,
    LooRow,
    Prediction,
    RateKind,
    as_wide_as,
    summarize,
)
from grid.advice.prediction.splits import nearest_split
from grid.hardware.chips import Chip
from grid.results.statistics.interval import Floats
from grid.units import format_bytes


@dataclass(frozen=True)
class ModelSize:
    """What a token reads (bytes) and uses of a model's weights, and how deep it is; None where it
    is not known. `total_parameters` is above `parameters` for a mixture of experts."""

    read_bytes: float
    parameters: float
    total_parameters: float | None = None
    layers: int | None = None


TOY_PARAMETERS = 1e8
"""Weights below which a model is a toy: overheads and caches decide its rates, not what decides
those of models that people run."""


@dataclass(frozen=True)
class Predictor:
    """Fitted decode and prefill. The same observations give the same predictions, draw by draw.

    `toys` are rows of models below TOY_PARAMETERS: they tell of other toys alone.
    """

    observations: tuple[Observation, ...]
    fitted: dict[RateKind, FittedRate]
    toys: tuple[Observation, ...] = field(default=(), repr=False)

    @classmethod
    def fit(cls, observations: Sequence[Observation]) -> Self:
        """Fit both rates; the order of observations does not matter. Of a published rate that was
        imported into a store too, the one with more facts counts."""
        rows = _deduplicate(observations)
        usual = tuple(row for row in rows if row.parameters >= TOY_PARAMETERS)
        toys = tuple(row for row in rows if row.parameters < TOY_PARAMETERS) if usual else ()
        return cls(usual or rows, _fit_rates(usual or rows), toys)

    @cached_property
    def _with_toys(self) -> Predictor:
        """Fitted to all rows, for toys."""
        rows = (*self.observations, *self.toys)
        return Predictor(rows, _fit_rates(rows))

    def decode(
        self,
        chip: Chip,
        engine: str,
        quant: str,
        read_bytes: float,
        *,
        parameters: float | None = None,
        layers: int | None = None,
        total_parameters: float | None = None,
    ) -> Prediction:
        """Token/s when a token reads `read_bytes`: weights less unread embeddings, and KV cache.

        `parameters` (those that a token uses) default to what so many bytes hold in this quant.
        A mixture of experts has `total_parameters` above them, and its bytes are of the used ones.
        A chip with the name of a measured hardware class is that class, and weights as small as
        those that its cache held are read from the cache.
        Raises InputError for figures not above zero.
        """
        require_positive(chip.name, "bytes read for each token", read_bytes)
        if parameters is None:
            parameters = read_bytes * 8 / quants.bits(quant)
        return self.decode_size(
            chip, engine, quant, ModelSize(read_bytes, parameters, total_parameters, layers)
        )

    def decode_size(self, chip: Chip, engine: str, quant: str, model: ModelSize) -> Prediction:
        """The same for a model whose size is known in all. Raises InputError as `decode`."""
        require_positive(chip.name, "bytes read for each token", model.read_bytes)
        if self._is_toy(model.parameters):
            return self._with_toys.decode_size(chip, engine, quant, model)
        return self._predict("decode", self._row(chip, engine, quant, model))

    def prefill(
        self,
        chip: Chip,
        engine: str,
        quant: str,
        parameters: float,
        tokens: int = PROMPT,
        *,
        layers: int | None = None,
        total_parameters: float | None = None,
    ) -> Prediction:
        """Token/s of reading a prompt of `tokens` with a model that uses `parameters` for each.

        The prompt takes at least as long as a decoded token, for which the weights are read too,
        and no less than the chip's 16-bit rate needs. Raises InputError for figures that are not
        above zero.
        """
        require_positive(chip.name, "parameters", parameters)
        require_positive(chip.name, "tokens of the prompt", tokens)
        if self._is_toy(parameters):
            return self._with_toys.prefill(
                chip,
                engine,
                quant,
                parameters,
                tokens,
                layers=layers,
                total_parameters=total_parameters,
            )
        read_bytes = parameters * quants.bits(quant) / 8
        model = ModelSize(read_bytes, parameters, total_parameters, layers)
        row = self._row(chip, engine, quant, model, tokens)
        steps = tokens * self.fitted["decode"].rates(row)
        return self._predict("prefill", row, within_peak(steps, row))

    def _is_toy(self, parameters: float) -> bool:
        return bool(self.toys) and parameters < TOY_PARAMETERS

    @cached_property
    def loo(self) -> Loo:
        """Errors of leaving out one hardware class after another, and one platform after another:
        those of the bundled tables as they come with quantgrid, those of other rows in closed
        form. Without observations there are none."""
        origins = {row.origin for row in self.observations}
        bundled = tuple(row for row in bundled_errors() if row.origin in origins)
        others = origins - {row.origin for row in bundled}
        if not others:
            return Loo(bundled)
        own = (
            replace(row, left_out=key)
            for key in LEFT_OUT_BY
            for fitted in self.fitted.values()
            for row in left_out_rows(fitted, [left_out_key(row, key) for row in fitted.rows])
            if row.origin in others
        )
        return Loo((*bundled, *own))

    def _row(
        self, chip: Chip, engine: str, quant: str, model: ModelSize, prompt: int = PROMPT
    ) -> Observation:
        """The chip as an observation without a rate: of a measured class with the facts that its
        rows have, since the bandwidth is meant as it was measured there."""
        device = (chip.platform, chip.name)
        measured = (*self.observations, *self.toys)
        rows = [row for row in measured if (row.platform, row.group) == device]
        facts = rows[0] if rows else chip
        cached_bytes = max((row.read_bytes for row in rows if row.cached), default=0.0)
        total = max(model.total_parameters or 0.0, model.parameters)
        return Observation(
            group=chip.name,
            platform=chip.platform,
            engine=engine,
            quant=quant,
            weight_bytes=max(model.read_bytes, total * quants.bits(quant) / 8),
            read_bytes=model.read_bytes,
            parameters=model.parameters,
            total_parameters=total,
            **chip_facts(facts),
            layers=model.layers,
            prompt=prompt,
            bandwidth_copied=bool(rows) and rows[0].bandwidth_copied,
            cached=model.read_bytes <= cached_bytes,
        )

    def _predict(self, rate: RateKind, row: Observation, most: Floats | None = None) -> Prediction:
        error = self._error(rate, row)
        draws = as_wide_as(error.median, self.fitted[rate].rates(row))
        if most is not None:
            draws = np.minimum(draws, most)
        value, low, high = summarize(draws)
        far = self._far(rate, row)
        return Prediction(value, low, high, draws, error, self._basis(rate, row, error, far), far)

    def _error(self, rate: RateKind, row: Observation) -> Loo:
        """How wrong such predictions were: on a device of the user's own with several quants, of
        those left out in turn; else with devices and sources left out."""
        own = [r for r in self._own_quants if (r.rate, r.platform, r.group) == (rate, *row.place)]
        if len({r.quant for r in own}) > 1 and row.mixture == own[0].mixture:
            return Loo(tuple(own), OWN_QUANTS)
        return nearest_split(self.loo.rows, row, rate)

    @cached_property
    def _own_quants(self) -> tuple[LooRow, ...]:
        """The user's own rates, each predicted without those of its device in its quant."""
        return tuple(
            row
            for fitted in self.fitted.values()
            if any(not row.origin for row in fitted.rows)
            for row in left_out_rows(fitted, [left_out_key(row, "quant") for row in fitted.rows])
            if not row.origin
        )

    def _basis(self, rate: RateKind, row: Observation, error: Loo, far: str) -> str:
        """What a prediction rests on, in words, and how wrong such predictions were."""
        used = [o for o in self.observations if measured_rate(rate, o) is not None]
        if not used:
            return "predicted: from data sheets and round figures alone, nothing was measured"
        groups = {o.group for o in used}
        on_platform = {o.group for o in used if o.platform == row.platform}
        error_text = "not known" if error.median is None else f"{error.median:.0%}"
        sizes = f", {far}" if far else ""
        source = f"{_classes(groups)}, none of them on {row.platform}"
        if on_platform:
            source = f"{_classes(on_platform)} on {row.platform}"
        if row.group in on_platform:
            source = f"other {rate} rates of this hardware class"
        errors = f"median error {error_text} {error.left_out_text}"
        return f"predicted: from {source}{sizes}; {errors}"

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


def _fit_rates(rows: Sequence[Observation]) -> dict[RateKind, FittedRate]:
    return {rate: FittedRate.of(rate, rows) for rate in RATES}


def _classes(groups: set[str]) -> str:
    return f"{len(groups)} hardware class{'es' if len(groups) > 1 else ''}"


def _deduplicate(observations: Sequence[Observation]) -> tuple[Observation, ...]:
    """Each rate once, that with a bandwidth first; in an order of their own."""
    unique: dict[object, Observation] = {}
    for row in sorted(observations, key=lambda o: (o.bandwidth_bytes_s is None, repr(o))):
        rates = (row.quant.lower(), row.decode_tps, row.prefill_tps)
        unique.setdefault((*rates, row.device, row.model) if row.origin else rates, row)
    return tuple(sorted(unique.values(), key=repr))
