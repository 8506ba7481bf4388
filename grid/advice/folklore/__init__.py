"""Folklore: tests rules of thumb that guides repeat against measured rows."""

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
