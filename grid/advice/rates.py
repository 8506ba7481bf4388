"""Rates that were not measured: predicted for the machine's chip, as draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from grid.advice.answer import PREDICTED, Evidence
from grid.advice.gather import Source
from grid.advice.hardware import Machine
from grid.advice.observed import predictor_of
from grid.catalogue import Chip
from grid.explore import Dataset
from grid.statistics.interval import Floats

if TYPE_CHECKING:
    from grid.prediction import Prediction


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
    dataset: Dataset, machine: Machine, sources: Sequence[Source], draws: int
) -> Rates:
    """Rates of the sources whose speed was measured neither here nor on a like class."""
    lacking = [
        i
        for i, one in enumerate(sources)
        if not one.variant.decode and one.variant.artifact_bytes > 0
    ]
    chip = _chip(machine, sources)
    if not lacking:
        return Rates()
    if chip is None:
        note = f"no speed can be predicted for {machine.name}: the catalogue does not know its chip"
        return Rates(notes=(note,))
    from grid.prediction import read_bytes_of

    predictor = predictor_of(dataset)
    decode: dict[int, Rate] = {}
    prefill: dict[int, Rate] = {}
    for i in lacking:
        variant = sources[i].measured_as
        what = (chip, variant.backend, variant.quant)
        first = predictor.decode(
            *what,
            read_bytes_of(variant),
            parameters=variant.parameters,
            layers=len(variant.layers) or None,
        )
        decode[i] = _rate(first, draws)
        prefill[i] = _rate(predictor.prefill(*what, variant.parameters), draws)
    return Rates(decode, prefill)


def _chip(machine: Machine, sources: Sequence[Source]) -> Chip | None:
    """Of a measured class as its rows have it, by whose name predictions know them."""
    from grid.prediction import chip_of

    named = machine.measured.name if machine.measured else None
    own = (one.variant for one in sources if named and one.variant.decode)
    first = next((v for v in own if v.hardware_class == named), None)
    return machine.chip if first is None else chip_of(first)


def _rate(found: Prediction, draws: int) -> Rate:
    """The n-th draws of all predictions go together: they share what is unknown of the chip."""
    error = found.error.median
    shown = "" if error is None else f" (±{100 * error:.0f} %, leave-one-out)"
    evidence = Evidence(PREDICTED, f"{PREDICTED}{shown}", error)
    drawn = np.resize(found.draws, draws)
    return Rate(found.value, found.low, found.high, drawn, evidence)
