"""Rules about how fast fewer bits are."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from grid.advice.folklore.evidence import REAL, Evidence, has_error
from grid.advice.folklore.rule import HOLDS, OPEN, Finding, Rule
from grid.advice.folklore.verdict import Band, Case, times, within
from grid.analysis.variant import Variant

GROUP = "speed"

EITHER_WAY = 0.1
"""Part by which a measured factor may differ from a stated one."""

LADDER = ("F16", "Q8_0", "Q6_K", "Q4_K_M", "Q3_K_M", "Q2_K")

USABLE_TPS = 5.0
SMALL = (0.95 * REAL, 1.75 * REAL)
"""Parameters of models that people call 1 to 1.7B."""


def speed_known(variant: Variant) -> bool:
    """Repetitions, or an interval that came with the figure."""
    speed = variant.decode.get(0)
    return speed is not None and (len(speed.rates) > 1 or has_error(speed.interval))


def _ratio(evidence: Evidence, fast: Variant, slow: Variant) -> Case:
    name = f"{evidence.name(fast)} over {slow.quant}"
    known = speed_known(fast) and speed_known(slow)
    return Case(name, evidence.rate(fast) / evidence.rate(slow), times, known)


def factor(rule: str, name: str, said: float) -> Rule:
    """The rule that a preset decodes `said` times as fast as F16."""
    low, high = said * (1 - EITHER_WAY), said * (1 + EITHER_WAY)
    band = Band(low, high, f"about {said:g}x")

    def judge(evidence: Evidence) -> Finding:
        cases = []
        for variant in evidence.of(name):
            whole = evidence.whole(variant)
            if whole is not None and whole.backend == variant.backend:
                cases.append(_ratio(evidence, variant, whole))
        return within(cases, band)

    text = f"{name} decodes {said:g}x as fast as F16"
    reading = f"decode rate over that of 16 bits, within {100 * EITHER_WAY:g} %, every model"
    return Rule(rule, GROUP, text, reading, f"decode at {name} and at 16 bits", judge)


def fewer_faster(evidence: Evidence) -> Finding:
    """Each step down the ladder that was measured, in each model and engine."""
    steps = []
    for rungs in evidence.ladder(LADDER, lambda v: 0 in v.decode):
        steps += [_ratio(evidence, under, above) for above, under in pairwise(rungs)]
    return within(steps, Band(1.0, math.inf, "faster at each step"))


def small_on_cpu(evidence: Evidence) -> Finding:
    """Models of 1 to 1.7B at Q4_K_M are above 5 token/s, larger ones are not."""
    cpu = [v for v in evidence.of("Q4_K_M") if v.device_kind.startswith("cpu") and 0 in v.decode]
    small = [v for v in cpu if SMALL[0] <= (v.parameters or 0) <= SMALL[1]]
    large = [v for v in cpu if (v.parameters or 0) > SMALL[1]]
    cases = [_above(evidence, v, 1.0) for v in small] + [_above(evidence, v, -1.0) for v in large]
    found = within(cases, Band(0.0, math.inf, "5 token/s up to 1.7B, less above"))
    if found.verdict == HOLDS and not (small and large):
        lacks = "a larger model" if small else "a model of 1 to 1.7B"
        return Finding(OPEN, f"{found.why}; {lacks} at Q4_K_M would decide it", found.numbers)
    return found


def _above(evidence: Evidence, variant: Variant, sign: float) -> Case:
    rate = evidence.rate(variant)
    low, high = np.quantile(rate, [0.025, 0.975])
    name = f"{evidence.name(variant)} ({variant.parameters / 1e9:.2g}B)"
    text = f"{name} {rate.mean():.3g} token/s [{low:.3g}, {high:.3g}]"
    draws = np.asarray(sign * (rate - USABLE_TPS))
    return Case(name, draws, known=speed_known(variant), text=text)


RULES = (
    Rule(
        "fewer-bits-faster", GROUP, "fewer bits are faster",
        f"decode rate rises at each step of {', '.join(LADDER)} that was measured, in every model",
        "decode at two of these", fewer_faster,
    ),
    factor("speed-q8_0", "Q8_0", 1.2),
    factor("speed-q6_k", "Q6_K", 1.4),
    factor("speed-q4_k_m", "Q4_K_M", 1.6),
    factor("speed-q3_k_m", "Q3_K_M", 1.8),
    factor("speed-q2_k", "Q2_K", 2.0),
    Rule(
        "cpu-5-tps", GROUP, "over 5 token/s on a CPU takes 1 to 1.7B at Q4_K_M",
        "decode rate at Q4_K_M on a CPU: above 5 token/s up to 1.7B, not above in larger models",
        "decode on a CPU at Q4_K_M of a model of 1 to 1.7B and of a larger one", small_on_cpu,
    ),
)  # fmt: skip
