"""Rules on sizes follow from public shapes where no rows speak; rows of that size go first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from folklore_scenes import make_variant, model_of_bits

from grid.advice.folklore import CONTRADICTED, HOLDS, OPEN, Finding, judge_all, rules_of
from grid.analysis import Variant, draw_posterior
from grid.models.public import PublicModel, find_model, public_models

TINY = make_variant("Q4_K_M", None, parameters=10**7)


def finding(
    rule: str, *variants: Variant, shapes: tuple[PublicModel, ...] | None = None
) -> Finding:
    posterior = draw_posterior(variants or [TINY], draws=500)
    (judgement,) = judge_all({"box": posterior}, rules_of([rule]), shapes)
    return judgement.findings[0]


def shape(name: str) -> PublicModel:
    model = find_model(name)
    assert model is not None
    return model


@pytest.mark.parametrize(
    ("rule", "verdict", "figure"),
    [
        # llama.cpp's Q2_K of a 70B has 3 bits per weight: 26.4 GB, not 22
        ("size-70b-q2_k", CONTRADICTED, "25.5 to 26.4 GB"),
        ("size-70b-q8_0", HOLDS, "73.3 to 75 GB"),
        ("size-128-405b-q2_k", CONTRADICTED, "149 GB"),
        # 2.5 GB of weights
        ("ram-2-4b", CONTRADICTED, "of 2 GiB usable"),
        ("ram-1.5-1.7b", HOLDS, "of 1.5 GiB usable"),
        ("card-12-22b", CONTRADICTED, "of 11.2 GiB usable"),
        ("card-24", HOLDS, "15.4 GiB to 15.5 GiB"),
        ("mac-70b-q6-q8", CONTRADICTED, "70B Q6_K in 48 GiB needs"),
        ("room-70b-q4_k_m", HOLDS, "leaves 86.4 to 87.4 GiB of 126 GiB usable"),
        # one large cache in eleven would do
        ("cache-long", CONTRADICTED, "gpt-oss-120b"),
        ("size-formula", CONTRADICTED, "Q2_K has 3.16 bits, stated 2.5 (+26 %)"),
    ],
)
def test_public_shapes_decide_what_is_arithmetic(rule: str, verdict: str, figure: str) -> None:
    result = finding(rule)
    assert (result.verdict, result.arithmetic) == (verdict, True), result.why
    assert figure in result.why


def test_without_the_shape_the_rule_stays_open() -> None:
    others = tuple(m for m in public_models() if "70B" not in m.name)
    assert finding("size-70b-q2_k", shapes=others).verdict == OPEN


def test_another_shape_gives_another_verdict() -> None:
    """Of what is called a 4B: one as large as Mistral 7B, and one as small as Llama-3.2-1B."""
    for name, verdict in (("Mistral-7B-v0.3", CONTRADICTED), ("Llama-3.2-1B", HOLDS)):
        called = replace(shape(name), name="Other-4B")
        assert finding("ram-2-4b", shapes=(called,)).verdict == verdict


def test_rows_of_a_model_of_that_size_go_before_its_shape() -> None:
    rows = [make_variant("Q2_K", None, parameters=70 * 10**9, bpw_file=2.5)]
    result = finding("size-70b-q2_k", *rows)
    assert (result.verdict, result.arithmetic) == (HOLDS, False)
    assert "with the bits of base" in result.why


def test_a_shape_goes_before_rows_of_another_size() -> None:
    result = finding("size-70b-q2_k", *model_of_bits("Q2_K", 2.0))
    assert (result.verdict, result.arithmetic) == (CONTRADICTED, True)


def test_a_computed_size_judges_no_rule_on_sizes() -> None:
    computed = [
        replace(v, bpw_file=None, size_text="computed: 8B parameters x 3 bits")
        for v in model_of_bits("Q2_K", 3.0)
    ]
    assert finding("size-formula", *computed, shapes=()).verdict == OPEN


def test_every_rule_names_the_sweep_that_measures_it() -> None:
    sweeps = {rule.id: rule.sweep for rule in rules_of([])}
    assert sweeps["loss-q4_k_m"].startswith('quants = ["F16", "Q4_K_M"]; measures = ["tasks"]')
    assert all("measures = " in sweep for sweep in sweeps.values())
    assert sweeps["hard-tasks-first"].startswith('quants = ["F16", "Q8_0", "Q4_K_M", "Q2_K"]')
    assert sweeps["awq-gptq"].startswith("files = ")
    assert 'measures = ["speed", "tasks"]' in sweeps["fp8-h100"]
