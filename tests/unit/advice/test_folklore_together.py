"""What findings of several hardware classes come to: chance in one of many decides nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from folklore_scenes import variants_losing

from grid.advice.folklore import (
    CONTRADICTED,
    OPEN,
    Judgement,
    combine_findings,
    judge_all,
    rules_of,
)
from grid.advice.folklore.registry import bonferroni
from grid.advice.folklore.verdict import Band, Quantity, judge_within
from grid.analysis import Variant, draw_posterior

RATIO = Band(1.1, 1.3, "about 1.2x")


def normal(mean: float, sd: float) -> np.ndarray:
    return mean + sd * np.random.default_rng(0).standard_normal(4000)


def judge(*classes: list[Variant]) -> Judgement:
    posteriors = {str(place): draw_posterior(variants) for place, variants in enumerate(classes)}
    return judge_all(posteriors, rules_of(["loss-q4_k_m"]))[0]


def test_hardware_classes_that_all_agree_are_seldom_contradicted_together() -> None:
    """Twenty machines on which the factor is as said, each measured with an error as large as the
    range: one of them is off by 95 % in most stores, and no rule falls for that."""
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(40):
        findings = [
            judge_within([Quantity("a", normal(rng.normal(1.2, 0.06), 0.06))], RATIO)
            for _ in range(20)
        ]
        assert all("probability" in finding.numbers for finding in findings)
        wrong += combine_findings(bonferroni(findings)) == CONTRADICTED
    assert wrong <= 5


def test_a_sure_contradiction_stands_among_many_classes() -> None:
    agreeing = [judge_within([Quantity("a", normal(1.2, 0.01))], RATIO) for _ in range(19)]
    off = judge_within([Quantity("b", normal(2.0, 0.01))], RATIO)
    corrected = bonferroni([*agreeing, off])
    assert corrected[-1] == off
    assert combine_findings(corrected) == CONTRADICTED
    weak = judge_within([Quantity("c", np.r_[np.full(970, 2.0), np.full(30, 1.2)])], RATIO)
    assert weak.verdict == CONTRADICTED
    corrected = bonferroni([*agreeing, weak])
    assert corrected[-1].verdict == OPEN
    assert "As 1 of 20 machines this may be chance" in corrected[-1].why


def test_quality_is_judged_once_for_the_machines_of_a_device_kind() -> None:
    def on(machine: str) -> list[Variant]:
        return [replace(v, hardware_class=machine) for v in variants_losing({"Q4_K_M": 0.2})]

    judgement = judge(on("one"), on("two"))
    assert [f.scope for f in judgement.findings] == ["one", "two"]
    assert judgement.findings[0].why == judgement.findings[1].why
    assert list(judgement.findings[0].numbers) == list(judge(on("one")).findings[0].numbers)
