"""Rules of thumb and the rows' verdict on them, in a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.padding import Padding
from rich.text import Text

from grid.advice.folklore import (
    CONTRADICTED,
    HOLDS,
    OPEN,
    Finding,
    Judgement,
    Verdict,
    judge_all,
    rules_of,
)
from grid.analysis import Posterior
from grid.analysis.dataset import Dataset
from grid.cli.views.console import console, number, print_json, warn
from grid.cli.views.sources import third_party
from grid.errors import InputError, did_you_mean
from grid.results.problems import left_out, nothing_there

HEADINGS: dict[Verdict, str] = {
    HOLDS: "holds",
    CONTRADICTED: "contradicted",
    OPEN: "not enough data",
}
COLOURS: dict[Verdict, str] = {HOLDS: "green", CONTRADICTED: "red", OPEN: "yellow"}


def show_folklore(
    store: str, hardware: str | None = None, rules: Sequence[str] = (), as_json: bool = False
) -> None:
    """Each rule's verdict with its numbers; with `rules` those alone, told at length.

    Raises InputError for an empty store, an unknown rule, or a class that is not there.
    """
    asked = rules_of(rules)
    dataset = Dataset(store)
    if dataset.empty:
        raise InputError(nothing_there(dataset.shown, dataset.problems))
    warn(left_out(dataset.problems))
    beliefs = {name: dataset.belief(name) for name in _classes(dataset, hardware)}
    judged = judge_all({name: one for name, one in beliefs.items() if one.variants}, asked)
    if as_json:
        print_json([judgement_data(one) for one in judged])
        return
    numbered = _heading(beliefs)
    if rules:
        for judgement in judged:
            _at_length(judgement)
        return
    _counts(judged)
    for verdict in HEADINGS:
        told = [j for j in judged if j.verdict == verdict and _numbers(j)]
        _section(verdict, told, numbered)
    _untold([j for j in judged if not _numbers(j)])


def judgement_data(judgement: Judgement) -> dict[str, Any]:
    """A judgement as plain data."""
    rule = judgement.rule
    told = {name: getattr(rule, name) for name in ("id", "group", "text", "source")}
    return {
        **told,
        "judged_by": rule.reading,
        "needs": rule.needs,
        "verdict": judgement.verdict,
        "findings": [
            {
                "hardware_class": finding.scope,
                "origin": finding.origin,
                "licence": finding.licence,
                "verdict": finding.verdict,
                "why": finding.why,
                "numbers": dict(finding.numbers),
            }
            for finding in judgement.findings
        ],
    }


def _classes(dataset: Dataset, hardware: str | None) -> list[str]:
    names = [one.name for one in dataset.classes]
    if hardware is None:
        return names
    found = [name for name in names if name == hardware] or [
        name for name in names if hardware.lower() in name.lower()
    ]
    if not found:
        hint = did_you_mean(hardware, names)
        raise InputError(f"no hardware class {hardware!r} in {dataset.shown}. {hint}".strip())
    return found


def _numbers(judgement: Judgement) -> list[Finding]:
    """Findings for which there were rows; all that decide have them."""
    return [f for f in judgement.findings if f.seen]


def _heading(beliefs: dict[str, Posterior]) -> dict[str, str]:
    """Prints the hardware classes; returns the short sign of each, empty where there is one."""
    out, signs = console(), {}
    for place, (name, belief) in enumerate(beliefs.items(), 1):
        signs[name] = str(place) if len(beliefs) > 1 else ""
        mark = f"[{place}] " if len(beliefs) > 1 else ""
        out.print(Text(f"{mark}{_class_text(name, belief)}"))
    return signs


def _class_text(name: str, belief: Posterior) -> str:
    found = belief.variants
    models = sorted({v.model for v in found})
    sizes = sorted({v.parameters for v in found if v.parameters})
    ends = list(dict.fromkeys(_count(size) for size in (sizes[:1] + sizes[-1:])))
    text = f"{name}: {len(found)} variant{'s' if len(found) != 1 else ''} of {', '.join(models)}"
    text += f" ({' to '.join(ends)} parameters)" if ends else ""
    return "; ".join([text, *third_party((v.origin, v.licence) for v in found)])


def _count(parameters: int) -> str:
    for scale, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if parameters >= scale:
            return f"{parameters / scale:.3g}{unit}"
    return str(parameters)


def _counts(judged: Sequence[Judgement]) -> None:
    words = ((HOLDS, "hold"), (CONTRADICTED, "contradicted"), (OPEN, OPEN))
    parts = [f"{sum(j.verdict == verdict for j in judged)} {word}" for verdict, word in words]
    text = f"\n{len(judged)} common rules: {', '.join(parts)}"
    foreign = sum(j.verdict != OPEN and not _measured(j) for j in judged)
    text += f"; {foreign} of these verdicts by third-party figures alone" if foreign else ""
    console().print(text, markup=False)


def _measured(judgement: Judgement) -> bool:
    """Whether rows measured here say what the verdict says."""
    return any(f.verdict == judgement.verdict and not f.origin for f in judgement.findings)


def _section(verdict: Verdict, judged: Sequence[Judgement], signs: Mapping[str, str]) -> None:
    if not judged:
        return
    out = console()
    out.print(Text(f"\n{HEADINGS[verdict]}", style=f"bold {COLOURS[verdict]}"))
    for judgement in judged:
        rule = judgement.rule
        out.print(Padding(Text.assemble((rule.text, "bold"), f"  ({rule.id})"), (0, 0, 0, 2)))
        for line in _lines(judgement, signs):
            out.print(Padding(Text(line), (0, 0, 0, 6)))


def _lines(judgement: Judgement, signs: Mapping[str, str]) -> list[str]:
    """One line for each finding, with the signs of its classes where there are several; classes
    that say the same word for word share one."""
    same: dict[tuple[str, str, bool], list[str]] = {}
    for finding in _numbers(judgement):
        key = (finding.verdict, finding.why, bool(finding.origin))
        same.setdefault(key, []).append(signs[finding.scope])
    lines = []
    for (verdict, why, foreign), found in same.items():
        where = [", ".join(found)] if any(found) else []
        mark = ", ".join([*where, *(["third-party"] if foreign else [])])
        lines.append(f"[{mark}] {verdict}: {why}" if mark else why)
    return lines


def _untold(judged: Sequence[Judgement]) -> None:
    """Rules without a row, by what they need."""
    if not judged:
        return
    out = console()
    out.print(Text("\nno rows for these", style="bold yellow"))
    needs: dict[str, list[str]] = {}
    for judgement in judged:
        needs.setdefault(judgement.rule.needs, []).append(judgement.rule.text)
    for need, texts in needs.items():
        out.print(Padding(Text("; ".join(texts), style="bold"), (0, 0, 0, 2)))
        out.print(Padding(Text(f"needs {need}"), (0, 0, 0, 6)))


def _told(finding: Finding) -> str:
    source = "".join(f" ({text})" for text in third_party([(finding.origin, finding.licence)]))
    return f"{finding.scope}: {finding.verdict}: {finding.why}{source}"


def _at_length(judgement: Judgement) -> None:
    out, rule = console(), judgement.rule
    style = f"bold {COLOURS[judgement.verdict]}"
    out.print()
    out.print(Text.assemble((rule.text, "bold"), ": ", (judgement.verdict, style)))
    for line in (f"judged by: {rule.reading}", f"needs: {rule.needs}", f"source: {rule.source}"):
        out.print(Padding(Text(line), (0, 0, 0, 2)))
    for finding in judgement.findings:
        out.print(Padding(Text(_told(finding)), (0, 0, 0, 2)))
        for name, value in finding.numbers.items():
            out.print(Padding(Text(f"{name}: {number(value)}"), (0, 0, 0, 6)))
