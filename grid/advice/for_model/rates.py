"""The decode rate of a model at a place: measured there, else predicted; for several sessions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from grid.advice.advice import MEASURED_HERE, PREDICTED, PUBLISHED, Evidence, Figure
from grid.advice.for_model.places import Place
from grid.advice.for_model.target import TargetModel
from grid.advice.rates_at_depth import after_context, decode_at, prefill_at
from grid.advice.sessions import session_figure, session_rates
from grid.advice.several_cards import one_card, split_factor
from grid.advice.shared_rates import step_parts
from grid.advice.split_placement import Split
from grid.advice.split_rates import split_rates
from grid.analysis import Variant, draw_posterior
from grid.results.statistics.interval import Floats

if TYPE_CHECKING:
    from grid.advice.prediction import Prediction, Predictor

PROMPT = 512
_TAIL = 0.05


class PlaceRate(NamedTuple):
    """A rate in token/s as a figure, and its draws [n]."""

    figure: Figure
    draws: Floats


@dataclass(frozen=True)
class RateFinder:
    """Rates of one model after `context` tokens, for each of `sessions` sessions at once."""

    target: TargetModel
    context: int
    sessions: int
    predictor: Predictor

    def rate(self, place: Place, split: Split | None = None) -> PlaceRate | None:
        """None where neither the model was measured there nor the chip is known. With a `split`, of
        a card and the main memory beside it."""
        own = [
            v for v in self.target.measured if v.hardware_class == place.hardware_class and v.decode
        ]
        if own and split is None:
            return self._shared(self._measured(own[0]), self._measured_prefill(own[0]))
        from grid.advice.prediction import mixture_unknown

        if place.chip is None or mixture_unknown(self.target.variant):
            return None
        if split is not None:
            return self._split(place, split)
        return self._shared(self._predicted(place), self._predicted_prefill(place))

    def _split(self, place: Place, split: Split) -> PlaceRate | None:
        assert place.machine is not None
        assert place.chip is not None
        rates = split_rates(
            self.predictor, one_card(place.chip), place.machine, self.target.variant, split,
            context=self.context, prompt=PROMPT,
        )  # fmt: skip
        if rates is None:
            return None
        prefill = None if rates.prefill is None else rates.prefill.draws
        return self._shared(self._as_rate(rates.decode, rates.decode.draws), prefill)

    def _shared(self, alone: PlaceRate, prefill: Floats | None) -> PlaceRate:
        if self.sessions == 1:
            return alone
        parts = step_parts(self.target.variant, self.context)
        each = session_rates(alone.draws, prefill, self.sessions, parts)
        return PlaceRate(session_figure(alone.figure, each, self.sessions), each)

    def _measured(self, variant: Variant) -> PlaceRate:
        deep = decode_at(variant, self.context)
        assert deep is not None  # its decode rates are not empty
        figure = deep.speed.interval
        kind = PUBLISHED if variant.origin else MEASURED_HERE
        source = f"{PUBLISHED}, {variant.origin}" if variant.origin else MEASURED_HERE
        evidence = Evidence(kind, f"{source}, {deep.depth_text}")
        plain = replace(variant, items={}, classes={}, tasks={}, decode={0: deep.speed})
        draws = np.exp(draw_posterior([plain]).rates["decode_tps"][:, 0])
        return PlaceRate(Figure(figure.value, figure.low, figure.high, evidence), draws)

    def _measured_prefill(self, variant: Variant) -> Floats | None:
        speed = prefill_at(variant, PROMPT)
        return None if speed is None else np.array([speed.speed.interval.value])

    def _predicted(self, place: Place) -> PlaceRate:
        from grid.advice.prediction import read_bytes_of, total_parameters, used_parameters

        variant = self.target.variant
        assert place.chip is not None
        prediction = self.predictor.decode(
            one_card(place.chip),
            variant.backend,
            variant.quant,
            read_bytes_of(variant, self.context),
            parameters=used_parameters(variant) or None,
            total_parameters=total_parameters(variant),
            layers=len(variant.layers) or None,
        )
        draws = prediction.draws * split_factor(place.chip, variant.backend, prediction.draws.size)
        return self._as_rate(prediction, draws)

    def _as_rate(self, prediction: Prediction, draws: Floats) -> PlaceRate:
        low, value, high = np.quantile(draws, (_TAIL, 0.5, 1 - _TAIL)).tolist()
        error = prediction.error.median
        text = f"{PREDICTED}, {after_context(self.context)}"
        if error is not None:
            left_out = f"{prediction.error.left_out_text} ({prediction.error.split})"
            text += f"; median error {100 * error:.0f} % {left_out}"
        if prediction.far:
            text += f", {prediction.far}"
        return PlaceRate(Figure(value, low, high, Evidence(PREDICTED, text, error)), draws)

    def _predicted_prefill(self, place: Place) -> Floats | None:
        from grid.advice.prediction import total_parameters, used_parameters

        variant = self.target.variant
        used = used_parameters(variant)
        if self.sessions == 1 or place.chip is None or not used:
            return None
        return self.predictor.prefill(
            one_card(place.chip),
            variant.backend,
            variant.quant,
            used,
            total_parameters=total_parameters(variant),
            layers=len(variant.layers) or None,
        ).draws
