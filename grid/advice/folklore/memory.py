"""Rules about what fits in how much memory."""

from __future__ import annotations

import math

import numpy as np

from grid.advice.folklore.evidence import REAL_PARAMETERS, RuleEvidence
from grid.advice.folklore.rule import Finding, Rule
from grid.advice.folklore.shapes import WEIGHTS, needed_bits, uniform_draws
from grid.advice.folklore.size import overhead_draws
from grid.advice.folklore.verdict import Band, Quantity, judge_within, span, times
from grid.analysis.memory import ASSUMED_OVERHEAD, Footprint, footprint
from grid.analysis.variant import Variant
from grid.hardware.chips import UsableMemory, budget_chip, usable_bytes
from grid.units import GIB, format_bytes

GROUP = "memory"

SLACK = 0.05
"""Part of the memory that may be lacking where a rule speaks of sizes roughly."""

CONTEXT = 4096
"""Tokens of KV cache at which something must fit to count as running."""


def _needed_share(evidence: RuleEvidence, variant: Variant, memory: float) -> Quantity | None:
    """Bytes needed, as a share of the memory. None for a small model: its embedding table, cache
    and engine say nothing of the models that people mean."""
    if (variant.parameters or 0) < REAL_PARAMETERS:
        return None
    name = evidence.label(variant)
    usage = footprint(variant, CONTEXT, others=evidence.variants)
    if usage.kv is not None:
        return _share_with_cache(evidence, usage, memory)
    if variant.artifact_bytes > memory * (1 + SLACK):
        return _share_of(evidence, name, variant.artifact_bytes, memory, "the weights alone")
    need = variant.artifact_bytes * (1 + overhead_draws(evidence))
    text = f"{name} needs {times(need.mean() / memory)} of it (10 to 20 % for cache and buffers)"
    return Quantity(name, np.asarray(need / memory), times, text=text)


def _share_with_cache(evidence: RuleEvidence, usage: Footprint, memory: float) -> Quantity:
    """Weights, cache and overhead over the memory; an assumed overhead may be anything up to it."""
    assumed = usage.overhead == ASSUMED_OVERHEAD
    overhead = uniform_draws(evidence, 0.0 if assumed else usage.overhead, usage.overhead, "rest")
    share = (usage.weights + (usage.kv or 0) + overhead) / memory
    name = evidence.label(usage.variant)
    most = f"up to {times(share.max())}" if assumed else times(share.max())
    beside = format_bytes(usage.overhead) + (" assumed" if assumed else "")
    text = f"{name} needs {most} of it (cache {format_bytes(usage.kv or 0)}, engine {beside})"
    return Quantity(name, np.asarray(share), times, text=text)


def _share_of(evidence: RuleEvidence, name: str, need: float, memory: float, how: str) -> Quantity:
    draws = np.full(evidence.posterior.draws, need / memory)
    return Quantity(name, draws, times, text=f"{name} needs {times(need / memory)} of it ({how})")


def memory_share_rule(
    rule: str, text: str, presets: tuple[str, ...], share: float, words: str
) -> Rule:
    """The rule to run one of `presets` in memory of `share` of the 16-bit size."""

    def judge(evidence: RuleEvidence) -> Finding:
        quantities = []
        for variant in [subject for name in presets for subject in evidence.of_preset(name)]:
            reference = evidence.sixteen_bit(variant)
            if reference is not None and reference.artifact_bytes and variant.artifact_bytes:
                quantity = _needed_share(evidence, variant, reference.artifact_bytes * share)
                quantities += [quantity] if quantity is not None else []
        quantities.sort(key=lambda quantity: (-quantity.middle, quantity.name))
        return judge_within(quantities, Band(-math.inf, 1 + SLACK, f"fits in {words}"))

    reading = (
        f"weights, a KV cache of {CONTEXT:,} tokens and the engine's buffers fit this memory, or "
        f"lack {100 * SLACK:g} % of it at most"
    )
    needs = "memory or shape, and 16-bit size, of a model of 1B parameters or more at "
    return Rule(rule, GROUP, text, reading, f"{needs}{' or '.join(presets)}", judge)


def usable_memory(memory: int, mac: bool, *, unified: bool = False) -> UsableMemory:
    """What models can have of a card, a Mac or a `unified` memory of so many GiB."""
    platform = "metal" if mac else "cpu" if unified else "cuda"
    return usable_bytes(budget_chip(memory * GIB, 1e11, platform, f"{memory} GiB"))


def machine_rule(
    rule: str, memory: int, mac: bool, parameters: float, preset: str, claim: str
) -> Rule:
    """The rule that a card or Mac of `memory` GiB runs `claim` at a preset; `parameters` are those
    of the largest model that is meant."""
    machine = f"a Mac of {memory} GiB" if mac else f"a card of {memory} GiB"

    def judge(evidence: RuleEvidence) -> Finding:
        bits = needed_bits(evidence, parameters, preset)
        if bits is None:
            return judge_within([], Band(0, 0, ""))
        usable = usable_memory(memory, mac)
        weights = parameters * bits.draws / 8
        need = weights * (1 + overhead_draws(evidence))
        text = (
            f"{parameters / 1e9:g}B at {preset} needs {span(need, format_bytes)} (weights "
            f"{span(weights, format_bytes)}) of {format_bytes(usable.bytes)} usable"
        )
        quantity = Quantity(
            f"{parameters / 1e9:g}B {preset}, needed / usable", need / usable.bytes, text=text
        )
        band = Band(-math.inf, 1.0, "fits")
        return judge_within([quantity], band, bits.source, arithmetic=bits.arithmetic)

    reading = f"{WEIGHTS}, plus 10 to 20 % for cache and buffers, fit what " + (
        "macOS lets the GPU use" if mac else "a desktop leaves of the card"
    )
    needs = f"any measurement of a model of 1B parameters or more at {preset}"
    text = f"{machine} runs {claim} at {preset}"
    return Rule(rule, GROUP, text, reading, needs, judge)


RULES = (
    memory_share_rule(
        "vram-16bit", "if memory equals the 16-bit size, run 16 bits", ("F16", "BF16"), 1.0,
        "as much as the 16-bit file",
    ),
    memory_share_rule(
        "vram-half", "if memory is half the 16-bit size, run Q8_0", ("Q8_0",), 1 / 2,
        "half of the 16-bit size",
    ),
    memory_share_rule(
        "vram-third", "if memory is a third of the 16-bit size, run Q4_K_M", ("Q4_K_M",), 1 / 3,
        "a third of the 16-bit size",
    ),
    machine_rule("card-24", 24, False, 27e9, "Q4_K_M", "27B"),
    machine_rule("card-16", 16, False, 22e9, "Q4_K_M", "22B"),
    machine_rule("card-12", 12, False, 14e9, "Q4_K_M", "14B"),
    machine_rule("card-8", 8, False, 9e9, "Q4_K_S", "7-9B"),
    machine_rule("mac-24", 24, True, 27e9, "Q4_K_M", "27B"),
    machine_rule("mac-48", 48, True, 70e9, "Q4_K_M", "70B"),
)  # fmt: skip
