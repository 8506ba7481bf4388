"""Pick: what to run on a machine, how, how good, how fast, and whether it fits."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from grid.advice import Ask
from grid.advice.advice_quality import NOTHING_COMPARES
from grid.advice.machine_name import short_machine_name
from grid.analysis.dataset import Dataset
from grid.app.hardware_question import draw_hardware
from grid.app.page_parts import heading, note, plain, show_table
from grid.app.pick.answers import (
    LAST_ASK,
    PickAnswer,
    answer,
    can_stand_beside,
    choose_beside,
)
from grid.app.pick.cards import choices_of, draw_choices, draw_pick
from grid.app.pick.limits import Fields
from grid.app.pick.question import draw_question
from grid.app.pick.reasons import draw_reasons
from grid.app.public_question import draw_public_answer
from grid.app.store import open_dataset
from grid.app.sweeps import sweep_labels
from grid.app.top_bar import Selection, bar_columns, select_from
from grid.errors import InputError
from grid.models.display_names import capitalised

STYLE = """
<style>
  @media (max-width: 640px) {
    .st-key-pick_row > * { flex: 1 1 100% !important; width: 100% !important; }
    [data-testid="stLayoutWrapper"]:has(> .st-key-bar) { order: 1; }
    [data-testid="stLayoutWrapper"]:has(> .st-key-pick_chart) { order: 2; }
    [data-testid="stLayoutWrapper"]:has(> .st-key-pick_table) { order: 3; }
    [data-testid="stLayoutWrapper"]:has(> .st-key-pick_folds) { order: 4; }
  }
</style>
"""
"""On a phone the cards come before the boxes that narrow them."""


def draw() -> None:
    st.html(STYLE)
    heading_place = st.container()
    dataset = open_dataset()
    if dataset is None:
        with heading_place:
            heading("What to run")
        draw_public_answer()
        return
    bar, cards, chart, table, folds = (
        st.container(key=key)
        for key in ("bar", "pick_cards", "pick_chart", "pick_table", "pick_folds")
    )
    columns = bar_columns(bar, can_stand_beside(dataset))
    selection = select_from(dataset, columns)
    if selection is None:
        with heading_place:
            heading("What to run")
        return
    try:
        answers = _draw_answers(dataset, selection, columns, cards)
    except InputError as error:
        with heading_place:
            heading(f"What to run on {short_machine_name(selection.hardware.name)}")
        _draw_without_answer(selection, error, table)
        return
    with heading_place:
        heading(f"What to run on {short_machine_name(answers[0].advice.hardware)}")
    _draw_charts(answers, chart)
    _draw_tables(answers, table)
    with folds:
        _draw_folds(answers, dataset)


def _draw_answers(
    dataset: Dataset,
    selection: Selection,
    columns: Sequence[DeltaGenerator],
    cards: DeltaGenerator,
) -> list[PickAnswer]:
    """The boxes of the question, and the cards of the answer; of two where something stands beside.

    Raises InputError where there is no answer.
    """
    if len(columns) > 3:
        with columns[3]:
            beside = choose_beside(selection, dataset)
        if beside is not None:
            with cards:
                return _draw_two(dataset, selection, *beside)
    row = cards.container(horizontal=True, key="pick_row", vertical_alignment="top")
    with row.container(border=True, key="pick_card"):
        figures = st.container()
        question = draw_question(dataset, selection.hardware)
    ask = Ask(**question)
    st.session_state[LAST_ASK] = ask
    single = answer(selection, ask)
    with figures:
        _draw_model_note(single)
        draw_pick(single)
    if choices_of(single.advice):
        with row.container(width=330, key="pick_choices"):
            draw_choices(single)
    return [single]


def _draw_two(
    dataset: Dataset, selection: Selection, rival: Selection, title: str
) -> list[PickAnswer]:
    """The answers to one question for two machines or sweeps, side by side."""
    question = draw_question(dataset, selection.hardware)
    left, right = st.columns(2)
    first = answer(selection, Ask(**question), _name(dataset, selection, question))
    with left:
        _draw_stacked(first)
    if rival.hardware is not selection.hardware:
        named = dict.fromkeys(("chip", "bandwidth_bytes_s", "platform", "ram_bytes"))
        question = {**question, **named, "hardware": rival.hardware.name}
    with right:
        try:
            second = answer(rival, Ask(**question), title)
        except InputError as error:
            st.warning(plain(f"{title}: {error}"))
            return [first]
        _draw_stacked(second)
    return [first, second]


def _draw_stacked(side: PickAnswer) -> None:
    """The same of one of two, in a column."""
    with st.container(border=True):
        _draw_model_note(side)
        draw_pick(side)
    draw_choices(side)


def _draw_without_answer(selection: Selection, error: InputError, place: DeltaGenerator) -> None:
    """Why there is no answer, and what was measured."""
    from grid.app.pick.table import measured_table

    with place:
        st.error(plain(capitalised(str(error))))
        st.subheader("What was measured", anchor=False)
        show_table(measured_table(selection.variants), "pick_measured")


def _draw_model_note(side: PickAnswer) -> None:
    if side.chosen_model:
        note(
            f"{capitalised(NOTHING_COMPARES)}. This is the pick of "
            f"{plain(side.chosen_model)}; choose another under Models."
        )


def _name(dataset: Dataset, selection: Selection, question: Fields) -> str:
    if selection.sweep:
        labels = sweep_labels(dataset, selection.hardware.name)
        return f"sweep {labels.get(selection.sweep, selection.sweep)}"
    return short_machine_name(str(question.get("hardware") or question.get("chip") or "the budget"))


def _draw_charts(answers: Sequence[PickAnswer], place: DeltaGenerator) -> None:
    from grid.app.pick.chart import draw_chart, draw_charts_beside

    with place:
        if len(answers) == 1:
            draw_chart(answers[0])
        else:
            draw_charts_beside(answers)


def _draw_tables(answers: Sequence[PickAnswer], place: DeltaGenerator) -> None:
    from grid.app.pick.table import draw_table

    for i, side in enumerate(answers):
        with place:
            title = f" on {side.title}" if side.title else ""
            st.subheader(plain(f"All that could run{title}"), anchor=False)
            draw_table(side.advice, "pick_candidates" if not i else f"pick_candidates_{i}")


def _draw_folds(answers: Sequence[PickAnswer], dataset: Dataset) -> None:
    for i, side in enumerate(answers):
        title = f" on {side.title}" if side.title else ""
        name = plain(f"Why this one{title}")
        with st.expander(name, on_change="rerun", key=f"why{i or ''}") as box:
            draw_reasons(side.advice, str(i or ""), is_open=bool(box.open))
    with st.expander(
        "Which hardware runs a model?", key="hardware_for_a_model", bind="query-params"
    ) as box:
        if box.open:
            draw_hardware(dataset)
