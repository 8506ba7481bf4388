"""The candidates on the asked machine: joint draws of what decides, and figures with evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grid.advice.advice import (
    CAPABILITY,
    DECODE,
    HERE,
    LIKE,
    MEMORY,
    PREDICTED,
    PUBLISHED,
    TTFT,
    Candidate,
    Evidence,
    Figure,
)
from grid.advice.ask import Ask
from grid.advice.hardware import Machine
from grid.advice.rates import Rate, Rates, predicted_rates
from grid.advice.sources import Gathered, Source
from grid.advice.time_to_first_token import Wait, waits
from grid.analysis import Posterior, Variant, posterior
from grid.analysis.dataset import Dataset
from grid.analysis.memory import Footprint, footprint
from grid.results.statistics.interval import Floats


@dataclass(frozen=True)
class Scene:
    """`belief` holds predicted rates beside measured ones; `known` has draws of memory, time to
    first token and longest context, by field of Limits. `candidates` are in the belief's order."""

    belief: Posterior
    known: Mapping[str, Floats]
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]


def scene(dataset: Dataset, machine: Machine, gathered: Gathered, ask: Ask) -> Scene:
    """All candidates with what is measured of them, and what is predicted where nothing is."""
    found = [source.variant for source in gathered.sources]
    measured = posterior(found)
    rates = predicted_rates(
        dataset, machine, gathered.sources, measured.draws, ask.context or 0, ask.prompt
    )
    belief = replace(measured, rates=_with(measured.rates, rates))
    prompt = min(ask.prompt, ask.context or ask.prompt)
    wait = waits(belief, prompt, [one.sooner for one in gathered.sources])
    memory = [_footprint(variant, found, ask) for variant in found]
    tested = _tested_on(dataset, found)
    candidates = [
        Candidate(
            variant=source.variant,
            context=memory[i].context,
            figures=_figures(i, machine, source, belief, rates, wait[i], memory[i], tested),
            weights_bytes=memory[i].weights,
            kv_bytes=memory[i].kv,
            overhead_bytes=memory[i].overhead,
            notes=memory[i].notes,
        )
        for i, source in enumerate(gathered.sources)
    ]
    known = {
        "max_memory_bytes": _exact(
            [_against(machine, v, m) for v, m in zip(found, memory, strict=True)]
        ),
        "max_ttft_s": _columns([one.draws for one in wait], belief.draws),
        "min_context": _exact([v.context_length or np.inf for v in found]),
    }
    return Scene(belief, known, tuple(candidates), rates.notes)


def _with(measured: Mapping[str, Floats], rates: Rates) -> dict[str, Floats]:
    """Logs of measured rates, predicted ones in the gaps."""
    joined = {name: draws.copy() for name, draws in measured.items()}
    for name, predicted in (("decode_tps", rates.decode), ("prefill_tps", rates.prefill)):
        for i, one in predicted.items():
            joined[name][:, i] = np.log(one.draws)
    return joined


def _exact(values: Sequence[float]) -> Floats:
    return np.array([values], dtype=np.float64)


def _columns(parts: Sequence[Floats | None], draws: int) -> Floats:
    empty = np.full(draws, np.nan)
    if not parts:
        return np.empty((draws, 0))
    return np.column_stack([empty if part is None else part for part in parts])


def _footprint(variant: Variant, others: Sequence[Variant], ask: Ask) -> Footprint:
    return footprint(variant, ask.context_for(variant.context_length), ask.kv_type, others)


def _against(machine: Machine, variant: Variant, memory: Footprint) -> float:
    """What is needed at least; of a variant on the machine's other kind of device so that it is
    within the machine's budget exactly where it is within its own."""
    need, own = _least(memory), machine.budget_of(variant.device_kind)
    if own is None or machine.budget_bytes in {None, own} or np.isnan(need):
        return need
    return min(need, machine.budget_bytes or need) if need <= own else np.inf


def _least(memory: Footprint) -> float:
    """What is needed at least: without the KV cache where that is not known, which is said; NaN for
    weights of unknown size."""
    if not memory.weights:
        return np.nan
    return memory.total if memory.total is not None else memory.weights + memory.overhead


def _tested_on(dataset: Dataset, found: Sequence[Variant]) -> dict[str, str]:
    """Hardware class on which an attempt at tasks ran, by attempt id."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = {one for variant in found for one in variant.attempt_ids.get("tasks", ())}
    table = dataset.overview.attempts.select(["attempt_id", "hardware_class"])
    kept = table.filter(pc.is_in(table["attempt_id"], value_set=pa.array(wanted, pa.string())))
    return dict(zip(*(kept[name].to_pylist() for name in kept.column_names), strict=True))


def _figures(
    i: int,
    machine: Machine,
    source: Source,
    belief: Posterior,
    rates: Rates,
    wait: Wait,
    memory: Footprint,
    tested: Mapping[str, str],
) -> dict[str, Figure]:
    variant = source.variant
    found: dict[str, Figure] = {}
    if variant.capability is not None:
        had = variant.capability
        quality = _quality(machine, source, tested)
        found[CAPABILITY] = Figure(had.value, had.low, had.high, quality)
    if i in rates.decode:
        one = rates.decode[i]
        found[DECODE] = Figure(one.value, one.low, one.high, one.evidence)
    elif variant.decode_tps is not None:
        rate = variant.decode_tps
        speed = _speed(machine, source, f", {source.decode_told}")
        found[DECODE] = Figure(rate.value, rate.low, rate.high, speed)
    if wait.draws is not None:
        found[TTFT] = _first_token(machine, source, rates.prefill.get(i), wait, wait.draws)
    if memory.weights:
        found[MEMORY] = Figure(_least(memory), None, None, _memory(machine, source, memory))
    return found


def _quality(machine: Machine, source: Source, tested: Mapping[str, str]) -> Evidence:
    """Quality belongs to artifact, engine and device kind, so that another class of the same kind
    says it exactly."""
    variant = source.measured_as
    if variant.origin:
        return Evidence(PUBLISHED, f"third-party figure, {variant.origin}")
    ran = {tested.get(one, "") for one in variant.attempt_ids.get("tasks", ())} - {""}
    where = sorted(ran or {variant.hardware_class})
    here = machine.measured.name if machine.measured else ""
    if here in where:
        return Evidence(HERE, HERE)
    if machine.measured is not None and machine.measured.device_kind == variant.device_kind:
        text = f"{LIKE}: {', '.join(where)} (same device kind, so the same answers)"
        return Evidence(LIKE, text)
    return Evidence(LIKE, f"measured on {', '.join(where)} ({variant.device_kind})")


def _first_token(
    machine: Machine, source: Source, predicted: Rate | None, wait: Wait, draws: Floats
) -> Figure:
    """From `draws` [draws]; of a predicted rate with the 90 % interval, as predictions have it."""
    basis = _speed(machine, source) if predicted is None else predicted.evidence
    tail = 0.025 if predicted is None else 0.05
    low, middle, high = np.quantile(draws, [tail, 0.5, 1 - tail]).tolist()
    told = f"; {source.prefill_told}" if wait.by_rates and source.prefill_told else ""
    return Figure(middle, low, high, replace(basis, text=f"{basis.text}, {wait.how}{told}"))


def _speed(machine: Machine, source: Source, deep: str = "") -> Evidence:
    if source.measured_as.origin:
        return Evidence(PUBLISHED, f"third-party figure, {source.measured_as.origin}{deep}")
    here = machine.measured.name if machine.measured else ""
    if source.speed_from == here:
        return Evidence(HERE, f"{HERE}{deep}")
    return Evidence(LIKE, f"{LIKE}: {source.speed_from}{deep}")


def _memory(machine: Machine, source: Source, memory: Footprint) -> Evidence:
    """Weights and cache follow from the model; how the rest is known decides."""
    here = machine.measured.name if machine.measured else None
    kind, rest = PREDICTED, "the rest assumed"
    if source.memory_from and machine.measured is None:
        rest = f"the rest as on {source.memory_from}"
    elif source.memory_from:
        kind = HERE if source.memory_from == here else LIKE
        rest = f"the rest {HERE if kind == HERE else f'{LIKE}: {source.memory_from}'}"
    if memory.kv is None:
        return Evidence(PREDICTED, f"computed without the KV cache, which is not known, {rest}")
    if not memory.kv_exact:
        kind, rest = PREDICTED, f"cache scaled, {rest}"
    return Evidence(kind, f"computed for {memory.context} tokens of {memory.kv_type}, {rest}")
