"""A rule of thumb, what the rows say of it, and the nouns between."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from grid.advice.folklore.evidence import RuleEvidence

Verdict = Literal["holds", "contradicted", "not enough data"]

HOLDS: Verdict = "holds"
CONTRADICTED: Verdict = "contradicted"
OPEN: Verdict = "not enough data"

SOURCE = "common rule"

_PRESET = re.compile(r"\b(?:IQ|Q)\d(?:_[A-Z0-9]+)+\b")
_TASKS = 'measures = ["tasks"]; tasks = ["mmlu", "gsm8k", "humaneval", "ifeval"]'
_MEASURES = {
    "loss": _TASKS,
    "same size": _TASKS,
    "tasks": _TASKS,
    "perplexity": 'measures = ["quality"]; quality = { text = "text.txt" }',
    "formats": f'{_TASKS}; quality = {{ text = "text.txt" }}',
    "speed": 'measures = ["speed"]',
    "speed of formats": _TASKS.replace("[", '["speed", ', 1),
    "size": 'measures = ["memory"]',
    "memory": 'measures = ["memory"]',
}
"""What of a sweep file measures the rules of a group."""
_LADDER = ("Q8_0", "Q4_K_M", "Q2_K")
"""Quants that measure a rule which names none, and is of what llama.cpp makes."""
_OF_OTHERS = ("formats", "speed of formats")
"""Groups of rules whose weights others made: such rules name files."""


@dataclass(frozen=True)
class Finding:
    """What the rows of one hardware class and origin say of a rule.

    `why` is a sentence with the numbers; `numbers` are the same for machines, by subject.
    `origin` is empty for rows measured here, else who published or exported them, under `licence`.
    `arithmetic` says that it follows from public shapes, whatever the rows hold.
    `has_rows` is False where there was no row for the rule. `doubt` is the probability, times the
    number of quantities, that the one which is off the most is not off.
    """

    verdict: Verdict
    why: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    scope: str = ""
    origin: str = ""
    licence: str = ""
    has_rows: bool = True
    arithmetic: bool = False
    doubt: float = 1.0


@dataclass(frozen=True)
class Rule:
    """A rule as people say it; `reading` is how it is judged, `needs` what rows that takes."""

    id: str
    group: str
    text: str
    reading: str
    needs: str
    judge: Callable[[RuleEvidence], Finding]
    source: str = SOURCE

    @property
    def sweep(self) -> str:
        """Lines of a sweep file that would measure it."""
        named = _PRESET.findall(f"{self.text} {self.needs}")
        measures = _MEASURES[self.group]
        if not named and self.group in _OF_OTHERS:
            return f'files = ["each folder of weights"]; {measures}'
        names = dict.fromkeys(["F16", *(named or _LADDER)])
        quants = ", ".join(f'"{name}"' for name in names)
        return f"quants = [{quants}]; {measures}"


class Judgement(NamedTuple):
    """A rule with a finding for each hardware class, and what they come to together."""

    rule: Rule
    findings: list[Finding]
    verdict: Verdict
