"""Rules about which tasks pay first."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from grid.advice.folklore.evidence import Evidence
from grid.advice.folklore.quants import nominal_bits, preset
from grid.advice.folklore.rule import OPEN, Finding, Rule
from grid.advice.folklore.verdict import ABOVE_ZERO, Case, percent, within
from grid.analysis.variant import Variant
from grid.results.statistics.interval import Floats

GROUP = "tasks"

LOW_BITS = 4
"""Nominal bits up to which a quant's losses are told from none."""

FIRST = ("reasoning", "math")
LAST = ("code", "instruction")
"""Classes of code and chat: metrics.md has what each is made of."""

KNOWLEDGE = "recall"
EMBEDDING = "embedding"


def _low(evidence: Evidence) -> dict[str, list[Variant]]:
    """Subjects of 4 nominal bits and fewer, by model."""
    found: dict[str, list[Variant]] = {}
    for variant in evidence.subjects:
        if (nominal_bits(variant.quant) or 16) <= LOW_BITS:
            found.setdefault(variant.model, []).append(variant)
    return found


def class_losses(evidence: Evidence, variants: Sequence[Variant]) -> dict[str, Floats]:
    """Mean loss over the variants, by class [draws]: of the classes that all of them have."""
    found = {}
    for name in evidence.classes:
        parts = [evidence.class_loss(variant, name) for variant in variants]
        known = [part for part in parts if part is not None and not np.isnan(part).any()]
        if parts and len(known) == len(parts):
            found[name] = np.asarray(np.mean(known, axis=0))
    return found


def _known(variants: Sequence[Variant], names: Collection[str]) -> bool:
    return all(v.classes[name].sd is not None for v in variants for name in names)


def _items(variants: Sequence[Variant], names: Collection[str]) -> int:
    return min((v.classes[name].n for v in variants for name in names), default=0)


def _mean(losses: dict[str, Floats], names: Collection[str]) -> Floats:
    return np.asarray(np.mean([losses[name] for name in names], axis=0))


def _case(
    model: str, variants: Sequence[Variant], losses: dict[str, Floats], first: list[str],
    other: Floats, words: str,
) -> Case:  # fmt: skip
    gap = np.asarray(_mean(losses, first) - other)
    name = f"{model}: loss in {' and '.join(first)} less {words}"
    return Case(
        name, gap, percent, _known(variants, losses), _items(variants, losses), "items a class"
    )


def hard_first(evidence: Evidence) -> Finding:
    """Reasoning and math against all other classes, and all other classes against code and chat:
    one comparison where there are no others."""
    cases: list[Case] = []
    seen: set[str] = set()
    for model, variants in _low(evidence).items():
        losses = class_losses(evidence, variants)
        seen |= set(losses)
        first, last = ([name for name in of if name in losses] for of in (FIRST, LAST))
        if first and last:
            rest = [name for name in losses if name not in (*first, *last)]
            pairs = [(first, [*rest, *last]), ([*first, *rest], last)]
            for more, less in pairs if rest else pairs[:1]:
                words = f"that in {' and '.join(less)}"
                cases.append(_case(model, variants, losses, more, _mean(losses, less), words))
    if seen and not cases:
        lacking = [" nor ".join(of) for of in (FIRST, LAST) if not seen & set(of)]
        return Finding(OPEN, f"{', '.join(sorted(seen))} alone: {_lacks(lacking)}")
    return within(cases, ABOVE_ZERO)


def _lacks(kinds: Sequence[str]) -> str:
    if not kinds:
        return "no model was asked both kinds"
    return f"neither {'; neither '.join(kinds)} was asked"


def knowledge_first(evidence: Evidence) -> Finding:
    cases = []
    for model, variants in _low(evidence).items():
        losses = class_losses(evidence, variants)
        others = [name for name in losses if name != KNOWLEDGE]
        if KNOWLEDGE in losses and len(others) >= 2:
            worst = np.asarray(np.max([losses[name] for name in others], axis=0))
            words = f"the largest of {', '.join(others)}"
            cases.append(_case(model, variants, losses, [KNOWLEDGE], worst, words))
    return within(cases, ABOVE_ZERO)


def embedding_more(evidence: Evidence) -> Finding:
    """Mean loss in retrieval of embedding models less that of the others in what they were asked,
    for each quant that both were measured at."""
    cases = []
    quants = dict.fromkeys(preset(v.quant) for v in evidence.subjects if not v.sixteen_bit)
    for quant in quants:
        variants = evidence.of(quant)
        retrieval, rest = [], []
        for variant in variants:
            losses = class_losses(evidence, [variant])
            retrieval += [losses.pop(EMBEDDING)] if EMBEDDING in losses else []
            rest += [np.mean(list(losses.values()), axis=0)] if losses else []
        if retrieval and rest:
            gap = np.asarray(np.mean(retrieval, axis=0) - np.mean(rest, axis=0))
            known = all(c.sd is not None for v in variants for c in v.classes.values())
            name = f"{quant}: loss in retrieval less that in generation"
            count = _items([v for v in variants if EMBEDDING in v.classes], [EMBEDDING])
            cases.append(Case(name, gap, percent, known, count))
    return within(cases, ABOVE_ZERO)


RULES = (
    Rule(
        "hard-tasks-first", GROUP, "reasoning and math lose first, chat and code last",
        f"mean loss over a model's quants of {LOW_BITS} bits and fewer: {' and '.join(FIRST)} more "
        f"than all other classes, {' and '.join(LAST)} less than all others (those that were "
        "asked), in every model",
        "reasoning or math, and instruction or code, at 16 bits and at 4 or fewer",
        hard_first,
    ),
    Rule(
        "knowledge-first", GROUP, "knowledge loses first",
        f"mean loss over a model's quants of {LOW_BITS} bits and fewer: recall more than every "
        "other class, in every model",
        "recall and two other classes at 16 bits and at 4 or fewer", knowledge_first,
    ),
    Rule(
        "embedding", GROUP,
        "quantization hurts retrieval by embedding models more than generation",
        "loss in the class embedding less that of other models in theirs, at each quant that both "
        "have",
        "the class embedding of an embedding model, tasks of another, at 16 bits and at one quant",
        embedding_more,
    ),
)  # fmt: skip
