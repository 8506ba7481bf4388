"""Parts that pages share: heading, answer, table, notes, and the viewer's colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from grid.analysis import Variant
from grid.app.charts.theme import Look

if TYPE_CHECKING:
    import pandas as pd

LONG = 100
"""Rows that a table shows at first."""

CHART = {"displayModeBar": False, "scrollZoom": False, "responsive": True}
"""How Plotly behaves in the page: a chart never takes the page's scrolling."""

STYLE = """
<style>
  [data-testid="stMainBlockContainer"] { padding-top: 3.2rem; padding-bottom: 2rem; }
  @media (max-width: 640px) {
    [data-testid="stMainBlockContainer"] { padding-left: 0.9rem; padding-right: 0.9rem; }
  }
</style>
"""


def heading(text: str) -> None:
    """Write the page's question as its heading."""
    st.header(text, anchor=False)


def answer(text: str) -> None:
    """Write what the figures say, above the chart."""
    st.markdown(f"**{text}**")


def note(text: str) -> None:
    """Write a plain sentence where there is nothing to draw."""
    st.info(text)


def show_table(rows: Mapping[str, Sequence[object]] | pd.DataFrame, key: str) -> None:
    """Draw a table as wide as the page, its first `LONG` rows until the user asks for all. Its box
    carries the key, as a chart's does."""
    import pandas as pd

    frame = pd.DataFrame(rows)
    if len(frame) > LONG and not st.toggle(f"Show all {len(frame):,} rows", key=f"{key}_all"):
        frame = frame.head(LONG)
    with st.container(key=key):
        st.dataframe(frame, hide_index=True)


def warn_third_party(variants: Iterable[Variant]) -> None:
    """Warn where figures are not quantgrid's."""
    sources = sorted({(v.origin, v.licence) for v in variants if v.origin})
    if sources:
        named = "; ".join(
            f"{origin}, licence {licence or 'not stated'}" for origin, licence in sources
        )
        st.warning(f"Third-party figures: {named}. quantgrid did not measure them.")


def current_look() -> Look:
    """Colours for the viewer's theme."""
    return Look(dark=st.context.theme.type == "dark")


def apply_style() -> None:
    """Margins that leave room for charts on a phone."""
    st.html(STYLE)
