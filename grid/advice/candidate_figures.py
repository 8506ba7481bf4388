"""Figures of a candidate on the requested machine, each with the evidence it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from grid.advice.advice import (
    CAPABILITY,
    DECODE,
    KLD,
    MEASURED_HERE,
    MEASURED_ON_SIMILAR,
    MEMORY,
    PERPLEXITY,
    PREDICTED,
    PUBLISHED,
    TTFT,
    Evidence,
    Figure,
)
from grid.advice.hardware import Machine
from grid.advice.predicted_rates import PredictedRate
from grid.advice.sources import CandidateSource
from grid.advice.split_placement import Split
from grid.advice.time_to_first_token import TimeToFirstToken
from grid.analysis.memory import Footprint
from grid.results.statistics import Interval
from grid.results.statistics.interval import Floats


def figures_of(
    machine: Machine,
    source: CandidateSource,
    decode: PredictedRate | None,
    prefill: PredictedRate | None,
    first_token: TimeToFirstToken,
    memory: Footprint,
    class_by_attempt: Mapping[str, str],
    split: Split | None = None,
) -> dict[str, Figure]:
    """Figures by QUANTITIES, those that are known; `decode` and `prefill` are the rates that were
    predicted because nobody measured them. Of a `split` variant memory is that of the card."""
    variant = source.variant
    figures: dict[str, Figure] = {}
    if variant.capability is not None:
        evidence = _quality_evidence(machine, source, class_by_attempt, "tasks")
        figures[CAPABILITY] = _figure(variant.capability, evidence)
    for name, figure in ((KLD, variant.kld_mean), (PERPLEXITY, variant.perplexity)):
        if figure is not None:
            evidence = _quality_evidence(machine, source, class_by_attempt, "quality")
            figures[name] = _figure(figure, evidence)
    if decode is not None:
        figures[DECODE] = _figure(decode, decode.evidence)
    elif variant.decode_tps is not None:
        evidence = _speed_evidence(machine, source, f", {source.decode_depth_text}")
        figures[DECODE] = _figure(variant.decode_tps, evidence)
    if first_token.draws is not None:
        figures[TTFT] = _ttft_figure(machine, source, prefill, first_token, first_token.draws)
    if memory.weights:
        evidence = _memory_evidence(machine, source, memory)
        need = least_memory(memory) if split is None else split.card_bytes
        if split is not None:
            evidence = replace(evidence, text=f"of the card; {evidence.text}")
        figures[MEMORY] = Figure(need, None, None, evidence)
    return figures


def least_memory(memory: Footprint) -> float:
    """Bytes needed at least: without the KV cache where that is not known; NaN for weights of
    unknown size."""
    if not memory.weights:
        return np.nan
    return memory.total if memory.total is not None else memory.weights + memory.overhead


def _figure(measured: Interval | PredictedRate, evidence: Evidence) -> Figure:
    return Figure(measured.value, measured.low, measured.high, evidence)


def _quality_evidence(
    machine: Machine, source: CandidateSource, class_by_attempt: Mapping[str, str], measure: str
) -> Evidence:
    """Quality belongs to artifact, engine and device kind, so that another class of the same kind
    says it exactly."""
    variant = source.measured_as
    if variant.origin:
        return Evidence(PUBLISHED, f"third-party figure, {variant.origin}")
    attempts = variant.attempt_ids.get(measure, ())
    classes = {class_by_attempt.get(attempt_id, "") for attempt_id in attempts} - {""}
    where = sorted(classes or {variant.hardware_class})
    if machine.class_name in where:
        return Evidence(MEASURED_HERE, MEASURED_HERE)
    if machine.measured is not None and machine.measured.device_kind == variant.device_kind:
        text = f"{MEASURED_ON_SIMILAR}: {', '.join(where)} (same device kind, so the same answers)"
        return Evidence(MEASURED_ON_SIMILAR, text)
    return Evidence(MEASURED_ON_SIMILAR, f"measured on {', '.join(where)} ({variant.device_kind})")


def _ttft_figure(
    machine: Machine,
    source: CandidateSource,
    predicted: PredictedRate | None,
    first_token: TimeToFirstToken,
    draws: Floats,
) -> Figure:
    """From `draws` [draws]; of a predicted rate with the 90 % interval, as predictions have it."""
    basis = _speed_evidence(machine, source) if predicted is None else predicted.evidence
    tail = 0.025 if predicted is None else 0.05
    low, middle, high = np.quantile(draws, [tail, 0.5, 1 - tail]).tolist()
    text = f"{basis.text}, {first_token.how}"
    if first_token.by_rates and source.prefill_depth_text:
        text += f"; {source.prefill_depth_text}"
    return Figure(middle, low, high, replace(basis, text=text))


def _speed_evidence(machine: Machine, source: CandidateSource, depth_text: str = "") -> Evidence:
    if source.measured_as.origin:
        return Evidence(PUBLISHED, f"third-party figure, {source.measured_as.origin}{depth_text}")
    if source.speed_from == machine.class_name:
        return Evidence(MEASURED_HERE, f"{MEASURED_HERE}{depth_text}")
    return Evidence(MEASURED_ON_SIMILAR, f"{MEASURED_ON_SIMILAR}: {source.speed_from}{depth_text}")


def _memory_evidence(machine: Machine, source: CandidateSource, memory: Footprint) -> Evidence:
    """Weights and cache follow from the model; how the overhead is known decides."""
    kind, overhead = PREDICTED, "the rest assumed"
    if source.memory_from and machine.measured is None:
        overhead = f"the rest as on {source.memory_from}"
    elif source.memory_from and source.memory_from == machine.class_name:
        kind, overhead = MEASURED_HERE, f"the rest {MEASURED_HERE}"
    elif source.memory_from:
        kind = MEASURED_ON_SIMILAR
        overhead = f"the rest {MEASURED_ON_SIMILAR}: {source.memory_from}"
    if memory.kv is None:
        return Evidence(PREDICTED, f"computed without the KV cache, which is not known, {overhead}")
    if not memory.kv_exact:
        kind, overhead = PREDICTED, f"cache scaled, {overhead}"
    return Evidence(kind, f"computed for {memory.context} tokens of {memory.kv_type}, {overhead}")
