"""Candidates on the requested machine: joint draws of what decides, and figures with evidence."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from grid.advice.advice import Candidate
from grid.advice.ask import Ask
from grid.advice.candidate_figures import figures_of, least_memory
from grid.advice.hardware import Machine
from grid.advice.predicted_rates import PredictedRates, predict_rates
from grid.advice.sessions import for_sessions
from grid.advice.shared_rates import share_rates
from grid.advice.sources import SourceSelection
from grid.advice.split_placement import splits_of
from grid.advice.time_to_first_token import times_to_first_token
from grid.analysis import Limits, Pick, Posterior, Variant, subset
from grid.analysis.dataset import Dataset
from grid.analysis.memory import Footprint, footprint
from grid.analysis.picks import pick_of, picked_variant
from grid.analysis.quality_order import CAPABILITY, TOLERANCE, QualityOrder
from grid.analysis.quality_runs import QUALITY_MEASURES
from grid.results.statistics.interval import Floats


@dataclass(frozen=True)
class CandidateSet:
    """Candidates in the order of the posterior's variants, with the draws that limits are about.

    `posterior` holds predicted rates beside measured ones; `extra_draws` are of memory, time to
    first token and longest context, by field of Limits; `axis` is the quality that ranks.
    """

    posterior: Posterior
    extra_draws: Mapping[str, Floats]
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]
    axis: str = CAPABILITY
    tolerance: float = TOLERANCE
    """What a smaller variant may be expected to lose of the best, on the axis."""

    def pick(self, limits: Limits) -> Pick:
        """The pick within limits, with why the others lost."""
        return pick_of(self.order, limits, self.extra_draws)

    def picked(self, limits: Limits) -> Variant | None:
        """The variant of that pick alone, in a fraction of the time."""
        return picked_variant(self.order, limits, self.extra_draws)

    def picked_among(self, ids: Container[str]) -> Variant | None:
        """The variant that would be picked if only those of these ids met the limits."""
        part = subset(self.posterior, ids)
        return picked_variant(QualityOrder(part, self.axis, self.tolerance), Limits())

    @cached_property
    def order(self) -> QualityOrder:
        """The order of the candidates in quality."""
        return QualityOrder(self.posterior, self.axis, self.tolerance)

    def candidate(self, variant: Variant | None) -> Candidate | None:
        """The candidate of a variant; None for None."""
        return None if variant is None else self.candidates[self.posterior.index[variant.id]]


def build_candidate_set(
    dataset: Dataset, machine: Machine, selection: SourceSelection, ask: Ask
) -> CandidateSet:
    """All candidates with what is measured of them, and what is predicted where nothing is."""
    sources = selection.sources
    variants = [source.variant for source in sources]
    measured = dataset.posterior_of(variants)
    footprints = _footprints(variants, ask)
    splits = splits_of(machine, variants, footprints, ask)
    rates = predict_rates(
        dataset, machine, sources, measured.draws, ask.context or 0, ask.prompt, splits
    )
    posterior = replace(measured, rates=_fill_in_predictions(measured.rates, rates))
    first_tokens = times_to_first_token(
        posterior,
        min(ask.prompt, ask.context or ask.prompt),
        [source.decode_rate_ratio for source in sources],
    )
    class_by_attempt = _class_by_attempt(dataset, variants)
    candidates = [
        Candidate(
            variant=source.variant,
            context=memory.context,
            figures=figures_of(
                machine,
                source,
                rates.decode.get(i),
                rates.prefill.get(i),
                first_token,
                memory,
                class_by_attempt,
                splits.get(i),
            ),
            weights_bytes=memory.weights,
            kv_bytes=memory.kv,
            overhead_bytes=memory.overhead,
            notes=memory.notes,
            split=splits.get(i),
        )
        for i, (source, memory, first_token) in enumerate(
            zip(sources, footprints, first_tokens, strict=True)
        )
    ]
    extra_draws = {
        "max_memory_bytes": _constant_draws(
            [
                splits[i].card_bytes if i in splits else _needed_on(machine, variants[i], memory)
                for i, memory in enumerate(footprints)
            ]
        ),
        "max_ttft_s": _columns([ttft.draws for ttft in first_tokens], posterior.draws),
        "min_context": _constant_draws([v.context_length or np.inf for v in variants]),
    }
    axis = selection.quality.axis
    posterior, candidates = share_rates(posterior, candidates, machine, ask)
    return CandidateSet(posterior, extra_draws, tuple(candidates), rates.notes, axis, ask.tolerance)


def _footprints(variants: Sequence[Variant], ask: Ask) -> list[Footprint]:
    """Memory of each for the sessions of the ask."""
    return [
        for_sessions(
            footprint(variant, ask.context_for(variant.context_length), ask.kv_type, variants),
            ask.sessions,
        )
        for variant in variants
    ]


def _fill_in_predictions(
    measured: Mapping[str, Floats], rates: PredictedRates
) -> dict[str, Floats]:
    """Logs of measured rates, predicted ones in the gaps."""
    filled = {name: draws.copy() for name, draws in measured.items()}
    for name, predicted in (("decode_tps", rates.decode), ("prefill_tps", rates.prefill)):
        for i, rate in predicted.items():
            filled[name][:, i] = np.log(rate.draws)
    return filled


def _constant_draws(values: Sequence[float]) -> Floats:
    return np.array([values], dtype=np.float64)


def _columns(parts: Sequence[Floats | None], draws: int) -> Floats:
    unknown = np.full(draws, np.nan)
    if not parts:
        return np.empty((draws, 0))
    return np.column_stack([unknown if part is None else part for part in parts])


def _needed_on(machine: Machine, variant: Variant, memory: Footprint) -> float:
    """Bytes needed at least; of a variant on the machine's other kind of device so that it is
    within the machine's budget exactly where it is within its own."""
    need, own = least_memory(memory), machine.budget_of(variant.device_kind)
    if own is None or machine.budget_bytes in {None, own} or np.isnan(need):
        return need
    return min(need, machine.budget_bytes or need) if need <= own else np.inf


def _class_by_attempt(dataset: Dataset, variants: Sequence[Variant]) -> dict[str, str]:
    """Hardware class on which an attempt at tasks or text quality ran, by attempt id."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = {
        attempt
        for v in variants
        for measure in QUALITY_MEASURES
        for attempt in v.attempt_ids.get(measure, ())
    }
    table = dataset.overview.attempts.select(["attempt_id", "hardware_class"])
    attempts = table.filter(pc.is_in(table["attempt_id"], value_set=pa.array(wanted, pa.string())))
    return dict(zip(*(attempts[name].to_pylist() for name in attempts.column_names), strict=True))
