"""Rules of thumb that guides repeat, tested against the rows at hand."""

from grid.advice.folklore.registry import RULES, judge_all, rules_of, together
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
    "judge_all",
    "rules_of",
    "together",
]
