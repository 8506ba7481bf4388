"""What more memory, or a faster one, would buy: the pick now against the pick then."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from grid.advice.advice import Candidate
from grid.advice.alternatives import meets_limits
from grid.advice.candidates import CandidateSet
from grid.advice.hardware import Machine
from grid.advice.quality_change import quality_change
from grid.analysis import Limits, Pick, Variant
from grid.hardware.chips import mac_share
from grid.results.statistics import Interval
from grid.units import GIB, format_bytes

STEPS_GIB = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""By how much cards and machines are sold larger."""

FASTER = 2.0
"""Bandwidth that is compared with, over the machine's own."""


@dataclass(frozen=True)
class Upgrade:
    """Another machine, with `more_bytes` of further memory or `bandwidth` times its own, and what
    would be picked there. `pick` is None where still nothing meets the limits; `capability` and
    `kld` are what it has more of them. `changes` is False where the pick stays."""

    more_bytes: float
    bandwidth: float
    pick: Candidate | None
    changes: bool
    text: str
    capability: Interval | None = None
    kld: Interval | None = None


def upgrades(
    candidate_set: CandidateSet,
    machine: Machine,
    limits: Limits,
    pick: Pick,
    more_bytes: float | None = None,
) -> tuple[Upgrade, ...]:
    """With `more_bytes` what they change, whether they do or not; else the least usual step of
    memory that changes the pick, if any does. And twice the bandwidth, where that changes it."""
    steps = []
    if limits.max_memory_bytes is not None:
        sizes = _steps(candidate_set, limits) if more_bytes is None else [more_bytes]
        tried = (_with_memory(candidate_set, machine, limits, pick, size) for size in sizes)
        wanted = (step for step in tried if step.changes or more_bytes is not None)
        steps += [step for step in [next(wanted, None)] if step is not None]
    elif more_bytes is not None:
        text = f"{format_bytes(more_bytes)} more memory: how much there is now is not known; say it"
        steps.append(Upgrade(more_bytes, 1.0, None, False, text))
    if limits.min_decode_tps is not None:
        faster = _with_bandwidth(candidate_set, limits, pick)
        steps += [faster] if faster.changes else []
    return tuple(steps)


def _steps(candidate_set: CandidateSet, limits: Limits) -> list[float]:
    """Usual steps of memory, none where there is no candidate that memory excludes."""
    needs = candidate_set.extra_draws["max_memory_bytes"]
    if not (needs > (limits.max_memory_bytes or 0.0)).any():
        return []
    return [float(size * GIB) for size in STEPS_GIB]


def _with_memory(
    candidate_set: CandidateSet, machine: Machine, limits: Limits, pick: Pick, more_bytes: float
) -> Upgrade:
    share = mac_share(round(more_bytes)) if machine.platform == "metal" else 1.0
    budget = (limits.max_memory_bytes or 0.0) + share * more_bytes
    then = candidate_set.picked(replace(limits, max_memory_bytes=budget))
    title = f"{format_bytes(more_bytes)} more memory"
    step = _upgrade(candidate_set, pick, then, title, more_bytes, 1.0)
    if step.changes or pick.variant is None or machine.main_memory is None:
        return step
    return replace(step, text=f"{step.text}, with more of it on the card")


def _with_bandwidth(candidate_set: CandidateSet, limits: Limits, pick: Pick) -> Upgrade:
    """Decode rates in proportion: what is not bound by memory gains less."""
    posterior = candidate_set.posterior
    rates = {**posterior.rates, "decode_tps": posterior.rates["decode_tps"] + math.log(FASTER)}
    faster = replace(candidate_set, posterior=replace(posterior, rates=rates))
    title = f"twice the bandwidth, at most x{FASTER:g} in token/s"
    return _upgrade(candidate_set, pick, faster.picked(limits), title, 0.0, FASTER)


def _upgrade(
    candidate_set: CandidateSet,
    now: Pick,
    then: Variant | None,
    title: str,
    more_bytes: float,
    speed: float,
) -> Upgrade:
    chosen = candidate_set.candidate(then)
    if chosen is None:
        return Upgrade(more_bytes, speed, None, False, f"{title}: still nothing meets the limits")
    if now.variant is None:
        text = f"{title}: {chosen.label} would meet the limits"
        return Upgrade(more_bytes, speed, chosen, True, text)
    if now.variant.id == chosen.variant.id:
        return Upgrade(more_bytes, speed, chosen, False, f"{title}: the pick is the same")
    change = quality_change(
        candidate_set.posterior, candidate_set.axis, chosen.variant, now.variant
    )
    if meets_limits(now, chosen.variant):
        text = f"{title}: {chosen.label}, {change.text}, but it meets the limits now too"
        return Upgrade(more_bytes, speed, chosen, False, text, change.capability, change.kld)
    text = f"{title}: {chosen.label}, {change.text}"
    return Upgrade(more_bytes, speed, chosen, True, text, change.capability, change.kld)
