"""Rules of thumb that guides repeat, tested against the rows at hand."""

from grid.advice.folklore.registry import RULES, combine_findings, judge_all, rules_of
from grid.advice.folklore.rule import CONTRADICTED, HOLDS, OPEN, Finding, Judgement, Rule, Verdict

__all__ = [
    "CONTRADICTED",
    "HOLDS",
    "OPEN",
    "RULES",
    "Finding",
    "Judgement",
    "Rule",
    "Verdict",
    "combine_findings",
    "judge_all",
    "rules_of",
]
