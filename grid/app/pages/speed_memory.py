"""Speed and memory: rates by depth, time to the first token, and what fits."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import streamlit as st

from grid.analysis import Variant
from grid.analysis.speeds import LatencyRow, SpeedRow, latencies, speeds
from grid.app.page_parts import heading
from grid.app.sections.bandwidth import draw_bandwidth, draw_kv_precision
from grid.app.sections.first_token import draw_first_token
from grid.app.sections.fit import draw_fit
from grid.app.sections.rates import draw_rates
from grid.app.top_bar import select_variants


def draw() -> None:
    heading("Speed and memory")
    selection = select_variants()
    if selection is None:
        return
    ids = {variant.id for variant in selection.variants}
    rates, latency = _rates_and_latencies(selection.whole_key, selection.whole)
    rows = [row for row in rates if row.variant.id in ids]
    waits = [row for row in latency if row.variant.id in ids]
    draw_rates(rows, selection)
    draw_first_token(waits, selection)
    draw_fit(selection)
    draw_bandwidth(rows, selection)
    draw_kv_precision(rows, selection)


@st.cache_resource(max_entries=8, show_spinner=False)
def _rates_and_latencies(
    key: Hashable, _whole: Sequence[Variant]
) -> tuple[list[SpeedRow], list[LatencyRow]]:
    return speeds(_whole), latencies(_whole)
