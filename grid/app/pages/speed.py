"""Speed: rates by depth of context, time to the first token, and the memory's ceiling."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import streamlit as st

from grid.analysis import Variant
from grid.analysis.figures import ABSENT, interval_in_words, number, share
from grid.analysis.speeds import LatencyRow, SpeedRow, latencies, speeds
from grid.app.charts.dots import Dot, dots_figure
from grid.app.charts.labels import Labels
from grid.app.charts.speed import latency_figure
from grid.app.page_parts import CHART, answer, current_look, heading, note, show_table
from grid.app.sidebar import select_variants
from grid.results.statistics import Interval
from grid.units import format_bytes, format_seconds

KINDS = {"decode": "Decode", "prefill": "Prefill"}
UNITS = {"rate": "token/s", "relative": "relative to 16 bits"}
MOST_ROWS = 20
"""Variants in a chart; tables have all."""


def draw() -> None:
    heading("How fast is it, and what sets the limit?")
    selection = select_variants()
    if selection is None:
        return
    mine = selection.variants
    ids = {variant.id for variant in mine}
    rates, latency = _rates_and_waits(selection.whole_key, selection.whole_posterior.variants)
    rows = [row for row in rates if row.variant.id in ids]
    waits = [row for row in latency if row.variant.id in ids]
    if not rows and not waits:
        note(f"No speed was measured of these on {selection.hardware.name}.")
        return
    answer(sentence(rows, selection.labels, selection.hardware.name))
    _show_rates(rows, selection.labels)
    _show_ceiling(rows, mine, selection.labels)
    _show_kv_precision(rows, selection.labels)
    _show_first_token(waits, selection.labels)


@st.cache_resource(max_entries=8, show_spinner=False)
def _rates_and_waits(
    key: Hashable, _whole: Sequence[Variant]
) -> tuple[list[SpeedRow], list[LatencyRow]]:
    return speeds(_whole), latencies(_whole)


def sentence(rows: Sequence[SpeedRow], labels: Labels, where: str) -> str:
    """The fastest in decode, what it gains over 16 bits, and what depth costs it."""
    start = [row for row in rows if row.kind == "decode" and row.depth == 0]
    if not start:
        return f"On {where}, no decode rate from an empty context was measured."
    first = max(start, key=lambda row: row.rate.value)
    fastest = interval_in_words(first.rate)
    text = f"On {where}, {labels.full(first.variant)} decodes fastest: {fastest} token/s"
    if first.relative is not None and not first.variant.sixteen_bit:
        text += f", {interval_in_words(first.relative)} times its 16 bits"
    deep = [r for r in rows if r.kind == "decode" and r.variant is first.variant and r.depth]
    if deep:
        last = max(deep, key=lambda row: row.depth)
        text += (
            f"; after {last.depth:,} tokens of context {share(last.rate.value / first.rate.value)} "
            "of that is left"
        )
    return text + "."


def _show_rates(rows: Sequence[SpeedRow], labels: Labels) -> None:
    left, right = st.columns(2)
    with left:
        kind = st.segmented_control(
            "What", list(KINDS), default="decode", required=True, format_func=KINDS.__getitem__,
            key="speed_kind", persist_state="session",
        )  # fmt: skip
    with right:
        unit = st.segmented_control(
            "In", list(UNITS), default="rate", required=True, format_func=UNITS.__getitem__,
            key="speed_unit", persist_state="session",
        )  # fmt: skip
    shown = [row for row in rows if row.kind == kind]
    dots = [_dot(row, labels, unit == "relative") for row in shown]
    drawn_dots = _first_names([dot for dot in dots if dot is not None])
    if not drawn_dots:
        why = "16 bits of the same model were not measured" if shown else "it was not measured"
        note(f"Nothing to draw of {kind}: {why}.")
        return
    title = f"{kind} rate, {UNITS['rate']}" if unit == "rate" else f"{kind} rate / rate of 16 bits"
    line = {1.0: "16 bits"} if unit == "relative" else None
    st.plotly_chart(
        dots_figure(drawn_dots, title, current_look(), line),
        key=f"speed_{kind}_{unit}",
        config=CHART,
    )
    variants = len({row.variant.id for row in shown})
    if variants > MOST_ROWS:
        st.caption(
            f"The first {MOST_ROWS} of {variants} variants: the filters choose others, and "
            "the table has all."
        )
    drifting = sorted({labels.full(row.variant) for row in shown if row.drifts})
    if drifting:
        st.caption(f"Repetitions have a trend (heat, or other programs): {', '.join(drifting)}.")
    with st.expander("As a table"):
        show_table(rate_table(shown, labels), "speed_table")


def _dot(row: SpeedRow, labels: Labels, relative: bool) -> Dot | None:
    interval = row.relative if relative else row.rate
    if interval is None:
        return None
    unit = "times 16 bits" if relative else "token/s"
    text = (
        f"<b>{labels.full(row.variant)}</b><br>{interval_in_words(interval)} {unit}<br>"
        f"{row.tokens} tokens after {row.depth} of context"
    )
    series = f"{row.depth:,} tokens of context" if row.depth else "empty context"
    return Dot(labels.full(row.variant), interval.value, interval.low, interval.high, series, text)


def _first_names(dots: Sequence[Dot]) -> list[Dot]:
    """Those of the first `MOST_ROWS` names."""
    names = list(dict.fromkeys(dot.name for dot in dots))[:MOST_ROWS]
    return [dot for dot in dots if dot.name in names]


def rate_table(rows: Sequence[SpeedRow], labels: Labels) -> dict[str, list[str]]:
    """One row a rate."""
    return {
        "variant": [labels.full(row.variant) for row in rows],
        "context": [f"{row.depth:,}" for row in rows],
        "tokens": [str(row.tokens) for row in rows],
        "token/s": [interval_in_words(row.rate) for row in rows],
        "of 16 bits": [interval_in_words(r.relative) for r in rows],
        "of bandwidth": [share(row.utilisation) for row in rows],
        "KV cache": [row.kv_type for row in rows],
        "drifts": [ABSENT if row.drifts is None else "yes" if row.drifts else "no" for row in rows],
    }


def _show_ceiling(rows: Sequence[SpeedRow], variants: Sequence[Variant], labels: Labels) -> None:
    """Decode reads every weight once a token, so the memory's bandwidth is its ceiling."""
    st.subheader("How near to the memory's ceiling", anchor=False)
    measured = [row for row in rows if row.utilisation is not None]
    if not measured:
        note(why_no_ceiling(variants))
        return
    bandwidth = next((v.bandwidth_bytes_s for v in variants if v.bandwidth_bytes_s), None)
    if bandwidth:
        st.caption(
            f"Bytes read per token times decode rate, over the {bandwidth / 1e9:.1f} GB/s that the "
            "node's memory gave."
        )
    dots = [
        Dot(
            labels.full(row.variant), 100 * (row.utilisation or 0.0),
            series=f"{row.depth:,} tokens of context" if row.depth else "empty context",
            hover=f"<b>{labels.full(row.variant)}</b><br>{share(row.utilisation)} of the bandwidth",
        )
        for row in measured
    ]  # fmt: skip
    chart = dots_figure(
        _first_names(dots),
        "% of the memory's bandwidth",
        current_look(),
        {100.0: "ceiling"},
        log=False,
    )
    st.plotly_chart(chart, key="speed_ceiling", config=CHART)


def why_no_ceiling(variants: Sequence[Variant]) -> str:
    """Why no share of the bandwidth can be given."""
    if not any(v.device_kind.startswith("cpu") for v in variants):
        return "The bandwidth that nodes measure is that of the CPU's memory, not of accelerators."
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


def _show_kv_precision(rows: Sequence[SpeedRow], labels: Labels) -> None:
    """Speed by the precision of the KV cache, where several were measured."""
    st.subheader("Precision of the KV cache", anchor=False)
    decode = [row for row in rows if row.kind == "decode"]
    types = sorted({row.kv_type for row in decode})
    if len(types) < 2:
        how = f"with a KV cache of type {types[0]}" if types else "without a decode rate"
        note(
            f"All were measured {how}. Another type is an engine option of the sweep file, such "
            "as kv_type_k and kv_type_v."
        )
        return
    dots = [
        Dot(
            f"{row.variant.label} @ {row.depth}", row.rate.value, row.rate.low, row.rate.high,
            series=row.kv_type,
            hover=f"<b>{labels.full(row.variant)}</b><br>{interval_in_words(row.rate)} token/s",
        )
        for row in decode
    ]  # fmt: skip
    chart = dots_figure(_first_names(dots), "decode rate, token/s", current_look())
    st.plotly_chart(chart, key="speed_kv", config=CHART)


def _show_first_token(rows: Sequence[LatencyRow], labels: Labels) -> None:
    st.subheader("Time to the first token", anchor=False)
    if not rows:
        note("No latency was measured of these.")
        return
    prompts = sorted({row.prompt for row in rows if row.prompt})
    if len(prompts) > 1:
        prompt = st.selectbox("Prompt, tokens", prompts, key="speed_prompt")
        rows = [row for row in rows if row.prompt == prompt]
    st.caption(
        "From request to first token, after a prompt of "
        f"{rows[0].prompt or 'unknown'} tokens, with 95 % intervals of the median."
    )
    st.plotly_chart(latency_figure(rows, labels, current_look()), key="speed_ttft", config=CHART)
    with st.expander("As a table"):
        frame = {
            "variant": [labels.full(row.variant) for row in rows],
            "size": [format_bytes(row.bytes) for row in rows],
            "first token": [_seconds(row.ttft_s) for row in rows],
            "per token after": [_seconds(row.tpot_s) for row in rows],
            "of 16 bits": [number(None if r.relative is None else r.relative.value) for r in rows],
        }
        show_table(frame, "speed_waits")


def _seconds(figure: Interval | None) -> str:
    """An interval in milliseconds; a value from 1 s up without one as a duration."""
    if figure is not None and figure.value >= 1 and None in (figure.low, figure.high):
        return format_seconds(figure.value)
    return interval_in_words(figure, lambda seconds: number(1e3 * seconds), " ms")
