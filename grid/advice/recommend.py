"""The recommendation: candidates -> limits -> frontier under uncertainty -> pick."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from grid.advice.advice import Advice
from grid.advice.alternatives import admitted, costs_of, gap_of, runner_up_of, steps_of
from grid.advice.ask import Ask
from grid.advice.candidates import Scene, scene
from grid.advice.hardware import Machine, machine_of
from grid.advice.notes import notes_of
from grid.advice.replay import replay_of
from grid.advice.sources import Gathered, gather
from grid.analysis import Limits, Pick, Relaxation, picks
from grid.analysis.dataset import Dataset
from grid.analysis.limits import demanded, limit_text
from grid.analysis.memory import room
from grid.errors import InputError
from grid.results.problems import left_out, nothing_there

TOLERANCE = 0.02
"""Capability by which a rival has to be better to count against the pick: 2 points of 100."""


def recommend(dataset: Dataset, ask: Ask | None = None) -> Advice:
    """What to run on the asked machine under the ask's limits, with evidence.

    Raises InputError where the store has nothing to advise on, for a machine that is not known, and
    for weights of classes that were not measured. Where nothing meets the limits the advice has no
    pick, and says what to relax.
    """
    ask = ask or Ask()
    if dataset.empty:
        raise InputError(nothing_there(dataset.shown, dataset.problems))
    machine = machine_of(dataset.classes, ask)
    gathered = gather(dataset, machine, ask)
    there = scene(dataset, machine, gathered, ask)
    return _advice(dataset, machine, gathered, there, ask)


def limits_of(machine: Machine, ask: Ask) -> Limits:
    """The limits that an ask comes to on a machine."""
    return Limits(
        name="asked",
        max_bytes=ask.max_bytes,
        min_decode_tps=ask.min_decode_tps,
        min_share=ask.min_share,
        max_memory_bytes=machine.budget_bytes,
        max_ttft_s=ask.max_ttft_s,
        min_context=ask.least_context,
    )


def _advice(
    dataset: Dataset, machine: Machine, gathered: Gathered, there: Scene, ask: Ask
) -> Advice:
    limits = limits_of(machine, ask)
    found = picks(there.belief, [limits], known=there.known)[0]
    by_id = {one.variant.id: one for one in there.candidates}
    pick = by_id[found.variant.id] if found.variant else None
    second, second_why = runner_up_of(there, limits, found)
    return Advice(
        ask=ask,
        hardware=machine.name,
        budget_bytes=machine.budget_bytes,
        budget_why=machine.budget_why,
        weights=gathered.weights,
        absent=gathered.absent,
        limits=tuple(limit_text(name, value) for name, value in demanded(limits).items()),
        pick=pick,
        runner_up=by_id[second.id] if second else None,
        runner_why=second_why,
        best=by_id[found.best.id] if found.best else None,
        gap=gap_of(there, found),
        sure=certainty(there, found),
        tolerance=TOLERANCE,
        costs=costs_of(there, limits, found),
        steps=steps_of(there, found),
        rejected=found.rejected,
        relax=(*found.relax, *_shorter(ask, there, limits, found)),
        contradictory=pick is None and _each_can_be_met(there, limits),
        replay=replay_of(dataset, pick),
        notes=(*notes_of(gathered, machine, there, found, ask), *_unread(dataset)),
        candidates=there.candidates,
    )


def certainty(there: Scene, found: Pick) -> float | None:
    """P(none of those that meet the limits is more than TOLERANCE above the pick in capability).

    None without a pick, where nothing else meets them to compare with, and where nothing is known
    of how sure a capability is.
    """
    fit = admitted(found)
    if found.variant is None or len(fit) < 2 or any(variant.unsure_unknown for variant in fit):
        return None
    place = there.belief.place
    rivals = there.belief.capability[:, [place[variant.id] for variant in fit]]
    mine = there.belief.capability[:, [place[found.variant.id]]]
    return 1.0 - float((rivals > mine + TOLERANCE).any(axis=1).mean())


def _each_can_be_met(there: Scene, limits: Limits) -> bool:
    alone = [_only(name, value) for name, value in demanded(limits).items()]
    found = picks(there.belief, alone, known=there.known)
    return len(alone) > 1 and all(one.variant is not None for one in found)


def _only(name: str, value: float) -> Limits:
    kept: dict[str, Any] = {name: value}
    return Limits(**kept)


def _shorter(ask: Ask, there: Scene, limits: Limits, found: Pick) -> list[Relaxation]:
    """Where memory alone is in the way: the context with which the variant would fit."""
    steps = []
    by_id = {one.variant.id: one for one in there.candidates}
    for step in (one for one in found.relax if one.limit == "max_memory_bytes"):
        roomy = replace(limits, max_memory_bytes=step.to)
        alone = picks(there.belief, [roomy], known=there.known)[0].variant is not None
        asked = by_id[step.variant.id].context
        longest = room(step.variant, step.now, ask.kv_type, there.belief.variants)
        if alone and longest and longest < asked:
            text = f"lower context from {asked} to {longest} tokens for {step.variant.label}"
            steps.append(Relaxation("min_context", asked, longest, step.variant, text))
    return steps


def _unread(dataset: Dataset) -> tuple[str, ...]:
    told = left_out(dataset.problems)
    return (told,) if told else ()
