"""Rates that were not measured: predicted for the machine's chip, as draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from grid.advice.advice import PREDICTED, Evidence
from grid.advice.fitted_predictor import predictor_of
from grid.advice.hardware import Machine
from grid.advice.rates_at_depth import after
from grid.advice.sources import Source
from grid.analysis.dataset import Dataset
from grid.hardware.chips import Chip
from grid.results.statistics.interval import Floats

if TYPE_CHECKING:
    from grid.advice.prediction import Prediction


@dataclass(frozen=True)
class Rate:
    """A predicted rate, token/s, with its 90 % interval; `draws` [draws] are all above 0."""

    value: float
    low: float
    high: float
    draws: Floats
    evidence: Evidence


@dataclass(frozen=True)
class Rates:
    """Predicted rates by index of the source; nothing for those that were measured."""

    decode: Mapping[int, Rate] = field(default_factory=dict)
    prefill: Mapping[int, Rate] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def predicted_rates(
    dataset: Dataset,
    machine: Machine,
    sources: Sequence[Source],
    draws: int,
    context: int = 0,
    prompt: int = 512,
) -> Rates:
    """Rates of the sources whose speed was measured neither here nor on a like class; of decode
    after `context` tokens, of prefill for `prompt` tokens."""
    lacking = [
        i
        for i, one in enumerate(sources)
        if not one.variant.decode and one.variant.artifact_bytes > 0
    ]
    if not lacking:
        return Rates()
    from grid.advice.prediction import read_bytes_of
    from grid.advice.prediction.mixture import MIXTURE_UNKNOWN, mixture_of_experts

    chips = {i: _chip(machine, sources[i], sources) for i in lacking}
    notes = []
    if None in chips.values():
        notes.append(
            f"no speed can be predicted for {machine.name}: the catalogue does not know its chip"
        )
    mixed = {i for i in lacking if mixture_of_experts(sources[i].variant)}
    notes += sorted({f"{sources[i].variant.model}: {MIXTURE_UNKNOWN}" for i in mixed})
    able = {i: chip for i, chip in chips.items() if chip is not None and i not in mixed}
    predictor = predictor_of(dataset)
    decode: dict[int, Rate] = {}
    prefill: dict[int, Rate] = {}
    for i, chip in able.items():
        variant = sources[i].measured_as
        what = (chip, variant.backend, variant.quant)
        read = read_bytes_of(variant, context)
        first = predictor.decode(
            *what,
            read,
            parameters=variant.parameters or None,
            layers=len(variant.layers) or None,
        )
        decode[i] = _rate(first, draws, after(context))
        if variant.parameters:
            found = predictor.prefill(*what, variant.parameters, tokens=prompt)
            prefill[i] = _rate(found, draws)
    return Rates(decode, prefill, tuple(notes))


def _chip(machine: Machine, source: Source, sources: Sequence[Source]) -> Chip | None:
    """Of a measured class as its rows on this kind of device have it, by whose name predictions
    know it: a class may have rows of a CPU and of a card."""
    from grid.advice.prediction import chip_of

    kind = source.variant.device_kind
    if machine.measured is None:
        return machine.chip
    timed = (one.variant for one in sources if one.variant.decode)
    for one in timed:
        if (one.hardware_class, one.device_kind) == (machine.measured.name, kind):
            return chip_of(one)
    known = machine.chip
    return known if known is not None and kind.startswith(known.platform) else None


def _rate(found: Prediction, draws: int, told: str = "") -> Rate:
    """The n-th draws of all predictions go together: they share what is unknown of the chip."""
    error = found.error.median
    shown = PREDICTED if not told else f"{PREDICTED}, {told}"
    if error is not None:
        shown += f"; median error {100 * error:.0f} % with a class left out"
    if found.far:
        shown += f", {found.far}"
    drawn = np.resize(found.draws, draws)
    return Rate(found.value, found.low, found.high, drawn, Evidence(PREDICTED, shown, error))
