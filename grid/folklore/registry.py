"""All rules, and the rows' verdict on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from grid.analysis.belief import Posterior, posterior
from grid.errors import InputError, did_you_mean
from grid.folklore import equal, formats, loss, memory, perplexity, size, speed, tasks
from grid.folklore.evidence import Evidence
from grid.folklore.rule import CONTRADICTED, HOLDS, OPEN, Finding, Judgement, Rule, Verdict

RULES: tuple[Rule, ...] = (
    *loss.RULES,
    *equal.RULES,
    *tasks.RULES,
    *perplexity.RULES,
    *formats.RULES,
    *speed.RULES,
    *size.RULES,
    *memory.RULES,
)


def rules_of(ids: Sequence[str]) -> tuple[Rule, ...]:
    """The named rules; all where none is named. Raises InputError with the nearest id."""
    known = {rule.id: rule for rule in RULES}
    for name in ids:
        if name not in known:
            hint = did_you_mean(name, known) or "See `grid folklore`."
            raise InputError(f"no rule {name!r}. {hint}")
    return tuple(known[name] for name in dict.fromkeys(ids)) or RULES


def judge_all(beliefs: Mapping[str, Posterior], rules: Sequence[Rule] = RULES) -> list[Judgement]:
    """Each rule judged on the rows of each hardware class, measured and imported ones apart."""
    evidence = [one for belief in beliefs.values() for one in by_origin(belief)]
    judged = []
    for rule in rules:
        findings = [_finding(rule, one) for one in evidence]
        judged.append(Judgement(rule, findings, together(findings)))
    return judged


def by_origin(belief: Posterior) -> list[Evidence]:
    """Evidence of one origin each: what was measured here first."""
    origins = sorted({variant.origin for variant in belief.variants})
    if len(origins) < 2:
        return [Evidence(belief)] if origins else []
    return [
        Evidence(posterior([v for v in belief.variants if v.origin == origin], belief.draws))
        for origin in origins
    ]


def _finding(rule: Rule, evidence: Evidence) -> Finding:
    found = rule.judge(evidence)
    why = found.why or f"no rows for it: needs {rule.needs}"
    return replace(found, why=why, scope=evidence.scope, origin=evidence.origin)


def together(findings: Sequence[Finding]) -> Verdict:
    """What findings come to: rows measured here decide, imported ones only where those do not. One
    that contradicts is enough, since a rule is said of every case."""
    for mine in ([f for f in findings if not f.origin], [f for f in findings if f.origin]):
        verdicts = {finding.verdict for finding in mine}
        for verdict in (CONTRADICTED, HOLDS):
            if verdict in verdicts:
                return verdict
    return OPEN
