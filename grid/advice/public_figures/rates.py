"""Predicted decode rates of public models on a chip."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from grid.advice.advice import Figure
from grid.advice.ask import RATES
from grid.advice.for_model.places import Place
from grid.advice.for_model.rates import PlaceRate, RateFinder
from grid.advice.for_model.target import find_target
from grid.advice.public_figures.offers import MemoryQuestion, ModelOffer
from grid.analysis.limits import REQUIRED_PROBABILITY
from grid.hardware.chips import Chip

if TYPE_CHECKING:
    from grid.advice.prediction import Predictor


USABLE = RATES["over 5"]
"""Least decode rate, token/s, of a pick where the ask names none: what is slower keeps a reader
waiting, however capable it is."""


@dataclass(frozen=True)
class OfferRates:
    """Rates on a chip after the question's context, for each of its sessions; none without one."""

    chip: Chip | None
    question: MemoryQuestion

    def decode(self, offer: ModelOffer) -> Figure | None:
        """The decode rate, token/s, with its 90 % interval."""
        rate = self._rate(offer)
        return rate.figure if rate else None

    def reaches(self, offer: ModelOffer, tps: float | None) -> bool:
        """Whether the rate is at least so much with the probability that limits require; True
        where nothing is required or no rate can be predicted."""
        rate = self._rate(offer)
        if tps is None or rate is None:
            return True
        return bool((rate.draws >= tps).mean() >= REQUIRED_PROBABILITY)

    def likely_usable(self, offer: ModelOffer) -> bool:
        """Whether the rate is more likely than not at least USABLE; True where none can be
        predicted."""
        rate = self._rate(offer)
        return rate is None or rate.figure.value >= USABLE

    def _rate(self, offer: ModelOffer) -> PlaceRate | None:
        if self.chip is None:
            return None
        return _rate(self.chip, offer.model.name, offer.preset, self.question)


@cache
def _rate(chip: Chip, model: str, preset: str, question: MemoryQuestion) -> PlaceRate | None:
    target = find_target(model, preset)
    place = Place(chip.name, chip.platform, chip, chip.memory_bytes, None)
    return RateFinder(target, question.context, question.sessions, _predictor()).rate(place)


@cache
def _predictor() -> Predictor:
    from grid.advice.prediction import Predictor, published_observations

    return Predictor.fit(published_observations())
