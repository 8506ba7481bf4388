"""Rates that were not measured: predicted for the machine's chip, as draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from grid.advice.advice import PREDICTED, Evidence
from grid.advice.fitted_predictor import predictor_of
from grid.advice.hardware import Machine
from grid.advice.rates_at_depth import after_context
from grid.advice.several_cards import one_card
from grid.advice.sources import CandidateSource
from grid.advice.split_placement import Split
from grid.advice.split_rates import RatePair, split_rates
from grid.analysis import Variant
from grid.analysis.dataset import Dataset
from grid.hardware.chips import Chip
from grid.results.statistics.interval import Floats

if TYPE_CHECKING:
    from grid.advice.prediction import Prediction, Predictor


@dataclass(frozen=True)
class PredictedRate:
    """A predicted rate, token/s, with its 90 % interval; `draws` [draws] are all above 0."""

    value: float
    low: float
    high: float
    draws: Floats
    evidence: Evidence


@dataclass(frozen=True)
class PredictedRates:
    """Predicted rates by index of the source; nothing for those that were measured."""

    decode: Mapping[int, PredictedRate] = field(default_factory=dict)
    prefill: Mapping[int, PredictedRate] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def predict_rates(
    dataset: Dataset,
    machine: Machine,
    sources: Sequence[CandidateSource],
    draws: int,
    context: int = 0,
    prompt: int = 512,
    splits: Mapping[int, Split] = MappingProxyType({}),
) -> PredictedRates:
    """Rates of the sources whose speed was measured neither on the machine's class nor on similar
    hardware: decode after `context` tokens, prefill for `prompt` tokens. `splits` are those, by
    index, of which a part lies in main memory."""
    lacking = [
        i
        for i, source in enumerate(sources)
        if source.variant.artifact_bytes > 0
        and (not source.variant.decode or (i in splits and not source.variant.is_split))
    ]
    if not lacking:
        return PredictedRates()
    from grid.advice.prediction import MIXTURE_UNKNOWN, mixture_unknown

    chips = {i: _chip(machine, sources[i], sources) for i in lacking}
    notes = []
    if None in chips.values():
        notes.append(
            f"no speed can be predicted for {machine.name}: the catalogue does not know its chip"
        )
    mixed = {i for i in lacking if mixture_unknown(sources[i].variant)}
    notes += sorted({f"{sources[i].variant.model}: {MIXTURE_UNKNOWN}" for i in mixed})
    able = {i: chip for i, chip in chips.items() if chip is not None and i not in mixed}
    predictor = predictor_of(dataset)
    decode: dict[int, PredictedRate] = {}
    prefill: dict[int, PredictedRate] = {}
    for i, chip in able.items():
        variant, tokens = sources[i].measured_as, {"context": context, "prompt": prompt}
        if i in splits:
            rates = split_rates(predictor, chip, machine, variant, splits[i], **tokens)
        else:
            rates = _rates_on(predictor, chip, variant, **tokens)
        decode[i] = _predicted_rate(rates.decode, draws, after_context(context))
        if rates.prefill is not None:
            prefill[i] = _predicted_rate(rates.prefill, draws)
    return PredictedRates(decode, prefill, tuple(notes))


def _rates_on(
    predictor: Predictor, chip: Chip, variant: Variant, *, context: int, prompt: int
) -> RatePair:
    """Both rates of a variant that lies on one device."""
    from grid.advice.prediction import read_bytes_of, total_parameters, used_parameters

    target = (chip, variant.backend, variant.quant)
    total, layers = total_parameters(variant), len(variant.layers) or None
    used = used_parameters(variant)
    read = read_bytes_of(variant, context)
    decode = predictor.decode(
        *target, read, parameters=used or None, total_parameters=total, layers=layers
    )
    if not used:
        return RatePair(decode, None)
    prefill = predictor.prefill(*target, used, tokens=prompt, total_parameters=total, layers=layers)
    return RatePair(decode, prefill)


def _chip(
    machine: Machine, source: CandidateSource, sources: Sequence[CandidateSource]
) -> Chip | None:
    """The chip to predict for: of a measured class as its rows on this kind of device have it,
    since a class may have rows of a CPU and of a card."""
    from grid.advice.prediction import chip_of

    kind = source.variant.device_kind
    if machine.measured is None:
        return None if machine.chip is None else one_card(machine.chip)
    for variant in [s.variant for s in sources]:
        place = (variant.hardware_class, variant.device_kind)
        if variant.decode and place == (machine.class_name, kind):
            return chip_of(variant)
    chip = machine.chip
    return chip if chip is not None and kind.startswith(chip.platform) else None


def _predicted_rate(prediction: Prediction, draws: int, depth_text: str = "") -> PredictedRate:
    """A prediction as evidence, its draws repeated to `draws`: the n-th draws of all predictions go
    together, since they share what is unknown of the chip."""
    error = prediction.error.median
    text = PREDICTED if not depth_text else f"{PREDICTED}, {depth_text}"
    if error is not None:
        left_out = f"{prediction.error.left_out_text} ({prediction.error.split})"
        text += f"; median error {100 * error:.0f} % {left_out}"
    if prediction.far:
        text += f", {prediction.far}"
    return PredictedRate(
        prediction.value,
        prediction.low,
        prediction.high,
        np.resize(prediction.draws, draws),
        Evidence(PREDICTED, text, error),
    )
