"""The Advise page without rows: what public figures say of a memory or a chip."""

from __future__ import annotations

import streamlit as st

from grid.advice import BUDGETS_GB, Ask
from grid.advice.ask import CONTEXT
from grid.advice.public_figures import PublicAnswer, public_answer
from grid.advice.public_figures.sentences import answer_rows, headline, offers_table
from grid.app.page_parts import show_table
from grid.errors import InputError
from grid.hardware.chips import chips
from grid.units import GIB

NO_CHIP = "a card, a Mac or a CPU"
USUAL_GB = 24


def draw_public_answer() -> None:
    """Ask for a machine, and show the answer or why there is none."""
    st.subheader("Until then: public figures", anchor=False)
    left, middle, right = st.columns(3)
    with left:
        chip = st.selectbox(
            "Machine", [NO_CHIP, *chips()], key="public_chip", persist_state="session"
        )
    with middle:
        memory = st.selectbox(
            "Memory, GB", BUDGETS_GB, index=BUDGETS_GB.index(USUAL_GB), key="public_memory",
            persist_state="session", help="Of a chip that comes with several.",
        )  # fmt: skip
    with right:
        context = st.number_input(
            "Context, tokens", 512, value=CONTEXT, step=512, key="public_context"
        )
    name = None if chip == NO_CHIP else chip
    own = chips()[name].memory_bytes if name else None
    try:
        answer = public_answer(
            Ask(memory_bytes=own or memory * GIB, context=int(context), chip=name)
        )
    except InputError as error:
        st.warning(str(error))
        return
    _show(answer)


def _show(answer: PublicAnswer) -> None:
    text = headline(answer)
    st.markdown(f"**{text[:1].upper()}{text[1:]}**: {answer.basis}.")
    if answer.run:
        st.caption("Run it, once the file is there:")
        st.code(answer.run, language="bash")
    columns, rows = offers_table(answer)
    show_table({name: [row[i] for row in rows] for i, name in enumerate(columns)}, "public_offers")
    for name, fact in answer_rows(answer):
        st.text(f"{name}: {fact}")
    for note in answer.notes:
        st.caption(f"Note: {note}")
