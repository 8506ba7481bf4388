"""Advise: what to run on a machine, why, what each limit costs, and how sure that is."""

from __future__ import annotations

from collections.abc import Hashable

import streamlit as st

from grid.advice import Advice, Ask, Candidate, recommend
from grid.advice.advice import CAPABILITY, DECODE, KLD, PERPLEXITY
from grid.advice.sentences import (
    UNITS,
    certainty_text,
    costs_text,
    figure_text,
    headline,
    parts_text,
    quality_text,
    shown_quantities,
    smallest_text,
)
from grid.analysis.dataset import Dataset
from grid.app.advise_form import ask_form
from grid.app.hardware_question import asks_for_hardware, draw_hardware
from grid.app.page_parts import heading, show_table, warn_third_party
from grid.app.public_question import draw_public_answer
from grid.app.store import open_dataset
from grid.units import format_bytes


def draw() -> None:
    heading("What should I run on this machine?")
    dataset = open_dataset()
    if dataset is None:
        draw_public_answer()
        return
    if asks_for_hardware():
        draw_hardware(dataset)
        return
    ask = ask_form(dataset)
    advice = _advice((dataset.display_name, dataset.fingerprint, repr(ask)), dataset, ask)
    if advice.pick is not None:
        warn_third_party([advice.pick.variant])
    st.subheader(_capital(headline(advice)), anchor=False)
    if advice.pick is not None:
        _show_serving(advice)
        _show_figures(advice, advice.pick)
        _show_reasons(advice)
    else:
        _show_relaxations(advice)
    for step in advice.upgrades:
        st.markdown(f"**Upgrade:** {step.text}.")
    _show_machine(advice)
    _show_rivals(advice)
    for note in advice.notes:
        st.caption(f"Note: {note}")


@st.cache_resource(max_entries=16, show_spinner="Weighing the candidates")
def _advice(key: Hashable, _dataset: Dataset, _ask: Ask) -> Advice:
    return recommend(_dataset, _ask)


def _show_serving(advice: Advice) -> None:
    """The commands that run the pick, each ready to be copied."""
    serving = advice.serving
    if serving is None:
        return
    if not serving.commands:
        st.caption(f"No command: {serving.why_not}. Weights: {serving.weights.how}.")
        return
    st.markdown(f"**Run it** ({serving.assumed}):")
    programs = [command.program for command in serving.commands]
    for place, command in zip(st.tabs(programs), serving.commands, strict=True):
        with place:
            st.code(serving.script(command), language="bash")
            for remark in serving.remarks(command):
                st.caption(_capital(remark))


def _show_figures(advice: Advice, pick: Candidate) -> None:
    """The pick's quantities, each with where it is from."""
    quantities = shown_quantities(advice)
    for place, quantity in zip(st.columns(len(quantities)), quantities, strict=True):
        figure = pick.figures.get(quantity)
        with place.container(border=True):
            st.caption(_capital(quantity))
            if figure is None:
                st.markdown("**not known**")
                continue
            value, _, ends = figure_text(quantity, figure).partition(" (")
            unit = f" {UNITS[quantity]}" if UNITS[quantity] else ""
            st.markdown(f"**{value}{unit}**" + (f"  \n{ends.rstrip(')')}" if ends else ""))
            st.caption(figure.evidence.text)
    st.caption(f"Memory: {parts_text(pick)}, with {pick.context:,} tokens of context.")
    if pick.split is not None:
        st.caption(f"Placement: {pick.split.text}.")


def _show_reasons(advice: Advice) -> None:
    st.markdown(f"**How sure:** {certainty_text(advice)}.")
    if advice.measure_more is not None:
        st.markdown(f"**Measure more:** {advice.measure_more.text}.")
    if text := smallest_text(advice):
        st.markdown(f"**Perhaps as good:** {text}.")
    second = advice.runner_up
    if second is not None:
        st.markdown(f"**Runner-up:** {second.label}: {advice.runner_why}.")
    for step in advice.steps:
        st.markdown(f"**One step {step.direction}:** {step.text}.")
    costs = costs_text(advice)
    if costs:
        st.markdown("**What the limits cost:**")
        for text in costs:
            st.markdown(f"- {text}")
    predicted = advice.pick is not None and advice.pick.predicted
    st.markdown("**Measure it there yourself:**" if predicted else "**Measure it again:**")
    st.code(advice.replay, language="bash")


def _show_relaxations(advice: Advice) -> None:
    if not advice.relax:
        return
    together = any(step.together for step in advice.relax)
    st.markdown("**To get an answer, do all of these:**" if together else "**To get an answer:**")
    for step in advice.relax:
        st.markdown(f"- {step.text}")


def _show_machine(advice: Advice) -> None:
    lines = [f"Machine: {advice.hardware}."]
    if advice.budget_bytes is not None:
        lines.append(f"{format_bytes(advice.budget_bytes)} for models: {advice.budget_why}")
    lines.append(f"Quality is {quality_text(advice)}.")
    if advice.limits:
        lines.append(f"Limits: {'; '.join(advice.limits)}.")
    st.caption("  \n".join(lines))


def _show_rivals(advice: Advice) -> None:
    if not advice.rejected:
        return
    st.subheader("Why each of the others lost", anchor=False)
    show_table(rivals_table(advice), "advise_rivals")


def rivals_table(advice: Advice) -> dict[str, list[str]]:
    """One row a rival, the best first."""
    candidates = {candidate.variant.id: candidate for candidate in advice.candidates}
    rejections = advice.rivals
    shown = _QUALITIES[advice.quality.axis]
    qualities = {
        quantity: [_figure(candidates.get(lost.variant.id), quantity) for lost in rejections]
        for quantity in shown
    }
    return {
        "variant": [rejection.variant.label for rejection in rejections],
        "why not": [rejection.reason for rejection in rejections],
        **{
            name: cells
            for name, cells in qualities.items()
            if name == shown[0] or set(cells) != {"-"}
        },
        "decode token/s": [
            _figure(candidates.get(rejection.variant.id), DECODE) for rejection in rejections
        ],
        "size": [format_bytes(rejection.variant.artifact_bytes) for rejection in rejections],
    }


_QUALITIES = {
    "capability": (CAPABILITY, KLD),
    "kld_mean": (KLD, CAPABILITY),
    "perplexity": (PERPLEXITY, CAPABILITY),
}
"""Columns of quality by what ranks the candidates."""


def _figure(candidate: Candidate | None, quantity: str) -> str:
    if candidate is None or quantity not in candidate.figures:
        return "-"
    return figure_text(quantity, candidate.figures[quantity])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
