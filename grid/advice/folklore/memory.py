"""Rules about what fits in how much memory."""

from __future__ import annotations

import math

import numpy as np

from grid.advice.folklore.evidence import REAL, Evidence
from grid.advice.folklore.rule import Finding, Rule
from grid.advice.folklore.size import beside_draws, bits_draws, even_draws
from grid.advice.folklore.verdict import Band, Case, times, within
from grid.analysis.memory import ASSUMED_OVERHEAD, Footprint, footprint
from grid.analysis.variant import Variant
from grid.hardware.chips import Usable, target, usable_bytes
from grid.units import GIB, format_bytes

GROUP = "memory"

SLACK = 0.05
"""Part of the memory that may be lacking where a rule speaks of sizes roughly."""

CONTEXT = 4096
"""Tokens of KV cache at which something must fit to count as running."""


def _needed(evidence: Evidence, variant: Variant, memory: float) -> Case | None:
    """Bytes needed over the memory. None for a small model: its embedding table, cache and engine
    say nothing of the models that people mean."""
    if (variant.parameters or 0) < REAL:
        return None
    name = evidence.name(variant)
    made = footprint(variant, CONTEXT, others=evidence.variants)
    if made.kv is not None:
        return _whole_need(evidence, made, memory)
    if variant.artifact_bytes > memory * (1 + SLACK):
        return _share(evidence, name, variant.artifact_bytes, memory, "the weights alone")
    need = variant.artifact_bytes * (1 + beside_draws(evidence))
    text = f"{name} {times(need.mean() / memory)} with 10 to 20 % for cache and buffers"
    return Case(name, np.asarray(need / memory), times, text=text)


def _whole_need(evidence: Evidence, made: Footprint, memory: float) -> Case:
    """Weights, cache and the rest; a rest that is assumed may be anything up to that."""
    assumed = made.overhead == ASSUMED_OVERHEAD
    rest = even_draws(evidence, 0.0 if assumed else made.overhead, made.overhead, "rest")
    share = (made.weights + (made.kv or 0) + rest) / memory
    name = evidence.name(made.variant)
    most = f"up to {times(share.max())}" if assumed else times(share.max())
    beside = format_bytes(made.overhead) + (" assumed" if assumed else "")
    text = f"{name} needs {most} of it (cache {format_bytes(made.kv or 0)}, the rest {beside})"
    return Case(name, np.asarray(share), times, text=text)


def _share(evidence: Evidence, name: str, need: float, memory: float, how: str) -> Case:
    draws = np.full(evidence.belief.draws, need / memory)
    return Case(name, draws, times, text=f"{name} needs {times(need / memory)} of it ({how})")


def part(rule: str, text: str, names: tuple[str, ...], share: float, words: str) -> Rule:
    """The rule to run one of `names` in memory of `share` of the 16-bit size."""

    def judge(evidence: Evidence) -> Finding:
        cases = []
        for variant in [one for name in names for one in evidence.of(name)]:
            whole = evidence.whole(variant)
            if whole is not None and whole.artifact_bytes and variant.artifact_bytes:
                case = _needed(evidence, variant, whole.artifact_bytes * share)
                cases += [case] if case is not None else []
        cases.sort(key=lambda case: (-case.mean, case.name))
        return within(cases, Band(-math.inf, 1 + SLACK, f"fits in {words}"))

    reading = (
        f"weights, a KV cache of {CONTEXT} tokens and the engine's buffers, in just so much memory "
        f"(lacking {100 * SLACK:g} % at most)"
    )
    needs = f"memory or shape of a model of 1B parameters or more at {' or '.join(names)}"
    return Rule(rule, GROUP, text, reading, f"{needs}, and its 16-bit size", judge)


def _usable(memory: int, mac: bool) -> Usable:
    chip = target(memory * GIB, 1e11, "metal" if mac else "cuda", f"{memory} GB")
    return usable_bytes(chip)


def runs(rule: str, memory: int, mac: bool, parameters: float, name: str, said: str) -> Rule:
    """The rule that a card or Mac of `memory` GB runs `said` at a preset; `parameters` are those of
    the largest model that is meant."""
    machine = f"a {memory} GB Mac" if mac else f"a card of {memory} GB"

    def judge(evidence: Evidence) -> Finding:
        bits = bits_draws(evidence, parameters, name)
        if bits is None:
            return within([], Band(0, 0, ""))
        usable = _usable(memory, mac)
        weights = parameters * bits / 8
        need = weights * (1 + beside_draws(evidence))
        text = (
            f"{parameters / 1e9:g}B at {name}: weights {_span(weights)}, with cache and buffers "
            f"{_span(need)}, of {format_bytes(usable.bytes)} that are usable"
        )
        case = Case(
            f"{parameters / 1e9:g}B {name}, needed / usable", need / usable.bytes, text=text
        )
        return within([case], Band(-math.inf, 1.0, "fits"))

    reading = (
        "parameters * bits per weight of the rows / 8, and 10 to 20 % for cache and buffers, in "
        "what " + ("macOS lets the GPU have" if mac else "a desktop leaves of the card")
    )
    needs = f"a model of 1B parameters or more at {name}, measured in any way"
    text = f"{machine} runs {said} at {name}"
    return Rule(rule, GROUP, text, reading, needs, judge)


def _span(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    low, high = format_bytes(values.min()), format_bytes(values.max())
    return low if low == high else f"{low} to {high}"


RULES = (
    part(
        "vram-16bit", "memory as large as the model at 16 bits: run 16 bits", ("F16", "BF16"), 1.0,
        "as much as the 16-bit file",
    ),
    part(
        "vram-half", "memory of half the 16-bit size: run Q8_0", ("Q8_0",), 1 / 2,
        "half of the 16-bit size",
    ),
    part(
        "vram-third", "memory of a third of the 16-bit size: run Q4_K_M", ("Q4_K_M",), 1 / 3,
        "a third of the 16-bit size",
    ),
    runs("card-24", 24, False, 27e9, "Q4_K_M", "27B"),
    runs("card-16", 16, False, 22e9, "Q4_K_M", "22B"),
    runs("card-12", 12, False, 14e9, "Q4_K_M", "14B"),
    runs("card-8", 8, False, 9e9, "Q4_K_S", "7-9B"),
    runs("mac-24", 24, True, 27e9, "Q4_K_M", "27B"),
    runs("mac-48", 48, True, 70e9, "Q4_K_M", "70B"),
)  # fmt: skip
