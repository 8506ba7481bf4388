"""Folklore: the usual rules of thumb, judged by the rows at hand."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import streamlit as st

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
from grid.advice.machine_name import short_machine_names
from grid.analysis.dataset import Dataset
from grid.analysis.figures import number
from grid.app import address
from grid.app.page_parts import answer, heading, note, show_table, warn_third_party
from grid.app.store import open_dataset
from grid.models.display_names import capitalised, visible

WORDS: dict[Verdict, str] = {
    HOLDS: "Holds",
    CONTRADICTED: "Contradicted",
    OPEN: "Not enough data",
}
ALL = "All hardware classes"


def draw() -> None:
    heading("Folklore")
    dataset = open_dataset()
    if dataset is None:
        return
    names = [hardware_class.name for hardware_class in dataset.classes]
    chosen = names[0]
    if len(names) > 1:
        short = short_machine_names(names)
        chosen = address.select(
            "Judged by the rows of", [*names, ALL], "hardware",
            lambda name: visible(short.get(name, name)),
        )  # fmt: skip
    classes = names if chosen == ALL else [chosen]
    judgements = _judge(
        (dataset.display_name, dataset.fingerprint, tuple(classes)), dataset, classes
    )
    for name in classes:
        warn_third_party(dataset.posterior(name).variants)
    by_verdict = {
        verdict: [judgement for judgement in judgements if judgement.verdict == verdict]
        for verdict in WORDS
    }
    answer(sentence(by_verdict))
    st.caption(
        "A rule holds, or is contradicted, where the rows say so with at least 95 % probability. "
        "The rules are common ones, as people tell them; how each is judged is in its details."
    )
    tabs = st.tabs([f"{WORDS[verdict]} ({len(group)})" for verdict, group in by_verdict.items()])
    for tab, group in zip(tabs, by_verdict.values(), strict=True):
        with tab:
            if not group:
                note("None.")
            for judgement in group:
                _show_judgement(judgement, len(classes) > 1)


@st.cache_resource(max_entries=4, show_spinner="Judging the rules")
def _judge(key: Hashable, _dataset: Dataset, _classes: Sequence[str]) -> list[Judgement]:
    posteriors = {name: _dataset.posterior(name) for name in _classes}
    return judge_all(
        {name: posterior for name, posterior in posteriors.items() if posterior.variants},
        rules_of(()),
    )


def sentence(by_verdict: Mapping[Verdict, Sequence[Judgement]]) -> str:
    """How many of the rules hold."""
    count = {verdict: len(group) for verdict, group in by_verdict.items()}
    return (
        f"Of {sum(count.values())} common rules {count[HOLDS]} hold here, {count[CONTRADICTED]} "
        f"are contradicted, and for {count[OPEN]} there is not enough data."
    )


def _show_judgement(judgement: Judgement, several_classes: bool) -> None:
    rule = judgement.rule
    findings = [
        finding for finding in judgement.findings if finding.numbers or finding.verdict != OPEN
    ]
    with st.container(border=True):
        st.markdown(f"**{capitalised(rule.text)}**")
        for text in dict.fromkeys(_finding_text(f, several_classes) for f in findings):
            st.text(visible(text))
        if not findings:
            st.text(f"No rows for it. It needs {rule.needs}: a sweep with {rule.sweep}.")
        with st.expander("How it is judged"):
            st.text(f"{rule.reading}\nNeeds {rule.needs}.\nSource: {rule.source}.")
            if numbers := _numbers(findings, several_classes):
                show_table(numbers, f"folklore_{rule.id}")


def _finding_text(finding: Finding, several_classes: bool) -> str:
    if finding.arithmetic:
        return f"{finding.why} (by arithmetic on public shapes)"
    where = f"{finding.scope}: " if several_classes else ""
    licence = finding.licence or "not stated"
    mark = f" (third-party: {finding.origin}, licence {licence})" if finding.origin else ""
    return f"{where}{finding.why}{mark}"


def _numbers(findings: Sequence[Finding], several_classes: bool) -> dict[str, list[str]]:
    """One row a number of a finding; empty where they have none."""
    rows = [
        (finding.scope, name, number(value))
        for finding in findings
        for name, value in finding.numbers.items()
    ]
    if not rows:
        return {}
    scopes, names, values = (list(column) for column in zip(*rows, strict=True))
    columns = {"what": names, "value": values}
    return {"hardware class": scopes, **columns} if several_classes else columns
