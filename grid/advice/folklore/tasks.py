"""Rules about which tasks pay first."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from grid.advice.folklore.evidence import RuleEvidence
from grid.advice.folklore.quants import nominal_bits, preset_of
from grid.advice.folklore.rule import OPEN, Finding, Rule
from grid.advice.folklore.verdict import FIRST_LARGER, Band, Quantity, judge_within
from grid.analysis.figures import percent
from grid.analysis.variant import Variant
from grid.results.statistics.interval import Floats

GROUP = "tasks"

LOW_BITS = 4
"""Nominal bits up to which a quant loses enough to compare its classes."""

FIRST = ("reasoning", "math")
LAST = ("code", "instruction")
"""Classes of code and chat: metrics.md has what each is made of."""

CODE, CODE_LOSS = "code", 0.02

PRECISE_LOSS = 0.02
"""Part of the capability from which a loss is felt where answers must be exact."""

KNOWLEDGE = "recall"
EMBEDDING = "embedding"


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)


def _low_bit_subjects(evidence: RuleEvidence) -> dict[str, list[Variant]]:
    """Subjects of 4 nominal bits and fewer, by model."""
    by_model: dict[str, list[Variant]] = {}
    for variant in evidence.subjects:
        if (nominal_bits(variant.quant) or 16) <= LOW_BITS:
            by_model.setdefault(variant.model, []).append(variant)
    return by_model


def class_losses(evidence: RuleEvidence, variants: Sequence[Variant]) -> dict[str, Floats]:
    """Mean loss over the variants, by class [draws]: of the classes that all of them have."""
    losses = {}
    for name in evidence.task_classes:
        parts = [evidence.class_loss(variant, name) for variant in variants]
        measured = [part for part in parts if part is not None and not np.isnan(part).any()]
        if parts and len(measured) == len(parts):
            losses[name] = np.asarray(np.mean(measured, axis=0))
    return losses


def _least_items(variants: Sequence[Variant], names: Collection[str]) -> int:
    return min((v.classes[name].n for v in variants for name in names), default=0)


def _mean_loss(losses: dict[str, Floats], names: Collection[str]) -> Floats:
    return np.asarray(np.mean([losses[name] for name in names], axis=0))


def _loss_gap(
    model: str, variants: Sequence[Variant], losses: dict[str, Floats], first: list[str],
    baseline: Floats, words: str,
) -> Quantity:  # fmt: skip
    gap = np.asarray(_mean_loss(losses, first) - baseline)
    name = f"{model}: loss in {_and(first)} less {words}"
    subject = f"{model}: loss in {_and(first)} minus {words}"
    error_known = all(v.classes[task].sd is not None for v in variants for task in losses)
    count = _least_items(variants, losses)
    return Quantity(name, gap, percent, error_known, count, "items a class", subject=subject)


def judge_hard_first(evidence: RuleEvidence) -> Finding:
    """Reasoning and math against all other classes, and all other classes against code and chat:
    one comparison where there are no others."""
    quantities: list[Quantity] = []
    measured_classes: set[str] = set()
    for model, variants in _low_bit_subjects(evidence).items():
        losses = class_losses(evidence, variants)
        measured_classes |= set(losses)
        first = [name for name in FIRST if name in losses]
        last = [name for name in LAST if name in losses]
        if first and last:
            between = [name for name in losses if name not in (*first, *last)]
            pairs = [(first, [*between, *last]), ([*first, *between], last)]
            for harder, easier in pairs if between else pairs[:1]:
                words = f"that in {_and(easier)}"
                baseline = _mean_loss(losses, easier)
                quantities.append(_loss_gap(model, variants, losses, harder, baseline, words))
    if measured_classes and not quantities:
        kinds = (FIRST, LAST)
        lacking = [" nor ".join(kind) for kind in kinds if not measured_classes & set(kind)]
        listing = ", ".join(sorted(measured_classes))
        return Finding(OPEN, f"Only {listing} measured: {_lacking_text(lacking)}")
    return judge_within(quantities, FIRST_LARGER)


def _lacking_text(kinds: Sequence[str]) -> str:
    if not kinds:
        return "no model has both kinds"
    return f"neither {', and neither '.join(kinds)} was measured"


def judge_knowledge_first(evidence: RuleEvidence) -> Finding:
    quantities = []
    for model, variants in _low_bit_subjects(evidence).items():
        losses = class_losses(evidence, variants)
        others = [name for name in losses if name != KNOWLEDGE]
        if KNOWLEDGE in losses and len(others) >= 2:
            worst = np.asarray(np.max([losses[name] for name in others], axis=0))
            words = f"the largest of {', '.join(others)}"
            quantities.append(_loss_gap(model, variants, losses, [KNOWLEDGE], worst, words))
    return judge_within(quantities, FIRST_LARGER)


def judge_embedding(evidence: RuleEvidence) -> Finding:
    """Mean loss in retrieval of embedding models minus that of the others in their own classes,
    for each quant that both were measured at."""
    quantities = []
    quants = dict.fromkeys(preset_of(v.quant) for v in evidence.subjects if not v.sixteen_bit)
    for quant in quants:
        variants = evidence.of_preset(quant)
        retrieval, generation = [], []
        for variant in variants:
            losses = class_losses(evidence, [variant])
            retrieval += [losses.pop(EMBEDDING)] if EMBEDDING in losses else []
            generation += [np.mean(list(losses.values()), axis=0)] if losses else []
        if retrieval and generation:
            gap = np.asarray(np.mean(retrieval, axis=0) - np.mean(generation, axis=0))
            error_known = all(c.sd is not None for v in variants for c in v.classes.values())
            name = f"{quant}: loss in retrieval less that in generation"
            count = _least_items([v for v in variants if EMBEDDING in v.classes], [EMBEDDING])
            subject = f"{quant}: loss in retrieval minus loss in generation"
            quantities.append(Quantity(name, gap, percent, error_known, count, subject=subject))
    return judge_within(quantities, FIRST_LARGER)


def judge_code(evidence: RuleEvidence) -> Finding:
    quantities = [
        _class_quantity(evidence, variant, CODE, loss)
        for variant in evidence.of_preset("Q4_K_M")
        if (loss := evidence.class_loss(variant, CODE)) is not None
    ]
    return judge_within(quantities, Band(-math.inf, CODE_LOSS, f"under {100 * CODE_LOSS:g} %"))


def _class_quantity(evidence: RuleEvidence, variant: Variant, name: str, loss: Floats) -> Quantity:
    figure = variant.classes[name]
    label = f"{evidence.label(variant)} in {name}"
    subject = f"{evidence.label(variant)} loses in {name}"
    return Quantity(label, loss, percent, figure.sd is not None, figure.n, subject=subject)


def judge_precise_from_five(evidence: RuleEvidence) -> Finding:
    """In each model, what Q4_K_M loses of reasoning and math more than Q5_K_M does."""
    quantities = []
    for rungs in evidence.ladder(("Q5_K_M", "Q4_K_M"), lambda v: bool(v.classes)):
        losses = class_losses(evidence, rungs[-1:]) if len(rungs) > 1 else {}
        names = [n for n in FIRST if n in losses and n in class_losses(evidence, rungs[:1])]
        if names:
            five = _mean_loss(class_losses(evidence, rungs[:1]), names)
            words = "what Q5_K_M loses"
            shown = {name: losses[name] for name in names}
            gap = _loss_gap(rungs[0].model, rungs, shown, names, five, words)
            subject = f"{rungs[0].model}: loss of Q4_K_M minus loss of Q5_K_M in {_and(names)}"
            quantities.append(replace(gap, subject=subject))
    band = Band(PRECISE_LOSS, math.inf, f"{100 * PRECISE_LOSS:g} % or more")
    return judge_within(quantities, band)


RULES = (
    Rule(
        "code-q4_k_m", GROUP, "code loses under 2 % at Q4_K_M",
        "loss = 1 - capability in code / that of the same model at 16 bits, in every model",
        "code at Q4_K_M and at 16 bits", judge_code,
    ),
    Rule(
        "precise-q5", GROUP, "precise reasoning needs Q5 or more",
        f"Q4_K_M loses at least {100 * PRECISE_LOSS:g} % more of {_and(FIRST)} than "
        "Q5_K_M, in every model",
        "reasoning or math at 16 bits, at Q5_K_M and at Q4_K_M", judge_precise_from_five,
    ),
    Rule(
        "hard-tasks-first", GROUP, "reasoning and math lose first, chat and code last",
        f"mean loss over a model's quants of {LOW_BITS} bits or fewer: {_and(FIRST)} lose "
        f"more than all other classes measured, {_and(LAST)} less, in every model",
        "reasoning or math, and instruction or code, at 16 bits and at 4 or fewer",
        judge_hard_first,
    ),
    Rule(
        "knowledge-first", GROUP, "knowledge loses first",
        f"mean loss over a model's quants of {LOW_BITS} bits or fewer: recall loses more than "
        "every other class, in every model",
        "recall and two other classes at 16 bits and at 4 or fewer", judge_knowledge_first,
    ),
    Rule(
        "embedding", GROUP,
        "quantization hurts retrieval by embedding models more than generation",
        "loss of embedding models in retrieval minus loss of other models in their classes, at "
        "each quant that both have",
        "retrieval by an embedding model and tasks of another model, at 16 bits and at one quant",
        judge_embedding,
    ),
)  # fmt: skip
