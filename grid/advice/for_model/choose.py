"""Which hardware runs a model at a rate: every chip of the catalogue, and what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from grid.advice.advice import Figure
from grid.advice.ask import INTERACTIVE, Ask
from grid.advice.fitted_predictor import predictor_of
from grid.advice.for_model.places import (
    Place,
    catalogue_places,
    chip_place,
    machine_place,
    measured_places,
)
from grid.advice.for_model.rates import RateFinder
from grid.advice.for_model.target import TargetModel
from grid.advice.hardware import machine_of
from grid.advice.sessions import for_sessions
from grid.advice.several_cards import cards_notes, further_cards_bytes, one_card
from grid.advice.split_placement import Split, splits_of
from grid.analysis.dataset import Dataset
from grid.analysis.limits import REQUIRED_PROBABILITY
from grid.analysis.memory import Footprint, footprint
from grid.errors import InputError
from grid.hardware.chips import named_chip
from grid.units import format_bytes

RUNS, SLOWER, TOO_SMALL, UNKNOWN = "runs it", "runs it slower", "does not hold it", "not known"
VERDICTS = (RUNS, SLOWER, TOO_SMALL, UNKNOWN)
MOST_CARDS = 8
"""Cards that a machine may hold."""


@dataclass(frozen=True)
class PlaceVerdict:
    """A place, and whether it runs the model: one of VERDICTS.

    `decode` is the rate of each session in token/s, None where it holds too little or nobody knows
    its chip; `sure` is P(at least the wanted rate). `chip_measured`: rates of this chip with other
    models were measured, so that less is guessed. `cards` of it hold the model together, where one
    does not and no more than MOST_CARDS do.
    """

    place: Place
    verdict: str
    decode: Figure | None = None
    sure: float | None = None
    chip_measured: bool = False
    cards: int | None = None
    split: Split | None = None
    """What of the model lies in main memory, where the card alone does not hold it."""


@dataclass(frozen=True)
class HardwareChoice:
    """Where a model runs at `min_decode_tps` for each of the ask's sessions. `memory` is its need
    with the cache of all sessions; verdicts are those of measured classes, then the others, the
    least memory first. `named`: the question was about these machines, not about all."""

    target: TargetModel
    ask: Ask
    min_decode_tps: float
    memory: Footprint
    verdicts: tuple[PlaceVerdict, ...]
    notes: tuple[str, ...] = ()
    named: bool = False

    def of(self, verdict: str) -> list[PlaceVerdict]:
        """Places with this verdict."""
        return [entry for entry in self.verdicts if entry.verdict == verdict]


def choose_hardware(
    dataset: Dataset, target: TargetModel, ask: Ask, places: Sequence[Place] | None = None
) -> HardwareChoice:
    """Every chip of the catalogue and every class that the store measured itself, or the machine
    that the ask names, or `places`.

    Raises InputError where the model is made for less context than is asked for, and for machines
    that nobody knows.
    """
    from grid.advice.prediction import MIXTURE_UNKNOWN, mixture_unknown

    variant = target.variant
    longest = variant.context_length
    if ask.least_context and longest and ask.least_context > longest:
        raise InputError(
            f"{variant.model} is made for {longest:,} tokens, not {ask.least_context:,}; "
            f"ask for at most --context {longest}"
        )
    context = ask.context_for(longest)
    memory = needed_memory(target, context, ask)
    need = float(memory.total or memory.weights + memory.overhead)
    named = places is not None or bool(ask.hardware or ask.chip or ask.bandwidth_bytes_s)
    if places is None:
        places = _places(dataset, ask, need, named)
    wanted = INTERACTIVE if ask.min_decode_tps is None else ask.min_decode_tps
    predictor = predictor_of(dataset)
    judge = _Judge(
        wanted,
        memory,
        need,
        ask,
        RateFinder(target, ask.context or 0, ask.sessions, predictor),
        frozenset(row.group for row in predictor.observations),
    )
    verdicts = sorted((judge.verdict(place) for place in places), key=_cheapest_first)
    several = [note for place in places if named for note in _chip_notes(place)]
    unknown = [MIXTURE_UNKNOWN] if mixture_unknown(variant) else []
    notes = (*target.notes, *unknown, *dict.fromkeys(several))
    return HardwareChoice(target, ask, wanted, memory, tuple(verdicts), notes, named)


def _chip_notes(place: Place) -> tuple[str, ...]:
    return () if place.chip is None else (*place.chip.notes, *cards_notes(place.chip))


def needed_memory(target: TargetModel, context: int, ask: Ask) -> Footprint:
    """Weights, a cache of `context` tokens for each session, and what the engine takes besides."""
    memory = footprint(target.variant, context, ask.kv_type, target.measured)
    return for_sessions(memory, ask.sessions)


def _places(dataset: Dataset, ask: Ask, need: float, named: bool) -> list[Place]:
    chip = named_chip(ask.chip) if ask.chip is not None and ask.memory_bytes is None else None
    if chip is not None and chip.memory_bytes is None:
        return [place for place in [chip_place(chip, need, ask)] if place is not None]
    if named:
        return [machine_place(dataset, machine_of(dataset.classes, ask))]
    measured = [] if dataset.is_empty else measured_places(dataset, ask.imported)
    places = [*measured, *catalogue_places(need, ask)]
    most = ask.memory_bytes or math.inf
    held = [place for place in places if (place.memory_bytes or 0.0) <= most]
    if not held:
        raise InputError(f"no machine has {format_bytes(most)} of memory or less; raise --memory")
    return held


def _cheapest_first(entry: PlaceVerdict) -> tuple[bool, float, float, str]:
    place = entry.place
    bandwidth = place.chip.bandwidth_bytes_s if place.chip else 0.0
    return place.hardware_class is None, place.memory_bytes or 0.0, bandwidth, place.name


@dataclass(frozen=True)
class _Judge:
    """Verdicts on places for one model that needs `need` bytes."""

    wanted: float
    memory: Footprint
    need: float
    ask: Ask
    rates: RateFinder
    measured_chips: frozenset[str]

    def verdict(self, place: Place) -> PlaceVerdict:
        budget = place.budget_bytes
        measured_chip = place.chip is not None and one_card(place.chip).name in self.measured_chips
        split = None
        if budget is not None and self.need > budget:
            split = self._split(place)
            if split is None:
                return PlaceVerdict(
                    place, TOO_SMALL, chip_measured=measured_chip, cards=self._cards(place)
                )
        rate = self.rates.rate(place, split)
        if rate is None or budget is None:
            figure = None if rate is None else rate.figure
            return PlaceVerdict(place, UNKNOWN, figure, chip_measured=measured_chip)
        sure = float((rate.draws >= self.wanted).mean())
        verdict = RUNS if sure >= REQUIRED_PROBABILITY else SLOWER
        return PlaceVerdict(place, verdict, rate.figure, sure, measured_chip, split=split)

    def _split(self, place: Place) -> Split | None:
        """What lies in main memory beside the card, where both hold the model."""
        if place.machine is None:
            return None
        variant = self.memory.variant
        return splits_of(place.machine, [variant], [self.memory], self.ask).get(0)

    def _cards(self, place: Place) -> int | None:
        """How many of a card hold the model together."""
        chip, budget = place.chip, place.budget_bytes
        if chip is None or budget is None or chip.unified or chip.count > 1:
            return None
        for count in range(2, MOST_CARDS + 1):
            shared = replace(chip, count=count)
            if self.need + further_cards_bytes(shared) <= count * budget:
                return count
        return None
