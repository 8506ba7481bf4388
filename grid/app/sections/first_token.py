"""Time to the first token, by size."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from grid.analysis.figures import interval_in_words, number
from grid.analysis.speeds import LatencyRow
from grid.app import address
from grid.app.charts.labels import Labels
from grid.app.charts.speed import latency_figure
from grid.app.marks import pick_on
from grid.app.page_parts import CHART, current_look, show_table
from grid.app.top_bar import Selection
from grid.models.display_names import visible
from grid.results.statistics import Interval
from grid.units import format_bytes, format_seconds


def draw_first_token(rows: Sequence[LatencyRow], selection: Selection) -> None:
    """Nothing where no latency was measured."""
    if not rows:
        address.without_widget("prompt", ())
        return
    st.subheader("Time to the first token", anchor=False)
    prompts = sorted({row.prompt for row in rows if row.prompt})
    if len(prompts) > 1:
        prompt = address.select("Prompt, tokens", prompts, "prompt", str)
        rows = [row for row in rows if row.prompt == prompt]
    st.caption(
        "From request to first token, after a prompt of "
        f"{rows[0].prompt or 'unknown'} tokens, with 95 % intervals of the median."
    )
    st.plotly_chart(
        latency_figure(rows, selection.labels, current_look(), pick_on(selection)),
        key="speed_ttft",
        config=CHART,
        alt=f"Time to the first token against size, of {len(rows)} variants.",
    )
    with st.expander("Times to the first token as a table"):
        show_table(table(rows, selection.labels), "speed_waits")


def table(rows: Sequence[LatencyRow], labels: Labels) -> dict[str, list[str]]:
    """One row a variant."""
    return {
        "variant": [visible(labels.full(row.variant)) for row in rows],
        "size": [format_bytes(row.bytes) for row in rows],
        "first token": [_seconds(row.ttft_s) for row in rows],
        "per token after": [_seconds(row.tpot_s) for row in rows],
        "of 16 bits": [number(None if r.relative is None else r.relative.value) for r in rows],
    }


def _seconds(figure: Interval | None) -> str:
    """An interval in milliseconds; a value from 1 s up without one as a duration."""
    if figure is not None and figure.value >= 1 and None in (figure.low, figure.high):
        return format_seconds(figure.value)
    return interval_in_words(figure, lambda seconds: number(1e3 * seconds), " ms")
