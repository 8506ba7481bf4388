"""The same prompt through several variants, and where their outputs first differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from grid.analysis.dataset import Dataset
from grid.analysis.noise_floors import SIXTEEN_BIT
from grid.app.compare_process import CompareProcess
from grid.app.page_parts import answer, current_look, note, plain
from grid.app.sections.output_texts import output_html, run_facts, sentence, token_rows
from grid.errors import InputError
from grid.models.display_names import visible
from grid.units import format_bytes

PROMPT = "The farmer went to the market and"

BESIDE = 3
"""Columns in a row."""

MOST = 12
"""Variants in one comparison."""

POLL_S = 0.25

PROCESS, OF_STORE = "compare_process", "compare_store"
"""Where a session keeps its process, and of which store it is."""


def draw_outputs(dataset: Dataset, place: str) -> None:
    """The form, the outputs as they come, and where they differ."""
    st.subheader("Compare outputs", anchor=False)
    process = _process(dataset, place)
    if process.variants is None:
        if process.alive:
            _await_list()
        else:
            st.error(plain(f"What can be run on this machine is not known: {process.failure}"))
        return
    _show_unusable([variant for variant in process.variants if variant["reason"]])
    usable = [variant for variant in process.variants if not variant["reason"]]
    if not usable:
        note("None of the store's variants can be run on this machine.")
        return
    _draw_form(usable, process)
    if process.busy:
        _watch()
    elif process.failure:
        st.error(plain(f"Nothing was compared: {process.failure}"))
    elif process.comparison:
        _show(process.comparison)


def _process(dataset: Dataset, place: str) -> CompareProcess:
    """The session's process: a new one for another store, for new rows, and where it ended idle."""
    process = st.session_state.get(PROCESS)
    of_store = (place, dataset.fingerprint)
    if isinstance(process, CompareProcess):
        ended = not process.alive and not process.failure
        if not ended and (st.session_state[OF_STORE] == of_store or process.busy):
            return process
        process.close()
    fresh = CompareProcess(place)
    st.session_state[PROCESS], st.session_state[OF_STORE] = fresh, of_store
    return fresh


@st.fragment(run_every=POLL_S)
def _await_list() -> None:
    process = st.session_state.get(PROCESS)
    if not isinstance(process, CompareProcess) or not process.busy:
        st.rerun()
    st.markdown("Looking for what can be run on this machine.")


def _show_unusable(unusable: Sequence[dict[str, Any]]) -> None:
    if unusable:
        with st.expander(f"{len(unusable)} of the store's variants cannot be run on this machine"):
            for variant in unusable:
                st.text(visible(f"{variant['label']} ({variant['backend']}): {variant['reason']}"))


def _draw_form(usable: Sequence[dict[str, Any]], process: CompareProcess) -> None:
    titles = titles_of(usable)
    with st.form("compare_form", border=False):
        chosen = st.multiselect(
            "Variants", list(titles), default=first_choice(usable), max_selections=MOST,
            format_func=titles.__getitem__, key="compare_variants", persist_state="session",
        )  # fmt: skip
        prompt = st.text_area(
            "Prompt", PROMPT, height=100, key="compare_prompt", persist_state="session"
        )
        tokens = st.number_input(
            "Tokens, at most", 1, 512, 64, key="compare_tokens", persist_state="session"
        )
        pressed = st.form_submit_button("Compare", type="primary", disabled=process.busy)
    if pressed:
        if not chosen:
            raise InputError("choose at least one variant")
        if not prompt.strip():
            raise InputError("the prompt is empty; give a text to go on with")
        process = _restarted(process)
        process.ask(chosen, prompt, int(tokens))
        st.rerun()


def _restarted(process: CompareProcess) -> CompareProcess:
    """The process, or a new one with the same list where it was cancelled."""
    if process.alive:
        return process
    fresh = CompareProcess(st.session_state[OF_STORE][0])
    fresh.wait()
    st.session_state[PROCESS] = fresh
    return fresh


def titles_of(usable: Sequence[dict[str, Any]]) -> dict[str, str]:
    """By id what a variant is called, with its engine where that tells it from another."""
    labels = [variant["label"] for variant in usable]
    titles = {}
    for variant in usable:
        twice = labels.count(variant["label"]) > 1
        engine = f", {variant['backend']}" if twice else ""
        title = f"{variant['label']} ({format_bytes(variant['bytes'])}{engine})"
        titles[variant["id"]] = visible(title)
    return titles


def first_choice(usable: Sequence[dict[str, Any]]) -> list[str]:
    """Ids of the first model's 16 bits, middle and smallest variant: what a first look wants."""
    mine = [variant for variant in usable if variant["model"] == usable[0]["model"]]
    mine.sort(key=lambda variant: (variant["quant"] not in SIXTEEN_BIT, -variant["bytes"]))
    picks = [mine[0], mine[len(mine) // 2], mine[-1]]
    return list(dict.fromkeys(variant["id"] for variant in picks))


@st.fragment(run_every=POLL_S)
def _watch() -> None:
    """Show the outputs as they come, and a button that ends it; draw the page again at its end."""
    process = st.session_state.get(PROCESS)
    if not isinstance(process, CompareProcess) or not process.busy:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(plain(f"Running: {process.doing}"))
        if st.button("Cancel", key="compare_cancel"):
            process.close()
    _show_beside([output for _, output in sorted(process.outputs.items())])


def _show(comparison: dict[str, Any]) -> None:
    outputs = comparison["outputs"]
    answer(plain(sentence(outputs)))
    st.text(visible(f"After: {comparison['prompt']}", prose=True))
    st.caption(
        "Always the likeliest token, so the same prompt gives the same outputs. Grey: what an "
        "output has in common with its reference. Framed: its first token that differs. Tokens "
        "count from 0."
    )
    _show_beside(outputs)
    with st.expander("Token by token"), st.container(key="compare_tokens_table"):
        st.dataframe(token_rows(outputs), hide_index=True)


def _show_beside(outputs: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(outputs), BESIDE):
        row = outputs[start : start + BESIDE]
        for column, output in zip(st.columns(len(row)), row, strict=True):
            with column:
                _show_output(output)


def _show_output(output: dict[str, Any]) -> None:
    st.markdown(f"**{plain(output['label'])}** · {plain(output['backend'])}")
    if output["status"] != "ok":
        st.warning(plain(f"{output['status']}: {output['reason']}"))
        return
    if output["note"]:
        st.caption(plain(output["note"]))
    st.html(output_html(output, current_look().muted))
    st.caption(run_facts(output))
