"""The question the other way round: which hardware runs a model."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path

import streamlit as st

from grid.advice import Ask
from grid.advice.for_model import VERDICTS, HardwareChoice, choose_hardware, find_target
from grid.advice.for_model.sentences import (
    MARK_TEXT,
    group_title,
    headline,
    mark_text,
    need_text,
    place_text,
    rate_text,
    rates_note,
)
from grid.advice.for_model.target import USUAL_QUANT
from grid.analysis.dataset import Dataset
from grid.app import address
from grid.app.page_parts import plain, show_table
from grid.app.pick.limits import choose_context, choose_least_rate, choose_sessions
from grid.errors import InputError
from grid.units import format_bytes


def draw_hardware(dataset: Dataset) -> None:
    """The form and the answer. Raises InputError for a model that nobody knows."""
    left, middle, right = st.columns(3)
    models = sorted({name for group in dataset.classes for name in group.models})
    with left:
        model = address.enter_text(
            "Model: a name, or a size such as 8B", "target", models[0] if models else "8B"
        )
        quant = address.enter_text("Quant", "target_quant", placeholder=USUAL_QUANT)
    with middle:
        context = choose_context("target_context")
        sessions = choose_sessions("target_sessions")
    with right:
        rate = choose_least_rate("target_speed")
    ask = Ask(quant=quant or None, context=context, min_decode_tps=rate, sessions=sessions)
    if is_path(model):
        raise InputError("the page takes a name or a size; for a file: grid recommend --for FILE")
    choice = _choice(
        (dataset.display_name, dataset.fingerprint, model, repr(ask)), dataset, model, ask
    )
    st.subheader(plain(headline(choice)), anchor=False)
    st.caption(plain(f"Needs {need_text(choice)}. Model: from {choice.target.source}."))
    for text in choice.notes:
        st.caption(plain(f"Note: {text}"))
    for verdict in VERDICTS:
        entries = choice.of(verdict)
        if entries:
            st.markdown(f"**{plain(group_title(choice, verdict))}**")
            show_table(hardware_table(choice, verdict), f"hardware_{VERDICTS.index(verdict)}")
    st.caption(f"{rates_note(choice)}. {MARK_TEXT}")


def is_path(text: str) -> bool:
    """Whether a text may be meant as a file: a link must not choose what this machine reads."""
    return os.sep in text or text.startswith(("~", ".")) or Path(text[:255]).exists()


@st.cache_resource(max_entries=8, show_spinner="Trying every chip")
def _choice(key: Hashable, _dataset: Dataset, model: str, _ask: Ask) -> HardwareChoice:
    return choose_hardware(_dataset, find_target(model, _ask.quant, _dataset), _ask)


def hardware_table(choice: HardwareChoice, verdict: str) -> dict[str, list[str]]:
    """One row a machine, the least memory first."""
    entries = choice.of(verdict)
    return {
        "memory": [
            format_bytes(entry.place.memory_bytes) if entry.place.memory_bytes else "-"
            for entry in entries
        ],
        "machine": [place_text(entry) for entry in entries],
        "token/s": [rate_text(entry) for entry in entries],
        "": [mark_text(entry) for entry in entries],
        "source": [entry.decode.evidence.text if entry.decode else "" for entry in entries],
    }
