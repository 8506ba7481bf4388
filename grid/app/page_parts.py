"""Parts that pages share: heading, answer, table, notes, and the viewer's colours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from grid.analysis import Variant
from grid.app import colours
from grid.app.charts.theme import STYLE as CHART_STYLE
from grid.app.charts.theme import Look
from grid.models.display_names import visible

if TYPE_CHECKING:
    import pandas as pd

LONG = 100
"""Rows that a table shows at first."""

CHART = {"displayModeBar": False, "scrollZoom": False, "responsive": True}
"""How Plotly behaves in the page: a chart never takes the page's scrolling."""

_MARKS = re.compile(r"([\\\\`*_{}\[\]()#+\-.!$~|<>:&])")
"""What Markdown would take for more than a letter."""

STYLE = """
<style>
  [data-testid="stMainBlockContainer"] { padding: 4rem 2.2rem 2rem; max-width: 100rem; }
  [data-testid="stMainBlockContainer"] h1 {
    font-size: 1.6rem; line-height: 1.3; padding: 0; overflow-wrap: anywhere;
  }
  [data-testid="stHeading"] :is(h2, h3) { font-size: 1.25rem; padding: 0.4rem 0 0; }
  [data-testid="stLayoutWrapper"]:has(> .st-key-tools) { position: absolute; }
  .st-key-tools {
    position: fixed; top: 0.6rem; right: 1.2rem; width: auto; z-index: 1000000; gap: 0.5rem;
    flex-wrap: nowrap;
  }
  .st-key-tools button { min-height: 2.2rem; }
  .fact { line-height: 1.4; padding-bottom: 0.55rem; overflow-wrap: anywhere; }
  .fact span { display: block; font-size: 0.875rem; padding-bottom: 0.45rem; }
  @media (max-width: 950px) {
    .st-key-tools button p {
      position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
    }
  }
  @media (max-width: 640px) {
    [data-testid="stMainBlockContainer"] { padding: 4rem 0.9rem 2rem; }
    [data-testid="stMainBlockContainer"] h1 { font-size: 1.3rem; }
    :is(.st-key-bar, .st-key-limits) [data-testid="stColumn"] {
      min-width: calc(50% - 0.5rem); flex: 1 1 40%;
    }
  }
</style>
"""


def plain(text: str) -> str:
    """A name or sentence of a stranger's as Markdown that shows its letters and does no more."""
    return _MARKS.sub(r"\\\1", visible(text))


def heading(text: str) -> None:
    """Write the page's title, its h1."""
    st.title(plain(text), anchor=False)


def show_fact(label: str, text: str) -> None:
    """Write a value under its label, where a box would have nothing to choose from."""
    st.html(f'<div class="fact"><span>{escape(label)}</span>{escape(visible(text))}</div>')


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
    frame = frame.map(lambda cell: visible(cell) if isinstance(cell, str) else cell)
    with st.container(key=key):
        st.dataframe(frame, hide_index=True)


def warn_third_party(variants: Iterable[Variant]) -> None:
    """Warn where figures are not quantgrid's."""
    sources = sorted({(v.origin, v.licence) for v in variants if v.origin})
    if sources:
        named = "; ".join(
            f"{origin}, licence {licence or 'not stated'}" for origin, licence in sources
        )
        text = f"Third-party figures: {named}. quantgrid did not measure them."
        st.warning(plain(text))


def current_look() -> Look:
    """Colours for the viewer's theme."""
    return Look(dark=st.context.theme.type == "dark")


def apply_style() -> None:
    """Margins that leave room for charts on a phone."""
    st.html(f"{STYLE}<style>{CHART_STYLE}{colours.style(current_look().dark)}</style>")
