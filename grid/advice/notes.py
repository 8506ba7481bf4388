"""What a reader of advice has to know beside its figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from grid.advice.alternatives import admitted
from grid.advice.ask import Ask
from grid.advice.candidates import Scene
from grid.advice.hardware import Machine
from grid.advice.sources import Gathered
from grid.analysis import Pick, Variant
from grid.analysis.memory import stored_kv_types
from grid.units import format_bytes

FEW = 30
"""Items of a task class below which its interval is rough."""
NAMED = 3
"""Variants that a note names before it counts the rest."""


def notes_of(
    gathered: Gathered, machine: Machine, there: Scene, found: Pick, ask: Ask
) -> tuple[str, ...]:
    """One sentence each, on the machine and the use, then on what meets the limits."""
    notes = [*machine.notes, *gathered.notes, *there.notes]
    if gathered.absent:
        notes.append(
            f"{ask.use} also weighs {', '.join(gathered.absent)}, which nobody measured: "
            f"the answer rests on {', '.join(gathered.weights)}"
        )
    if any(one.variant.origin for one in there.candidates):
        notes.append("some figures are third-party: imported, not measured by quantgrid")
    if machine.budget_bytes is None:
        notes.append(f"memory is no limit here: {machine.budget_why}")
    fit = admitted(found)
    return (*notes, *_both_kinds(machine, there), *_unknown(there, fit, ask), *_items(fit),
            *_caches(there.belief.variants, ask))  # fmt: skip


def _both_kinds(machine: Machine, there: Scene) -> list[str]:
    """Where a class has rows of its CPU and of its cards."""
    kinds = sorted({one.device_kind for one in there.belief.variants})
    budgets = {kind: machine.budget_of(kind) for kind in kinds}
    if machine.measured is None or len(set(budgets.values())) < 2:
        return []
    told = ", ".join(f"{format_bytes(size)} on {kind}" for kind, size in budgets.items() if size)
    return [f"models can have {told}: each candidate is held to that of its own device"]


def _unknown(there: Scene, fit: Sequence[Variant], ask: Ask) -> list[str]:
    """Limits that are met as far as is known."""
    notes = []
    if ask.least_context is not None:
        lacking = [v for v in fit if v.context_length is None]
        if lacking:
            notes.append(
                f"longest context of {_named(lacking)} is not known: {ask.least_context} tokens "
                "may be more than it is made for"
            )
    place = there.belief.place
    without = [v for v in fit if there.candidates[place[v.id]].kv_bytes is None]
    if without:
        notes.append(
            f"memory of {_named(without)} is without its KV cache, which is not known: it may not "
            "fit"
        )
    return notes


def _items(fit: Sequence[Variant]) -> list[str]:
    """Few items, and items that the pick was not asked."""
    notes = []
    for name in fit[0].weights if fit else ():
        asked = {v.id: set(v.items[name].ids) for v in fit if name in v.items}
        few = min(map(len, asked.values()), default=FEW)
        if few < FEW:
            items = f"{few} item{'s' if few > 1 else ''}"
            notes.append(f"{name} was asked with {items} only: how sure that is, is rough itself")
        mine = asked.get(fit[0].id)
        apart = [v for v in fit[1:] if mine and v.id in asked and not mine & asked[v.id]]
        if apart:
            notes.append(f"{name} was asked with other items of {_named(apart)}: not comparable")
    return notes


def _caches(found: Iterable[Variant], ask: Ask) -> list[str]:
    """Candidates that were measured with another KV cache, by its type."""
    other: defaultdict[str, list[Variant]] = defaultdict(list)
    for variant in found:
        types = stored_kv_types(variant.options)
        if set(types) != {ask.kv_type}:
            other[" and ".join(dict.fromkeys(types))].append(variant)
    return [
        f"{_named(group)} {'was' if len(group) == 1 else 'were'} measured with a KV cache of "
        f"{kinds}; with {ask.kv_type} quality and speed may differ"
        for kinds, group in sorted(other.items())
    ]


def _named(variants: Sequence[Variant]) -> str:
    labels = sorted({variant.label for variant in variants})
    more = len(labels) - NAMED
    shown = ", ".join(labels[:NAMED])
    return f"{shown} and {more} more" if more > 0 else shown
