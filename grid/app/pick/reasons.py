"""Why the pick was chosen, how sure that is, and what each limit costs."""

from __future__ import annotations

import streamlit as st

from grid.advice import Advice, Candidate
from grid.advice.sentences import (
    UNITS,
    certainty_text,
    costs_text,
    figure_text,
    parts_text,
    quality_text,
    shown_quantities,
    smallest_text,
    tie_text,
)
from grid.app.page_parts import plain, show_table
from grid.units import format_bytes


def draw_reasons(advice: Advice, key: str, is_open: bool) -> None:
    """All that speaks for the pick and against it. `key` tells one answer's from another's. What
    more memory would change takes a pick for each size, so that it waits until the box is open."""
    if advice.pick is not None:
        _draw_figures(advice, advice.pick, key)
        _draw_certainty(advice)
    for step in advice.upgrades if is_open else ():
        _line("Upgrade", step.text)
    _draw_machine(advice)
    for note in advice.notes:
        st.caption(plain(f"Note: {note}"))


def _draw_figures(advice: Advice, pick: Candidate, key: str) -> None:
    """The pick's quantities, each with where it is from."""
    rows = [
        (name, f"{figure_text(name, figure)} {UNITS[name]}".rstrip(), figure.evidence.text)
        for name in shown_quantities(advice)
        if (figure := pick.figures.get(name)) is not None
    ]
    columns = {"figure": 0, "value": 1, "where from": 2}
    show_table(
        {name: [row[i] for row in rows] for name, i in columns.items()}, f"pick_evidence{key}"
    )
    st.caption(plain(f"Memory: {parts_text(pick)}, with {pick.context:,} tokens of context."))
    if pick.split is not None:
        st.caption(plain(f"Placement: {pick.split.text}."))


def _draw_certainty(advice: Advice) -> None:
    _line("How sure", certainty_text(advice))
    if advice.measure_more is not None:
        _line("Measure more", advice.measure_more.text)
    if text := tie_text(advice):
        _line("Why a tie", text)
    if text := smallest_text(advice):
        _line("Why none smaller", text)
    if advice.runner_up is not None:
        _line("Runner-up", f"{advice.runner_up.label}: {advice.runner_why}")
    for step in advice.steps:
        _line(f"One step {step.direction}", step.text)
    costs = costs_text(advice)
    if costs:
        st.markdown("**What the limits cost:**")
        st.markdown("\n".join(f"- {plain(text)}" for text in costs))
    _draw_remarks(advice)
    predicted = advice.pick is not None and advice.pick.predicted
    st.markdown("**Measure it there yourself:**" if predicted else "**Measure it again:**")
    st.code(advice.replay, language="bash", wrap_lines=True)


def _draw_remarks(advice: Advice) -> None:
    """What to know of the commands that run it."""
    serving = advice.serving
    if serving is None:
        return
    for command in serving.commands:
        remarks = "; ".join([f"assumes {serving.assumed}", *serving.remarks(command)])
        _line(f"Run with {command.program}", remarks)


def _draw_machine(advice: Advice) -> None:
    lines = [f"Machine: {advice.hardware}."]
    if advice.budget_bytes is not None:
        lines.append(f"{format_bytes(advice.budget_bytes)} for models: {advice.budget_why}")
    lines.append(f"Quality is {quality_text(advice)}.")
    if advice.limits:
        lines.append(f"Limits: {'; '.join(advice.limits)}.")
    st.caption("  \n".join(map(plain, lines)))


def _line(title: str, text: str) -> None:
    st.markdown(f"**{plain(title)}:** {plain(text)}.")
