"""Rules about how fast fewer bits are."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from grid.advice.folklore.evidence import REAL_PARAMETERS, RuleEvidence, has_error
from grid.advice.folklore.rule import HOLDS, OPEN, Finding, Rule
from grid.advice.folklore.verdict import Band, Quantity, judge_within, times
from grid.analysis.variant import Variant

GROUP = "speed"

EITHER_WAY = 0.1
"""Part by which a measured factor may differ from a stated one."""

LADDER = ("F16", "Q8_0", "Q6_K", "Q4_K_M", "Q3_K_M", "Q2_K")

USABLE_TPS = 5.0
SMALL = (0.95 * REAL_PARAMETERS, 1.75 * REAL_PARAMETERS)
"""Parameters of models that people call 1 to 1.7B."""


def speed_error_known(variant: Variant) -> bool:
    """Repetitions, or an interval that came with the figure."""
    speed = variant.decode.get(0)
    return speed is not None and (len(speed.rates) > 1 or has_error(speed.interval))


def _ratio(evidence: RuleEvidence, fast: Variant, slow: Variant) -> Quantity:
    name = f"{evidence.label(fast)} over {slow.quant}"
    error_known = speed_error_known(fast) and speed_error_known(slow)
    ratio = evidence.decode_rate(fast) / evidence.decode_rate(slow)
    subject = f"{evidence.label(fast)} against {slow.quant}:"
    return Quantity(name, ratio, times, error_known, subject=subject)


def speed_rule(rule: str, preset: str, claimed_factor: float) -> Rule:
    """The rule that a preset decodes so many times as fast as F16."""
    low, high = claimed_factor * (1 - EITHER_WAY), claimed_factor * (1 + EITHER_WAY)
    band = Band(low, high, f"about {claimed_factor:g}x")

    def judge(evidence: RuleEvidence) -> Finding:
        quantities = []
        for variant in evidence.of_preset(preset):
            reference = evidence.sixteen_bit(variant)
            if reference is not None and reference.backend == variant.backend:
                quantities.append(_ratio(evidence, variant, reference))
        return judge_within(quantities, band)

    text = f"{preset} decodes {claimed_factor:g}x as fast as F16"
    reading = f"decode rate / decode rate at 16 bits, within {100 * EITHER_WAY:g} %, every model"
    return Rule(rule, GROUP, text, reading, f"decode at {preset} and at 16 bits", judge)


def judge_fewer_faster(evidence: RuleEvidence) -> Finding:
    """Each step down the ladder that was measured, in each model and engine."""
    steps = []
    for rungs in evidence.ladder(LADDER, lambda v: 0 in v.decode):
        steps += [_ratio(evidence, under, above) for above, under in pairwise(rungs)]
    return judge_within(steps, Band(1.0, math.inf, "faster at each step"))


def judge_small_on_cpu(evidence: RuleEvidence) -> Finding:
    """Models of 1 to 1.7B at Q4_K_M are above 5 token/s, larger ones are not."""
    timed = [v for v in evidence.of_preset("Q4_K_M") if 0 in v.decode]
    cpu = [v for v in timed if v.device_kind.startswith("cpu")]
    small = [v for v in cpu if SMALL[0] <= (v.parameters or 0) <= SMALL[1]]
    large = [v for v in cpu if (v.parameters or 0) > SMALL[1]]
    quantities = [_speed_margin(evidence, v, 1.0) for v in small]
    quantities += [_speed_margin(evidence, v, -1.0) for v in large]
    finding = judge_within(quantities, Band(0.0, math.inf, "over 5 token/s up to 1.7B, less above"))
    if finding.verdict == HOLDS and not (small and large):
        lacks = "a larger model" if small else "a model of 1 to 1.7B"
        return Finding(OPEN, f"{finding.why}. Still needed: {lacks} at Q4_K_M", finding.numbers)
    return finding


def _speed_margin(evidence: RuleEvidence, variant: Variant, sign: float) -> Quantity:
    rate = evidence.decode_rate(variant)
    low, high = np.quantile(rate, [0.025, 0.975])
    name = f"{evidence.label(variant)} ({variant.parameters / 1e9:.2g}B)"
    text = f"{name} {np.median(rate):.3g} token/s ({low:.3g} to {high:.3g})"
    draws = np.asarray(sign * (rate - USABLE_TPS))
    return Quantity(name, draws, error_known=speed_error_known(variant), text=text)


RULES = (
    Rule(
        "fewer-bits-faster", GROUP, "fewer bits are faster",
        f"decode rate rises at each step of {', '.join(LADDER)} that was measured, in every model",
        "decode at two of these", judge_fewer_faster,
    ),
    speed_rule("speed-q8_0", "Q8_0", 1.2),
    speed_rule("speed-q6_k", "Q6_K", 1.4),
    speed_rule("speed-q4_k_m", "Q4_K_M", 1.6),
    speed_rule("speed-q3_k_m", "Q3_K_M", 1.8),
    speed_rule("speed-q2_k", "Q2_K", 2.0),
    Rule(
        "cpu-5-tps", GROUP, "a CPU passes 5 token/s at Q4_K_M only up to 1.7B",
        "decode rate at Q4_K_M on a CPU: above 5 token/s up to 1.7B, not above for larger models",
        "decode on a CPU at Q4_K_M of a model of 1 to 1.7B and of a larger one", judge_small_on_cpu,
    ),
)  # fmt: skip
