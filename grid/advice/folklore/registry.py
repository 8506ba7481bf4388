"""All rules of thumb, and the verdict of the rows on each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from grid.advice.folklore import (
    equal,
    formats,
    loss,
    memory,
    methods,
    perplexity,
    room,
    size,
    speed,
    tasks,
)
from grid.advice.folklore.evidence import RuleEvidence
from grid.advice.folklore.rule import CONTRADICTED, HOLDS, OPEN, Finding, Judgement, Rule, Verdict
from grid.advice.folklore.verdict import SURE
from grid.analysis.posterior import Posterior, draw_posterior
from grid.analysis.variant import Variant
from grid.errors import InputError, did_you_mean
from grid.models.public import PublicModel, public_models

RULES: tuple[Rule, ...] = (
    *loss.RULES,
    *equal.RULES,
    *tasks.RULES,
    *perplexity.RULES,
    *formats.RULES,
    *speed.RULES,
    *methods.RULES,
    *size.RULES,
    *memory.RULES,
    *room.RULES,
)


QUALITY = frozenset({loss.GROUP, equal.GROUP, tasks.GROUP, perplexity.GROUP, formats.GROUP})
"""Groups of rules on what does not depend on the machine, only on its kind of arithmetic."""

_ROUNDING = 1e-9


def rules_of(ids: Sequence[str]) -> tuple[Rule, ...]:
    """The named rules; all where none is named. Raises InputError with the nearest id."""
    by_id = {rule.id: rule for rule in RULES}
    for name in ids:
        if name not in by_id:
            hint = did_you_mean(name, by_id) or "See `grid folklore`."
            raise InputError(f"no rule {name!r}. {hint}")
    return tuple(by_id[name] for name in dict.fromkeys(ids)) or RULES


def judge_all(
    posteriors: Mapping[str, Posterior],
    rules: Sequence[Rule] = RULES,
    shapes: tuple[PublicModel, ...] | None = None,
) -> list[Judgement]:
    """Each rule judged on the rows of each hardware class, measured and imported ones apart; rules
    on quality once for all classes of a device kind, which share their rows. `shapes` are the
    public models that arithmetic takes, by default all."""
    known_shapes = public_models() if shapes is None else shapes
    places = [
        replace(place, shapes=known_shapes)
        for posterior in posteriors.values()
        for place in evidence_by_origin(posterior)
    ]
    kinds = _merge_by_device_kind(places)
    single = [([place], place) for place in places]
    judgements = []
    for rule in rules:
        groups = kinds if rule.group in QUALITY else single
        group_findings = bonferroni([_judge(rule, evidence) for _, evidence in groups])
        finding_by_place = {
            (place.scope, place.origin): replace(finding, scope=place.scope)
            for finding, (members, _) in zip(group_findings, groups, strict=True)
            for place in members
        }
        findings = [finding_by_place[place.scope, place.origin] for place in places]
        judgements.append(Judgement(rule, findings, combine_findings(findings)))
    return judgements


def _merge_by_device_kind(
    places: Sequence[RuleEvidence],
) -> list[tuple[list[RuleEvidence], RuleEvidence]]:
    """Evidence of several hardware classes that are of one device kind and weigh tasks alike, and
    all of it as one: each artifact, engine and options once."""
    groups: defaultdict[tuple[object, ...], list[RuleEvidence]] = defaultdict(list)
    for evidence in places:
        first = evidence.variants[0]
        key = (first.device_kind, first.origin, tuple(sorted(first.weights.items())))
        groups[key].append(evidence)
    return [(group, group[0] if len(group) == 1 else _merge(group)) for group in groups.values()]


def _merge(several: Sequence[RuleEvidence]) -> RuleEvidence:
    variants: dict[tuple[str, str, str], Variant] = {}
    for variant in (variant for evidence in several for variant in evidence.variants):
        key = (variant.artifact_id, variant.backend, variant.options)
        variants.setdefault(key, replace(variant, hardware_class=several[0].scope))
    posterior = draw_posterior(list(variants.values()), several[0].posterior.draws)
    return RuleEvidence(posterior, several[0].shapes)


def bonferroni(findings: Sequence[Finding]) -> list[Finding]:
    """The findings, where contradictions stand that are sure enough for as many hardware classes as
    were looked at: one of many is soon off by chance."""
    counts = Counter(bool(f.origin) for f in findings if "probability" in f.numbers)
    return [_corrected(finding, counts[bool(finding.origin)]) for finding in findings]


def _corrected(finding: Finding, count: int) -> Finding:
    if finding.verdict != CONTRADICTED or finding.doubt * count <= 1 - SURE + _ROUNDING:
        return finding
    return replace(
        finding, verdict=OPEN, why=f"{finding.why}. As 1 of {count} machines this may be chance"
    )


def evidence_by_origin(posterior: Posterior) -> list[RuleEvidence]:
    """Evidence of each origin by itself: what was measured here first."""
    by_origin: defaultdict[str, list[Variant]] = defaultdict(list)
    for variant in posterior.variants:
        by_origin[variant.origin].append(variant)
    if len(by_origin) == 1:
        return [RuleEvidence(posterior)]
    groups = [by_origin[origin] for origin in sorted(by_origin)]
    return [RuleEvidence(draw_posterior(group, posterior.draws)) for group in groups]


def _judge(rule: Rule, evidence: RuleEvidence) -> Finding:
    finding = rule.judge(evidence)
    return replace(
        finding,
        why=finding.why or f"No rows. It needs {rule.needs}",
        scope=evidence.scope,
        origin=evidence.origin,
        licence=evidence.licence,
        has_rows=bool(finding.why),
    )


def combine_findings(findings: Sequence[Finding]) -> Verdict:
    """The verdict of several findings: rows measured here decide, imported ones only where those do
    not. One that contradicts is enough, since a rule is said of every case."""
    for mine in ([f for f in findings if not f.origin], [f for f in findings if f.origin]):
        verdicts = {finding.verdict for finding in mine}
        for verdict in (CONTRADICTED, HOLDS):
            if verdict in verdicts:
                return verdict
    return OPEN
