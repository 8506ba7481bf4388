"""Rules of thumb and the rows' verdict on them, in a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
from grid.advice.offered_rows import offered_rows
from grid.analysis import Posterior
from grid.analysis.dataset import Dataset
from grid.analysis.figures import number
from grid.cli.selection import matching_classes, select_dataset
from grid.cli.views.console import (
    console,
    print_indented,
    print_json,
    table,
    third_party_lines,
    warn,
)
from grid.errors import InputError
from grid.results.problems import explain_no_results, missing_rows_note

COLOURS: dict[Verdict, str] = {HOLDS: "green", CONTRADICTED: "red", OPEN: "yellow"}


def show_folklore(
    store: str,
    models: Sequence[str] | None = None,
    hardware: str | None = None,
    rules: Sequence[str] = (),
    *,
    full: bool = False,
    as_json: bool = False,
) -> None:
    """Print the verdicts that the rows give, a line for each rule; with `full` of all rules, with
    their figures; of named `rules` all there is to say.

    Raises InputError for an empty store, an unknown rule, or a model or class that is not there.
    """
    chosen_rules = rules_of(rules)
    dataset = Dataset(store)
    if dataset.is_empty:
        raise InputError(explain_no_results(dataset.display_name, dataset.problems))
    warn(missing_rows_note(dataset.problems))
    dataset = offered_rows(select_dataset(dataset, models, None, None))
    names = [hardware_class.name for hardware_class in dataset.classes]
    if hardware is not None:
        names = matching_classes(hardware, names)
    posteriors = {name: dataset.posterior(name) for name in names}
    judgements = judge_all({n: p for n, p in posteriors.items() if p.variants}, chosen_rules)
    if as_json:
        print_json([judgement_data(judgement) for judgement in judgements])
        return
    numbered = _print_heading(posteriors)
    if rules:
        for judgement in judgements:
            _print_at_length(judgement)
        return
    _print_counts(judgements)
    if not full:
        _print_verdicts(judgements)
        return
    for verdict in COLOURS:
        with_rows = [j for j in judgements if j.verdict == verdict and _findings_with_rows(j)]
        _print_section(verdict, with_rows, numbered)
    _print_missing([j for j in judgements if not _findings_with_rows(j)])


def judgement_data(judgement: Judgement) -> dict[str, Any]:
    """A judgement as plain data: `judged_by` is the rule's reading, `hardware_class` the finding's
    scope."""
    rule = judgement.rule
    return {
        **_fields(rule, "id group text source"),
        "judged_by": rule.reading,
        "needs": rule.needs,
        "sweep": rule.sweep,
        "verdict": judgement.verdict,
        "findings": [
            {
                "hardware_class": finding.scope,
                **_fields(finding, "origin licence arithmetic verdict why numbers"),
            }
            for finding in judgement.findings
        ],
    }


def _fields(value: object, names: str) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names.split()}


def _findings_with_rows(judgement: Judgement) -> list[Finding]:
    """Findings for which there were rows; all that decide have them."""
    return [f for f in judgement.findings if f.has_rows]


def _print_heading(posteriors: dict[str, Posterior]) -> dict[str, str]:
    """Print the hardware classes; return the short sign of each, empty where there is one."""
    out, signs = console(), {}
    for place, (name, posterior) in enumerate(posteriors.items(), 1):
        signs[name] = str(place) if len(posteriors) > 1 else ""
        mark = f"[{place}] " if len(posteriors) > 1 else ""
        out.print(Text(f"{mark}{_describe_class(name, posterior)}"))
    return signs


def _describe_class(name: str, posterior: Posterior) -> str:
    variants = posterior.variants
    models = sorted({v.model for v in variants})
    sizes = sorted({v.parameters for v in variants if v.parameters})
    ends = list(dict.fromkeys(_parameter_count(size) for size in (sizes[:1] + sizes[-1:])))
    text = (
        f"{name}: {len(variants)} variant{'s' if len(variants) != 1 else ''} of {', '.join(models)}"
    )
    text += f" ({' to '.join(ends)} parameters)" if ends else ""
    return "; ".join([text, *third_party_lines((v.origin, v.licence) for v in variants)])


def _parameter_count(parameters: int) -> str:
    for scale, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if parameters >= scale:
            return f"{parameters / scale:.3g}{unit}"
    return str(parameters)


def _print_counts(judgements: Sequence[Judgement]) -> None:
    words = ((HOLDS, "hold"), (CONTRADICTED, "contradicted"), (OPEN, OPEN))
    parts = [f"{sum(j.verdict == verdict for j in judgements)} {word}" for verdict, word in words]
    text = f"\n{len(judgements)} common rules: {', '.join(parts)}"
    decided = [j for j in judgements if j.verdict != OPEN and not _measured_here(j)]
    computed = sum(_by_arithmetic(judgement) for judgement in decided)
    foreign = len(decided) - computed
    text += f"; {computed} verdicts by arithmetic on public shapes" if computed else ""
    text += f"; {foreign} verdicts by third-party figures alone" if foreign else ""
    console().print(text, markup=False)


def _print_verdicts(judgements: Sequence[Judgement]) -> None:
    """The claims that rows decide, below their verdict, and how many others there are."""
    out = console()
    for verdict in (HOLDS, CONTRADICTED):
        rows = [
            (judgement.rule.text, judgement.rule.id)
            for judgement in judgements
            if judgement.verdict == verdict and not _by_arithmetic(judgement)
        ]
        if rows:
            style = f"bold {COLOURS[verdict]}"
            out.print(Text(f"\n{verdict}, by the rows", style=style))
            out.print(table(("claim", "--rule"), rows, wrap=(0,)))
    if any(judgement.verdict == OPEN for judgement in judgements):
        out.print("\n--all has the other rules, and the figures behind each verdict", markup=False)


def _measured_here(judgement: Judgement) -> bool:
    """Whether rows measured here say what the verdict says."""
    return any(
        f.verdict == judgement.verdict and not f.origin and not f.arithmetic
        for f in judgement.findings
    )


def _by_arithmetic(judgement: Judgement) -> bool:
    """Whether public shapes alone say what the verdict says."""
    return all(f.arithmetic for f in judgement.findings if f.verdict == judgement.verdict)


def _print_section(
    verdict: Verdict, judgements: Sequence[Judgement], signs: Mapping[str, str]
) -> None:
    if not judgements:
        return
    console().print(Text(f"\n{verdict}", style=f"bold {COLOURS[verdict]}"))
    for judgement in judgements:
        rule = judgement.rule
        print_indented(Text.assemble((rule.text, "bold"), f"  ({rule.id})"), 2)
        for line in _lines(judgement, signs):
            print_indented(Text(line), 6)


def _lines(judgement: Judgement, signs: Mapping[str, str]) -> list[str]:
    """One line for each finding, with the signs of its classes if there are several; classes
    with equal sentences share a line."""
    same: dict[tuple[str, str], list[str]] = {}
    for finding in _findings_with_rows(judgement):
        basis = "arithmetic" if finding.arithmetic else "third-party" if finding.origin else ""
        key = (finding.why, basis)
        same.setdefault(key, []).append("" if finding.arithmetic else signs[finding.scope])
    lines = []
    for (why, basis), marks in same.items():
        mark = ", ".join(filter(None, [", ".join(filter(None, marks)), basis]))
        lines.append(f"[{mark}] {why}" if mark else why)
    return lines


def _print_missing(judgements: Sequence[Judgement]) -> None:
    """Rules without a row, by what they need."""
    if not judgements:
        return
    console().print(Text("\nno rows for these", style="bold yellow"))
    needs: dict[str, list[str]] = {}
    for judgement in judgements:
        rule = judgement.rule
        needs.setdefault(rule.needs, []).append(f"{rule.text} ({rule.id})")
    for need, texts in needs.items():
        print_indented(Text("; ".join(texts), style="bold"), 2)
        print_indented(Text(f"needs {need}"), 6)
    print_indented(Text("`grid folklore --rule ID` shows which sweep measures a rule"), 2)


def _finding_line(finding: Finding) -> str:
    origins = [] if finding.arithmetic else [(finding.origin, finding.licence)]
    source = "".join(f" ({text})" for text in third_party_lines(origins))
    where = "by arithmetic" if finding.arithmetic else finding.scope
    return f"{where}: {finding.verdict}: {finding.why}{source}"


def _print_at_length(judgement: Judgement) -> None:
    out, rule = console(), judgement.rule
    style = f"bold {COLOURS[judgement.verdict]}"
    out.print()
    out.print(Text.assemble((rule.text, "bold"), ": ", (judgement.verdict, style)))
    for line in (
        f"judged by: {rule.reading}",
        f"needs: {rule.needs}",
        f"measured by: grid sweep FILE, with the model and {rule.sweep}",
        f"source: {rule.source}",
    ):
        print_indented(Text(line), 2)
    printed: set[str] = set()
    for finding in judgement.findings:
        line = _finding_line(finding)
        if line in printed:
            continue
        printed.add(line)
        print_indented(Text(line), 2)
        for name, value in finding.numbers.items():
            print_indented(Text(f"{name}: {number(value)}"), 6)
