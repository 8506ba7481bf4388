"""Where memory or the context is in the way: what a shorter context changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from grid.advice.ask import Ask
from grid.advice.candidates import CandidateSet
from grid.advice.shared_rates import fewer_sessions
from grid.analysis import Limits, Pick
from grid.analysis.memory import longest_context
from grid.analysis.relaxations import Relaxation

_MEMORY, _CONTEXT = "max_memory_bytes", "min_context"


def relaxations_of(
    candidate_set: CandidateSet, limits: Limits, pick: Pick, ask: Ask
) -> tuple[Relaxation, ...]:
    """The pick's, less a memory that a shorter context spares; and where memory alone is in the
    way, the context with which the variant would fit, or how many of several sessions would."""
    if ask.sessions > 1:
        return (*pick.relax, *fewer_sessions(candidate_set, limits, pick, ask))
    return (
        *_without_spared_memory(candidate_set, pick.relax, ask),
        *_shorter_contexts(candidate_set, limits, pick, ask),
    )


def _without_spared_memory(
    candidate_set: CandidateSet, steps: Sequence[Relaxation], ask: Ask
) -> list[Relaxation]:
    """Steps of which all are needed: the context that the model can have, if need be a shorter one,
    takes no more memory than there is."""
    by_limit = {step.limit: step for step in steps if step.together}
    memory, context = by_limit.get(_MEMORY), by_limit.get(_CONTEXT)
    if memory is None or context is None:
        return list(steps)
    posterior = candidate_set.posterior
    longest = longest_context(memory.variant, memory.now, ask.kv_type, posterior.variants)
    if not longest:
        return list(steps)
    to = min(context.to, longest)
    shorter = replace(context, to=to, text=_text(context.now, to, context.variant.label))
    needed = [shorter if step is context else step for step in steps if step is not memory]
    return [replace(step, together=len(needed) > 1) for step in needed]


def _shorter_contexts(
    candidate_set: CandidateSet, limits: Limits, pick: Pick, ask: Ask
) -> list[Relaxation]:
    posterior = candidate_set.posterior
    steps = []
    for step in [relaxation for relaxation in pick.relax if relaxation.limit == _MEMORY]:
        with_memory = candidate_set.picked(replace(limits, max_memory_bytes=step.to))
        wanted = candidate_set.candidates[posterior.index[step.variant.id]].context
        longest = longest_context(step.variant, step.now, ask.kv_type, posterior.variants)
        if with_memory is not None and longest and longest < wanted:
            text = _text(wanted, longest, step.variant.label)
            steps.append(Relaxation(_CONTEXT, wanted, longest, step.variant, text))
    return steps


def _text(now: float, to: float, label: str) -> str:
    return f"lower context from {now:.0f} to {to:.0f} tokens for {label}"
