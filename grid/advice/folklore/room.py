"""Rules about what fits beside the weights: contexts, small memories, tight cards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from grid.advice.folklore.evidence import REAL_PARAMETERS, RuleEvidence
from grid.advice.folklore.memory import CONTEXT, GROUP, usable_memory
from grid.advice.folklore.rule import Finding, Rule
from grid.advice.folklore.shapes import WEIGHTS, needed_bits, shapes_near
from grid.advice.folklore.size import ABOUT, overhead_draws
from grid.advice.folklore.verdict import Band, Quantity, judge_within, span, times
from grid.analysis.memory import kv_bytes
from grid.units import GIB, format_bytes

LONG = 131_072
"""Tokens of context that rules call long."""

TIGHT = 0.85
"""Part of the memory from which a fit is tight."""

FITS = Band(-math.inf, 1.0, "fits")


class Tier(NamedTuple):
    """A memory, and a model at a preset that guides give for it."""

    memory_gib: float
    preset: str


def _judge_fits(
    evidence: RuleEvidence, parameters: float, tiers: Sequence[tuple[Tier, float]], band: Band
) -> Finding:
    """Weights with 10 to 20 % for cache and buffers, over the bytes that each tier leaves."""
    quantities, sources, arithmetic = [], set(), True
    for tier, usable in tiers:
        bits = needed_bits(evidence, parameters, tier.preset)
        if bits is None:
            continue
        arithmetic &= bits.arithmetic
        need = parameters * bits.draws / 8 * (1 + overhead_draws(evidence))
        model = f"{parameters / 1e9:g}B {tier.preset}"
        name = f"{model} in {tier.memory_gib:g} GB"
        text = (
            f"{model} in {tier.memory_gib:g} GiB needs {span(need, format_bytes)} of "
            f"{format_bytes(round(usable))} usable"
        )
        sources.add(bits.source)
        quantities.append(Quantity(name, np.asarray(need / usable), text=text))
    return judge_within(quantities, band, "; ".join(sorted(sources)), arithmetic=arithmetic)


def tier_rule(rule: str, text: str, parameters: float, tiers: tuple[Tier, ...], mac: bool) -> Rule:
    """The rule that a model runs at a preset in each of several memories."""

    def judge(evidence: RuleEvidence) -> Finding:
        usable = [(tier, usable_memory(round(tier.memory_gib), mac).bytes) for tier in tiers]
        return _judge_fits(evidence, parameters, usable, FITS)

    presets = " or ".join(dict.fromkeys(tier.preset for tier in tiers))
    return Rule(
        rule,
        GROUP,
        text,
        _reading("what the system leaves, in every memory"),
        _needs(presets),
        judge,
    )


def small_rule(rule: str, text: str, parameters: float, tier: Tier) -> Rule:
    """The rule that a model runs at a preset in so many free GiB."""

    def judge(evidence: RuleEvidence) -> Finding:
        return _judge_fits(evidence, parameters, [(tier, tier.memory_gib * GIB)], FITS)

    return Rule(rule, GROUP, text, _reading("this memory"), _needs(tier.preset), judge)


def tight_rule(rule: str, text: str, parameters: float, tier: Tier) -> Rule:
    """The rule that a model fits a card at a preset with little to spare."""

    def judge(evidence: RuleEvidence) -> Finding:
        usable = usable_memory(round(tier.memory_gib), False).bytes
        band = Band(TIGHT, 1.0, f"needs {100 * TIGHT:g} to 100 % of it")
        return _judge_fits(evidence, parameters, [(tier, usable)], band)

    where = f"what a desktop leaves of the card and need {100 * TIGHT:g} % of it or more"
    return Rule(rule, GROUP, text, _reading(where), _needs(tier.preset), judge)


def _reading(where: str) -> str:
    return f"{WEIGHTS}, plus 10 to 20 % for cache and buffers, fit {where}"


def _needs(preset: str) -> str:
    return f"any measurement of a model of 1B parameters or more at {preset}"


def room_rule(rule: str, preset: str, claimed_gib: float) -> Rule:
    """The rule that a 70B at a preset leaves so many of 128 GiB for context."""
    parameters, memory = 70e9, 128

    def judge(evidence: RuleEvidence) -> Finding:
        bits = needed_bits(evidence, parameters, preset)
        if bits is None:
            return judge_within([], Band(0, 0, ""))
        usable = usable_memory(memory, False, unified=True).bytes
        room = usable - parameters * bits.draws / 8
        text = (
            f"70B at {preset} leaves {span(room / GIB)} GiB of {format_bytes(usable)} usable"
            f"{_tokens(evidence, parameters, room.min())}"
        )
        quantity = Quantity(
            f"70B {preset}, said / room", claimed_gib * GIB / room, times, text=text
        )
        band = Band(1 - ABOUT, 1 + ABOUT, f"about {claimed_gib:g} GiB")
        return judge_within([quantity], band, bits.source, arithmetic=bits.arithmetic)

    reading = (
        "what the system leaves of 128 GiB minus the weights, within 10 % of the claim; tokens of "
        "a 16-bit cache from a public model's shape"
    )
    text = f"of 128 GiB, 70B at {preset} leaves about {claimed_gib:g} GiB for context"
    return Rule(rule, GROUP, text, reading, _needs(preset), judge)


def _tokens(evidence: RuleEvidence, parameters: float, room: float) -> str:
    shapes = shapes_near(evidence, parameters)
    if not shapes:
        return ""
    per_token = shapes[-1].kv_bytes(CONTEXT) / CONTEXT
    return f", enough for {room / per_token:,.0f} tokens of f16 cache"


def judge_cache_dominates(evidence: RuleEvidence) -> Finding:
    """Cache of LONG tokens over the weights at Q4_K_M: of models in the rows that are made for so
    many, else of public ones."""
    quantities = []
    for variant in evidence.of_preset("Q4_K_M"):
        large = (variant.parameters or 0) >= REAL_PARAMETERS and variant.artifact_bytes
        if large and (variant.context_length or 0) >= LONG:
            cache = kv_bytes(variant, LONG)
            if cache is not None and cache.exact:
                share = cache.bytes / variant.artifact_bytes
                quantities.append(_share(evidence, evidence.label(variant), share))
    arithmetic = not quantities
    shapes = {(m.parameters, m.layers): m for m in evidence.shapes if m.context_length >= LONG}
    for model in shapes.values() if arithmetic else ():
        size = model.size("Q4_K_M")
        if model.parameters >= REAL_PARAMETERS and size:
            quantities.append(_share(evidence, model.name, model.kv_bytes(LONG) / size.file_bytes))
    quantities.sort(key=lambda quantity: (quantity.middle, quantity.name))
    band = Band(1.0, math.inf, "cache larger than the weights")
    return judge_within(quantities, band, arithmetic=arithmetic)


def _share(evidence: RuleEvidence, name: str, share: float) -> Quantity:
    draws = np.full(evidence.posterior.draws, share)
    return Quantity(name, draws, times, text=f"{name} {times(share)}")


_MACS = tuple(Tier(memory, preset) for memory in (48, 64, 96, 128) for preset in ("Q6_K", "Q8_0"))

RULES = (
    small_rule("ram-2-4b", "2 GiB run 4B at Q4_K_M", 4e9, Tier(2, "Q4_K_M")),
    small_rule("ram-1.5-1.7b", "1.5 GiB run 1.7B at Q4_K_M", 1.7e9, Tier(1.5, "Q4_K_M")),
    tight_rule(
        "card-12-22b", "22B at Q4_K_M is tight on a card of 12 GiB", 22e9, Tier(12, "Q4_K_M")
    ),
    tier_rule(
        "mac-70b-q6-q8", "a Mac of 48 to 128 GiB runs 70B at Q6_K and Q8_0", 70e9, _MACS, True
    ),
    room_rule("room-70b-q4_k_m", "Q4_K_M", 85),
    room_rule("room-70b-q5_k_m", "Q5_K_M", 80),
    room_rule("room-70b-q6_k", "Q6_K", 71),
    Rule(
        "cache-long", GROUP, "in long contexts the KV cache is larger than the model",
        f"16-bit cache of {LONG:,} tokens / weights at Q4_K_M, of every model made for that "
        "context: from rows, else from public shapes",
        f"shape of a model of 1B parameters or more made for {LONG:,} tokens",
        judge_cache_dominates,
    ),
)  # fmt: skip
