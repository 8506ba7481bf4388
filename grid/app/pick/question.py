"""All boxes of the page Pick as the fields of one Ask."""

from __future__ import annotations

import streamlit as st

from grid.analysis.dataset import Dataset, HardwareClass
from grid.app.pick.limits import Fields, draw_main_limits, draw_other_limits
from grid.app.pick.machines import draw_machine


def draw_question(dataset: Dataset, hardware: HardwareClass) -> Fields:
    """Three limits in a row, and behind two buttons other hardware and the further limits."""
    with st.container(key="limits"):
        columns = st.columns(5, vertical_alignment="bottom")
    with columns[3], st.popover("Other hardware", width="stretch"):
        machine, memories = draw_machine(hardware)
    with columns[4], st.popover("Further limits", width="stretch"):
        limits = draw_other_limits(dataset)
    return {**limits, **machine, **draw_main_limits(memories, columns)}
