"""All rules, and the rows' verdict on each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from grid.advice.folklore import equal, formats, loss, memory, perplexity, size, speed, tasks
from grid.advice.folklore.evidence import Evidence
from grid.advice.folklore.rule import CONTRADICTED, HOLDS, OPEN, Finding, Judgement, Rule, Verdict
from grid.advice.folklore.verdict import SURE
from grid.analysis.posterior import Posterior, posterior
from grid.analysis.variant import Variant
from grid.errors import InputError, did_you_mean

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


QUALITY = frozenset({loss.GROUP, equal.GROUP, tasks.GROUP, perplexity.GROUP, formats.GROUP})
"""Groups of rules on what does not depend on the machine, only on its kind of arithmetic."""

_ROUNDING = 1e-9


def rules_of(ids: Sequence[str]) -> tuple[Rule, ...]:
    """The named rules; all where none is named. Raises InputError with the nearest id."""
    known = {rule.id: rule for rule in RULES}
    for name in ids:
        if name not in known:
            hint = did_you_mean(name, known) or "See `grid folklore`."
            raise InputError(f"no rule {name!r}. {hint}")
    return tuple(known[name] for name in dict.fromkeys(ids)) or RULES


def judge_all(beliefs: Mapping[str, Posterior], rules: Sequence[Rule] = RULES) -> list[Judgement]:
    """Each rule judged on the rows of each hardware class, measured and imported ones apart; rules
    on quality once for all classes of a device kind, which share their rows."""
    places = [one for belief in beliefs.values() for one in by_origin(belief)]
    kinds = _by_kind(places)
    judged = []
    for rule in rules:
        parts = kinds if rule.group in QUALITY else [([one], one) for one in places]
        found = beyond_chance([_finding(rule, one) for _, one in parts])
        of_place = {
            (one.scope, one.origin): replace(finding, scope=one.scope)
            for finding, (same, _) in zip(found, parts, strict=True)
            for one in same
        }
        findings = [of_place[one.scope, one.origin] for one in places]
        judged.append(Judgement(rule, findings, together(findings)))
    return judged


def _by_kind(places: Sequence[Evidence]) -> list[tuple[list[Evidence], Evidence]]:
    """Evidence of several hardware classes that are of one device kind and weigh tasks alike, and
    all of it as one: each artifact, engine and options once."""
    groups: defaultdict[tuple[object, ...], list[Evidence]] = defaultdict(list)
    for one in places:
        first = one.variants[0]
        groups[first.device_kind, first.origin, tuple(sorted(first.weights.items()))].append(one)
    return [(same, same[0] if len(same) == 1 else _merged(same)) for same in groups.values()]


def _merged(several: Sequence[Evidence]) -> Evidence:
    found: dict[tuple[str, str, str], Variant] = {}
    for variant in (variant for one in several for variant in one.variants):
        key = (variant.artifact_id, variant.backend, variant.options)
        found.setdefault(key, replace(variant, hardware_class=several[0].scope))
    return Evidence(posterior(list(found.values()), several[0].belief.draws))


def beyond_chance(findings: Sequence[Finding]) -> list[Finding]:
    """Findings of which those that contradict do so surely enough for as many as were looked at:
    one of many classes of hardware is soon off by chance."""
    of = {
        foreign: sum(bool(f.origin) == foreign and "probability" in f.numbers for f in findings)
        for foreign in (False, True)
    }
    return [
        replace(f, verdict=OPEN, why=f"{f.why}; as one of {of[bool(f.origin)]} this may be chance")
        if f.verdict == CONTRADICTED and f.doubt * of[bool(f.origin)] > 1 - SURE + _ROUNDING
        else f
        for f in findings
    ]


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
    return replace(
        found,
        why=found.why or f"no rows for it: needs {rule.needs}",
        scope=evidence.scope,
        origin=evidence.origin,
        licence=evidence.licence,
        seen=bool(found.why),
    )


def together(findings: Sequence[Finding]) -> Verdict:
    """What findings come to: rows measured here decide, imported ones only where those do not. One
    that contradicts is enough, since a rule is said of every case."""
    for mine in ([f for f in findings if not f.origin], [f for f in findings if f.origin]):
        verdicts = {finding.verdict for finding in mine}
        for verdict in (CONTRADICTED, HOLDS):
            if verdict in verdicts:
                return verdict
    return OPEN
