"""Every rule of thumb reaches all three verdicts, each on rows made so."""

from __future__ import annotations

from pathlib import Path

import pytest
from analysis_cases import variant
from folklore_cases import CASES

from grid.advice.folklore import CONTRADICTED, HOLDS, OPEN, RULES, Finding, judge_all, rules_of
from grid.advice.folklore.document import document
from grid.advice.folklore.evidence import used_importance_matrix
from grid.analysis import Variant, draw_posterior

DOCS = Path(__file__).parents[3] / "docs" / "folklore.md"


def verdict(rule: str, variants: list[Variant]) -> Finding:
    judged = judge_all({"box": draw_posterior(variants, draws=500)}, rules_of([rule]), ())
    assert len(judged) == 1
    assert len(judged[0].findings) == 1
    return judged[0].findings[0]


def test_every_rule_has_its_cases() -> None:
    assert sorted(CASES) == sorted(rule.id for rule in RULES)


@pytest.mark.parametrize("rule", sorted(CASES))
@pytest.mark.parametrize("wanted", [HOLDS, CONTRADICTED, OPEN])
def test_a_rule_reaches_each_verdict(rule: str, wanted: str) -> None:
    cases = CASES[rule]
    variants = {HOLDS: cases.holds, CONTRADICTED: cases.contradicted, OPEN: cases.open}[wanted]  # type: ignore[index]
    finding = verdict(rule, variants)
    assert finding.verdict == wanted, finding.why
    assert finding.numbers or wanted == OPEN
    assert finding.why


@pytest.mark.parametrize("rule", sorted(CASES))
def test_without_rows_a_rule_says_what_it_needs(rule: str) -> None:
    finding = verdict(rule, CASES["size-formula"].open)
    assert finding.verdict == OPEN
    assert finding.why == f"No rows. It needs {rules_of([rule])[0].needs}"


def test_the_documentation_is_the_registry() -> None:
    assert DOCS.read_text() == document()


def test_rule_ids_are_unique_and_sources_are_common_rules() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert {rule.source for rule in RULES} == {"common rule"}


@pytest.mark.parametrize(
    ("quant", "quantizer", "expected"),
    [
        ("Q4_K_M", "llama.cpp, importance matrix WT 10m", True),
        ("Q4_K_M (imatrix)", "", True),
        ("Q4_K_M", "llama.cpp", False),
    ],
)
def test_importance_matrix_is_read_from_quant_name_or_quantizer(
    quant: str, quantizer: str, expected: bool
) -> None:
    assert used_importance_matrix(variant(quant, 100, [1.0], quantizer=quantizer)) is expected
