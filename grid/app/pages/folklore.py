"""Folklore: the usual rules of thumb, judged by the rows at hand."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import streamlit as st

from grid.advice.folklore import CONTRADICTED, HOLDS, OPEN, Judgement, Verdict, judge_all, rules_of
from grid.analysis.dataset import Dataset
from grid.app.charts.quantities import short
from grid.app.page_parts import answer, heading, note, show_table, warn_third_party
from grid.app.pages import Page
from grid.app.store import open_dataset

PAGE = Page("Folklore", path="folklore", rank=70)

WORDS: dict[Verdict, str] = {
    HOLDS: "Holds",
    CONTRADICTED: "Contradicted",
    OPEN: "Not enough data",
}
ALL = "All hardware classes"


def draw() -> None:
    heading("Do the usual rules hold here?")
    dataset = open_dataset()
    if dataset is None:
        return
    names = [one.name for one in dataset.classes]
    chosen = names[0]
    if len(names) > 1:
        chosen = st.selectbox("Judged by the rows of", [*names, ALL], key="folklore_class")
    classes = names if chosen == ALL else [chosen]
    judged = _judged((dataset.display_name, dataset.fingerprint, tuple(classes)), dataset, classes)
    for name in classes:
        warn_third_party(dataset.posterior(name).variants)
    answer(sentence(judged))
    st.caption(
        "A rule holds, or is contradicted, where the rows say so with at least 95 % probability. "
        "The rules are common ones, as people tell them; how each is judged is in its details."
    )
    tabs = st.tabs([f"{WORDS[one]} ({len(_of(judged, one))})" for one in WORDS])
    for tab, verdict in zip(tabs, WORDS, strict=True):
        with tab:
            _section(_of(judged, verdict), len(classes) > 1)


@st.cache_resource(max_entries=4, show_spinner="Judging the rules")
def _judged(key: Hashable, _dataset: Dataset, _classes: Sequence[str]) -> list[Judgement]:
    beliefs = {name: _dataset.posterior(name) for name in _classes}
    return judge_all({name: one for name, one in beliefs.items() if one.variants}, rules_of(()))


def _of(judged: Sequence[Judgement], verdict: Verdict) -> list[Judgement]:
    return [one for one in judged if one.verdict == verdict]


def sentence(judged: Sequence[Judgement]) -> str:
    """How many of the rules hold."""
    count = {verdict: len(_of(judged, verdict)) for verdict in WORDS}
    return (
        f"Of {len(judged)} common rules {count[HOLDS]} hold here, {count[CONTRADICTED]} are "
        f"contradicted, and for {count[OPEN]} there is not enough data."
    )


def _section(judged: Sequence[Judgement], several: bool) -> None:
    if not judged:
        note("None.")
    for judgement in judged:
        rule = judgement.rule
        with st.container(border=True):
            st.markdown(f"**{rule.text[:1].upper()}{rule.text[1:]}**")
            told = [one for one in judgement.findings if one.numbers or one.verdict != OPEN]
            for finding in told:
                where = f"{finding.scope}: " if several else ""
                licence = finding.licence or "not stated"
                mark = (
                    f" (third-party: {finding.origin}, licence {licence})" if finding.origin else ""
                )
                st.text(f"{where}{finding.why}{mark}")
            if not told:
                st.text(f"No rows for it. It needs {rule.needs}.")
            with st.expander("How it is judged"):
                st.text(f"{rule.reading}\nNeeds {rule.needs}.\nSource: {rule.source}.")
                numbers = [
                    (finding.scope, name, short(value))
                    for finding in told
                    for name, value in finding.numbers.items()
                ]
                if numbers:
                    scopes, names, values = zip(*numbers, strict=True)
                    columns = {"what": list(names), "value": list(values)}
                    if several:
                        columns = {"hardware class": list(scopes), **columns}
                    show_table(columns, f"folklore_{rule.id}")
