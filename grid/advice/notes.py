"""Notes on advice: what a reader has to know beside its figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from grid.advice.alternatives import variants_within_limits
from grid.advice.ask import Ask
from grid.advice.candidates import CandidateSet
from grid.advice.hardware import CPU, Machine
from grid.advice.sources import SourceSelection
from grid.advice.split_placement import can_split
from grid.analysis import Pick, Variant
from grid.analysis.axes import axis_of
from grid.analysis.disturbed_rates import DISTURBED
from grid.analysis.memory import stored_kv_types
from grid.analysis.quality_views import HOW_TO_MEASURE_TASKS, QualityView
from grid.errors import name_some
from grid.units import count_of, format_bytes

FEW = 30
"""Items of a task class below which its interval is rough."""
NAMED = 3
"""Variants that a note names before it counts the rest."""


def notes_of(
    selection: SourceSelection, machine: Machine, candidate_set: CandidateSet, pick: Pick, ask: Ask
) -> tuple[str, ...]:
    """One sentence each, on the machine and the use, then on what meets the limits."""
    notes = [*machine.notes, *selection.notes, *candidate_set.notes]
    if selection.quality.model:
        notes += _text_notes(selection, candidate_set, ask)
    if selection.absent:
        notes.append(
            f"{' and '.join(selection.absent)} not measured: the answer to --use {ask.use} rests "
            f"on {', '.join(selection.weights)}"
        )
    variants = candidate_set.posterior.variants
    if any(v.origin for v in variants):
        notes.append("some figures are third-party: imported, not measured by quantgrid")
    if machine.budget_bytes is None:
        notes.append(f"memory is no limit here: {machine.budget_why}")
    fit = variants_within_limits(pick)
    return (
        *notes,
        *_budget_notes(machine, variants),
        *_context_notes(fit, ask),
        *_kv_notes(candidate_set, fit),
        *_main_memory_notes(machine, candidate_set, ask),
        *_item_notes(fit),
        *_disturbed_notes(fit),
        *_cache_notes(variants, ask),
    )


def _text_notes(selection: SourceSelection, candidate_set: CandidateSet, ask: Ask) -> list[str]:
    """Where no tasks were run: what the quality is, what it cannot say, and how unsure it is."""
    quality = selection.quality
    view = QualityView(axis_of(quality.axis), candidate_set.posterior, quality.model)
    notes = [
        f"task scores were not measured: {view.title} ranks variants of {quality.model} and says "
        f"nothing of other models ({HOW_TO_MEASURE_TASKS})"
    ]
    if ask.use != "balanced":
        notes.append(f"the use {ask.use} weighs tasks, and so changes nothing")
    if ask.min_share is not None:
        notes.append("a share of the 16-bit capability is not known without tasks")
    return notes + ([view.doubt.rstrip(".")] if view.doubt else [])


def _disturbed_notes(fit: Sequence[Variant]) -> list[str]:
    """Variants within the limits whose rates other programs disturbed."""
    lost = {
        variant.quant: max(
            (speed.lost for speed in (*variant.decode.values(), *variant.prefill.values())),
            default=0.0,
        )
        for variant in fit
    }
    names = [f"{quant} ({share:.0%})" for quant, share in lost.items() if share > DISTURBED]
    if not names:
        return []
    return [
        f"other programs took time from the engine while rates of {name_some(names, NAMED)} were "
        "measured: they are judged by what they would be undisturbed; measure them again"
    ]


def _budget_notes(machine: Machine, variants: Sequence[Variant]) -> list[str]:
    """The budget of each kind of device, where a class has rows of its CPU and of its cards."""
    kinds = sorted({variant.device_kind for variant in variants})
    budgets = {kind: machine.budget_of(kind) for kind in kinds}
    if machine.measured is None or len(set(budgets.values())) < 2:
        return []
    sizes = ", ".join(f"{format_bytes(size)} on {kind}" for kind, size in budgets.items() if size)
    return [f"models can have {sizes}: each candidate is held to that of its own device"]


def _context_notes(fit: Sequence[Variant], ask: Ask) -> list[str]:
    """Variants whose longest context is not known, where a context was requested."""
    lacking = [v for v in fit if v.context_length is None]
    if not lacking or ask.least_context is None:
        return []
    return [
        f"longest context of {_label_list(lacking)} is not known: {ask.least_context} tokens may "
        "be more than it is made for"
    ]


def _kv_notes(candidate_set: CandidateSet, fit: Sequence[Variant]) -> list[str]:
    """Variants whose KV cache is not known, so that their memory is more than stated."""
    index = candidate_set.posterior.index
    without = [v for v in fit if candidate_set.candidates[index[v.id]].kv_bytes is None]
    if not without:
        return []
    return [
        f"memory of {_label_list(without)} is without its KV cache, which is not known: it may not "
        "fit"
    ]


def _main_memory_notes(machine: Machine, candidate_set: CandidateSet, ask: Ask) -> list[str]:
    """Mixtures that a card does not hold, whose experts could lie in main memory."""
    unified = machine.chip is not None and machine.chip.unified
    budget = machine.budget_bytes
    if ask.ram_bytes is not None or machine.platform == CPU or unified or budget is None:
        return []
    large = [
        candidate.variant
        for candidate in candidate_set.candidates
        if candidate.variant.is_mixture
        and candidate.weights_bytes > budget
        and can_split(candidate.variant, machine)
    ]
    if not large:
        return []
    return [
        f"the card does not hold {_label_list(large)}; experts can lie in main memory beside it: "
        "say how much there is, --ram 64GiB"
    ]


def _item_notes(fit: Sequence[Variant]) -> list[str]:
    """Classes with few items, and with other items than the pick answered."""
    notes = []
    scarce: defaultdict[int, list[str]] = defaultdict(list)
    for name in fit[0].weights if fit else ():
        item_ids = {v.id: set(v.items[name].ids) for v in fit if name in v.items}
        few = min(map(len, item_ids.values()), default=FEW)
        if few < FEW:
            scarce[few].append(name)
        mine = item_ids.get(fit[0].id)
        apart = [v for v in fit[1:] if mine and v.id in item_ids and not mine & item_ids[v.id]]
        if apart:
            notes.append(
                f"{name} was asked with other items of {_label_list(apart)}: not comparable"
            )
    few_notes = [
        f"{', '.join(names)} {'was' if len(names) == 1 else 'were'} asked with "
        f"{count_of(few, 'item')} only: how sure that is, is rough itself"
        for few, names in scarce.items()
    ]
    return [*few_notes, *notes]


def _cache_notes(variants: Iterable[Variant], ask: Ask) -> list[str]:
    """Candidates that were measured with another KV cache, by its type."""
    by_cache: defaultdict[str, list[Variant]] = defaultdict(list)
    for variant in variants:
        types = stored_kv_types(variant.options)
        if set(types) != {ask.kv_type}:
            by_cache[" and ".join(dict.fromkeys(types))].append(variant)
    return [
        f"{_label_list(group)} {'was' if len(group) == 1 else 'were'} measured with a KV cache of "
        f"{kinds}; with {ask.kv_type} quality and speed may differ"
        for kinds, group in sorted(by_cache.items())
    ]


def _label_list(variants: Sequence[Variant]) -> str:
    labels = sorted({variant.label for variant in variants})
    hidden = len(labels) - NAMED
    listing = ", ".join(labels[:NAMED])
    return f"{listing} and {hidden} more" if hidden > 0 else listing
