"""The page Pick without rows: what public figures say of a memory or a chip."""

from __future__ import annotations

import streamlit as st

from grid.advice import Ask
from grid.advice.ask import CONTEXT
from grid.advice.public_figures import PublicAnswer, public_answer
from grid.advice.public_figures.sentences import answer_rows, headline, offers_table
from grid.app import address
from grid.app.page_parts import plain, show_table
from grid.app.pick.limits import budgets, choose_context, read_memory
from grid.errors import InputError
from grid.hardware.chips import chips
from grid.models.display_names import capitalised

NO_CHIP = "a card, a Mac or a CPU"
USUAL_MEMORY = "24 GiB"


def draw_public_answer() -> None:
    """Ask for a machine, and show the answer or why there is none."""
    st.subheader("Until then: public figures", anchor=False)
    left, middle, right = st.columns(3)
    with left:
        chip = address.select("Machine", [NO_CHIP, *chips()], "chip")
    with middle:
        memory = address.select_or_type(
            "Memory", budgets(USUAL_MEMORY), "memory", read_memory,
            help="Of a chip that comes with several.",
        )  # fmt: skip
    with right:
        context = choose_context("context") or CONTEXT
    name = None if chip == NO_CHIP else chip
    own = chips()[name].memory_bytes if name else None
    try:
        answer = public_answer(Ask(memory_bytes=own or memory, context=context, chip=name))
    except InputError as error:
        st.warning(plain(str(error)))
        return
    _show(answer)


def _show(answer: PublicAnswer) -> None:
    text = headline(answer)
    st.markdown(f"**{plain(capitalised(text))}**: {plain(answer.basis)}.")
    if answer.run:
        st.caption("Run it, once the file is there:")
        st.code(answer.run, language="bash")
    columns, rows = offers_table(answer)
    show_table({name: [row[i] for row in rows] for i, name in enumerate(columns)}, "public_offers")
    for name, fact in answer_rows(answer):
        st.text(f"{name}: {fact}")
    for note in answer.notes:
        st.caption(plain(f"Note: {note}"))
