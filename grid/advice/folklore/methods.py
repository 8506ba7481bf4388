"""Rules about formats for cards: how fast they decode, and what FP8 costs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

import numpy as np

from grid.advice.folklore.evidence import RuleEvidence, errors_known, least_items
from grid.advice.folklore.quants import nominal_bits
from grid.advice.folklore.rule import Finding, Rule
from grid.advice.folklore.speed import speed_error_known
from grid.advice.folklore.verdict import Band, Quantity, judge_within, times
from grid.analysis.figures import percent
from grid.analysis.variant import Variant

GROUP = "speed of formats"

FP8_LOSS = 0.01
"""Part of the 16-bit capability up to which a format counts as without loss."""

_CARDS = ("cuda", "rocm")
_H100 = re.compile(r"\bH[12]00\b")


def _of(method: str) -> Callable[[Variant], bool]:
    return lambda v: v.quant.lower().startswith(method) and v.device_kind.startswith(_CARDS)


def _ratios(evidence: RuleEvidence, pairs: Iterable[tuple[Variant, Variant]]) -> list[Quantity]:
    """Decode rate of the first over that of the second, of pairs that were both timed."""
    quantities = []
    for fast, slow in pairs:
        if 0 in fast.decode and 0 in slow.decode:
            ratio = evidence.decode_rate(fast) / evidence.decode_rate(slow)
            name = f"{evidence.label(fast)} over {slow.quant}"
            error_known = speed_error_known(fast) and speed_error_known(slow)
            subject = f"{evidence.label(fast)} against {slow.quant}:"
            quantities.append(Quantity(name, ratio, times, error_known, subject=subject))
    return quantities


def _over_sixteen_bits(evidence: RuleEvidence, variants: Iterable[Variant]) -> list[Quantity]:
    pairs = ((variant, evidence.sixteen_bit(variant)) for variant in variants)
    return _ratios(evidence, [(v, whole) for v, whole in pairs if whole is not None])


def judge_gptq(evidence: RuleEvidence) -> Finding:
    """GPTQ at 4 bits over 16 bits of the model."""
    gptq = [v for v in evidence.where(_of("gptq")) if (nominal_bits(v.quant) or 4) == 4]
    return judge_within(
        _over_sixteen_bits(evidence, gptq), Band(1.0, math.inf, "faster than 16 bits")
    )


def judge_bitsandbytes(evidence: RuleEvidence) -> Finding:
    """GPTQ and AWQ at 4 bits over bitsandbytes of the model."""
    slow = evidence.where(_of("bnb"))
    fast = [*evidence.where(_of("gptq")), *evidence.where(_of("awq"))]
    pairs = [(f, s) for f in fast for s in slow if f.model == s.model]
    return judge_within(_ratios(evidence, pairs), Band(1.0, math.inf, "faster than bitsandbytes"))


def judge_fp8(evidence: RuleEvidence) -> Finding:
    """On an H100: that FP8 decodes faster than 16 bits, and that it loses next to nothing; each as
    a margin that is above 0 where it is so."""
    subjects = [
        v
        for v in evidence.where(lambda v: "fp8" in v.quant.lower())
        if _H100.search(v.hardware_class)
    ]
    quantities = []
    for ratio in _over_sixteen_bits(evidence, subjects):
        text = f"{ratio.subject} {times(ratio.middle)}"
        quantities.append(
            Quantity(f"{ratio.name}, speed", ratio.draws - 1, times, ratio.error_known, text=text)
        )
    for variant in subjects:
        loss, name = evidence.loss(variant), evidence.label(variant)
        error_known = errors_known(variant, evidence.sixteen_bit(variant))
        text = "" if np.isnan(loss).any() else f"{name} loses {percent(float(loss.mean()))}"
        margin, count = FP8_LOSS - loss, least_items(variant)
        quantities.append(Quantity(f"{name}, loss", margin, percent, error_known, count, text=text))
    claim = f"faster, and a loss of {100 * FP8_LOSS:g} % at most"
    return judge_within(quantities, Band(0.0, math.inf, claim))


RULES = (
    Rule(
        "gptq-speed", GROUP, "GPTQ at 4 bits decodes faster than 16 bits on a card",
        "decode rate / decode rate at 16 bits, every model and engine",
        "decode of GPTQ weights at 4 bits and at 16 bits on a card", judge_gptq,
    ),
    Rule(
        "bnb-speed", GROUP, "bitsandbytes decodes slower than GPTQ and AWQ",
        "decode rate of GPTQ and AWQ / that of bitsandbytes of the same model, every pair",
        "decode of bitsandbytes and of GPTQ or AWQ weights of one model on a card",
        judge_bitsandbytes,
    ),
    Rule(
        "fp8-h100", GROUP, "on an H100, FP8 is faster than 16 bits and loses nothing",
        f"on an H100 or H200: decode rate above that at 16 bits, and at most "
        f"{100 * FP8_LOSS:g} % of capability lost, in every model",
        "decode and tasks at FP8 and at 16 bits on an H100", judge_fp8,
    ),
)  # fmt: skip
