"""The recommendation: candidates -> limits -> frontier under uncertainty -> pick."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from grid.advice.advice import Advice
from grid.advice.alternatives import (
    find_runner_up,
    frontier_steps,
    gap_to_best,
    limit_costs,
    variants_within_limits,
)
from grid.advice.ask import Ask
from grid.advice.candidates import CandidateSet, build_candidate_set
from grid.advice.closeness import share_of_sixteen_bits
from grid.advice.compromises import find_compromises
from grid.advice.hardware import Machine, machine_of
from grid.advice.measure_more import measure_more
from grid.advice.more_memory import upgrades
from grid.advice.notes import notes_of
from grid.advice.offered_rows import note_on_test_backends, offered_rows
from grid.advice.replay import replay_of
from grid.advice.serving import serving_of
from grid.advice.shorter_contexts import relaxations_of
from grid.advice.sources import SourceSelection, select_sources
from grid.advice.this_machine import with_machine
from grid.analysis import Limits, Pick
from grid.analysis.dataset import Dataset
from grid.analysis.limits import limit_text, stated_limits
from grid.errors import InputError
from grid.results.problems import explain_no_results, missing_rows_note


@dataclass(frozen=True)
class AdviceBasis:
    """What an answer rests on: the machine, and the candidates that could run there."""

    dataset: Dataset
    machine: Machine
    selection: SourceSelection
    candidate_set: CandidateSet
    ask: Ask

    @property
    def limits(self) -> Limits:
        """The limits of the ask on the machine."""
        ask = self.ask
        return Limits(
            name="asked",
            max_bytes=ask.max_bytes,
            min_decode_tps=ask.min_decode_tps,
            min_share=ask.min_share,
            max_memory_bytes=self.machine.budget_bytes,
            max_ttft_s=ask.max_ttft_s,
            min_context=ask.least_context,
        )

    def pick(self, limits: Limits) -> Pick:
        """The pick within further limits, and within the machine's memory."""
        return self.candidate_set.pick(
            replace(limits, max_memory_bytes=self.limits.max_memory_bytes)
        )


def recommend(dataset: Dataset, ask: Ask | None = None) -> Advice:
    """What to run on the requested machine under the ask's limits, with evidence.

    This is the one decision that every command and page shows. An ask that names no machine means
    this one, where the store has rows of it. Raises InputError where the store has nothing to
    advise on, for a machine that is not known, and for weights of classes that were not measured.
    Where nothing meets the limits the advice has no pick, and says what to relax.
    """
    return answer_of(advice_basis(dataset, ask or Ask()))


def advice_basis(dataset: Dataset, ask: Ask) -> AdviceBasis:
    """The machine and the candidates of an ask. Raises InputError as `recommend` does."""
    if dataset.is_empty:
        raise InputError(explain_no_results(dataset.display_name, dataset.problems))
    if not any("" in hardware_class.origins for hardware_class in dataset.classes):
        ask = replace(ask, imported=True)  # a store of imported rows only has nothing else
    dataset = offered_rows(dataset, [ask.model] if ask.model else [])
    ask, machine_note = with_machine(dataset, ask)
    machine = machine_of(dataset.classes, ask)
    notes = filter(None, (machine_note, note_on_test_backends(dataset)))
    machine = replace(machine, notes=(*machine.notes, *notes))
    selection = select_sources(dataset, machine, ask)
    candidate_set = build_candidate_set(dataset, machine, selection, ask)
    return AdviceBasis(dataset, machine, selection, candidate_set, ask)


def answer_of(basis: AdviceBasis) -> Advice:
    """The advice on a basis."""
    dataset, machine, ask = basis.dataset, basis.machine, basis.ask
    selection, candidate_set, limits = basis.selection, basis.candidate_set, basis.limits
    pick = candidate_set.pick(limits)
    pick_candidate = candidate_set.candidate(pick.variant)
    unread = filter(None, [missing_rows_note(dataset.problems)])
    sure = certainty(candidate_set, pick)
    second, second_why = find_runner_up(candidate_set, pick)
    smaller, faster = find_compromises(candidate_set, pick)
    return Advice(
        ask=ask,
        hardware=machine.name,
        budget_bytes=machine.budget_bytes,
        budget_why=machine.budget_why,
        weights=selection.weights,
        absent=selection.absent,
        limits=tuple(limit_text(name, value) for name, value in stated_limits(limits).items()),
        pick=pick_candidate,
        runner_up=candidate_set.candidate(second),
        runner_why=second_why,
        best=candidate_set.candidate(pick.best),
        gap=gap_to_best(candidate_set, pick),
        sure=sure,
        tolerance=ask.tolerance,
        expected_loss=pick.expected_loss if pick_candidate else None,
        measure_more=measure_more(dataset, candidate_set, pick, sure),
        costs=limit_costs(candidate_set, limits, pick),
        steps=frontier_steps(candidate_set, pick),
        rejected=pick.rejected,
        relax=relaxations_of(candidate_set, limits, pick, ask),
        contradictory=pick_candidate is None and _each_can_be_met(candidate_set, limits),
        replay=replay_of(dataset, pick_candidate),
        notes=(
            *notes_of(selection, machine, candidate_set, pick, ask),
            *unread,
        ),
        candidates=candidate_set.candidates,
        quality=selection.quality,
        smallest=candidate_set.candidate(pick.smallest),
        serving=serving_of(dataset, machine, ask, pick_candidate),
        find_upgrades=partial(
            upgrades, candidate_set, machine, limits, pick, ask.more_memory_bytes
        ),
        smaller_choice=smaller,
        faster_choice=faster,
        share=share_of_sixteen_bits(candidate_set, pick),
    )


def certainty(candidate_set: CandidateSet, pick: Pick) -> float | None:
    """P(none of those that meet the limits is more than the tolerance better than the pick).

    None without a pick, where nothing else meets them to compare with, and where nothing is known
    of how sure a capability is.
    """
    fit = variants_within_limits(pick)
    posterior, order = candidate_set.posterior, candidate_set.order
    indices = [posterior.index[variant.id] for variant in fit]
    if pick.variant is None or len(fit) < 2 or order.lack_uncertainty(*indices):
        return None
    drawn, mine = order.expected, order.expected[:, [posterior.index[pick.variant.id]]]
    return 1.0 - float((drawn[:, indices] > mine + order.tolerance).any(axis=1).mean())


def _each_can_be_met(candidate_set: CandidateSet, limits: Limits) -> bool:
    single_limits: list[dict[str, Any]] = [{name: v} for name, v in stated_limits(limits).items()]
    return len(single_limits) > 1 and all(
        candidate_set.picked(Limits(**limit)) is not None for limit in single_limits
    )
