"""What sets the limit of the rate: the memory's bandwidth, and the precision of the KV cache."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from grid.analysis import Variant
from grid.analysis.figures import interval_in_words, share
from grid.analysis.speeds import SpeedRow
from grid.app.charts.dots import Dot, dots_figure
from grid.app.charts.labels import inert
from grid.app.marks import pick_on
from grid.app.page_parts import CHART, current_look
from grid.app.sections.rates import depth_text, first_names
from grid.app.top_bar import Selection
from grid.units import format_bytes


def draw_bandwidth(rows: Sequence[SpeedRow], selection: Selection) -> None:
    """Decode reads every weight once a token, so the memory's bandwidth is its ceiling. Nothing
    where no rate was measured."""
    if not rows:
        return
    measured = [row for row in rows if row.utilisation is not None]
    if not measured:
        st.caption(why_no_ceiling(selection.variants))
        return
    st.subheader("Share of the memory's bandwidth", anchor=False)
    bandwidth = next((v.bandwidth_bytes_s for v in selection.variants if v.bandwidth_bytes_s), None)
    if bandwidth:
        st.caption(
            f"Bytes read per token times decode rate, over the {bandwidth / 1e9:.1f} GB/s that the "
            "machine's memory gave."
        )
    dots = [_share_dot(row, selection) for row in measured]
    st.plotly_chart(
        dots_figure(
            first_names(dots), "% of the memory's bandwidth", current_look(), {100.0: "ceiling"},
            log=False, pick=pick_on(selection),
        ),
        key="speed_ceiling",
        config=CHART,
        alt="Share of the memory's bandwidth that decoding uses, by variant.",
    )  # fmt: skip


def _share_dot(row: SpeedRow, selection: Selection) -> Dot:
    name = selection.labels.full(row.variant)
    return Dot(
        name, 100 * (row.utilisation or 0.0), series=depth_text(row),
        hover=f"<b>{inert(name)}</b><br>{share(row.utilisation)} of the bandwidth",
        id=row.variant.id,
    )  # fmt: skip


def why_no_ceiling(variants: Sequence[Variant]) -> str:
    """Why no share of the bandwidth can be given."""
    if not any(v.device_kind.startswith("cpu") for v in variants):
        return "The bandwidth that machines measure is that of the CPU's memory, not of a card's."
    bandwidth = [v.bandwidth_bytes_s for v in variants if v.bandwidth_bytes_s]
    caches = [v.llc_bytes for v in variants if v.llc_bytes]
    if not bandwidth or not caches:
        return "The rows do not say the memory's bandwidth and the size of the last-level cache."
    most = max(variant.artifact_bytes for variant in variants)
    return (
        f"The largest weights here, {format_bytes(most)}, are less than four times the last-level "
        f"cache of {format_bytes(max(caches))}: they decode at the cache's speed, so a share of "
        f"the memory's {max(bandwidth) / 1e9:.1f} GB/s would mean nothing."
    )


def draw_kv_precision(rows: Sequence[SpeedRow], selection: Selection) -> None:
    """Speed by the precision of the KV cache; nothing where only one was measured."""
    decode = [row for row in rows if row.kind == "decode"]
    if len({row.kv_type for row in decode}) < 2:
        return
    st.subheader("Precision of the KV cache", anchor=False)
    dots = [
        Dot(
            f"{row.variant.label} @ {row.depth}", row.rate.value, row.rate.low, row.rate.high,
            series=row.kv_type, id=row.variant.id,
            hover=f"<b>{inert(selection.labels.full(row.variant))}</b><br>"
            f"{interval_in_words(row.rate)} token/s",
        )
        for row in decode
    ]  # fmt: skip
    st.plotly_chart(
        dots_figure(
            first_names(dots), "decode rate, token/s", current_look(), pick=pick_on(selection)
        ),
        key="speed_kv",
        config=CHART,
        alt="Decode rate by variant, depth of context and type of the KV cache.",
    )
