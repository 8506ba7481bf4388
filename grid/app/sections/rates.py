"""Decode and prefill rates by depth of context."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from grid.analysis.figures import ABSENT, interval_in_words, share
from grid.analysis.speeds import SpeedRow
from grid.app import address
from grid.app.charts.dots import Dot, dots_figure
from grid.app.charts.labels import Labels, inert
from grid.app.marks import pick_on
from grid.app.page_parts import CHART, answer, current_look, note, plain, show_table
from grid.app.top_bar import Selection
from grid.models.display_names import visible

KINDS = ("decode", "prefill")
RATE, RELATIVE = "token/s", "relative to 16 bits"
MOST_ROWS = 20
"""Variants in a chart; tables have all."""


def draw_rates(rows: Sequence[SpeedRow], selection: Selection) -> None:
    """The chart with its boxes, and the table."""
    kinds = [kind for kind in KINDS if any(row.kind == kind for row in rows)]
    if not kinds:
        note(plain(f"No speed was measured of these on {selection.hardware.name}."))
        return
    answer(plain(sentence(rows, selection.labels)))
    _show_pick(rows, selection)
    with st.container(horizontal=True):
        kind = address.segments("Rate of", kinds, "rate")
        shown = [row for row in rows if row.kind == kind]
        units = [RATE, RELATIVE] if any(row.relative for row in shown) else [RATE]
        unit = address.segments("Unit", units, "unit")
    _show_chart(shown, kind, unit, selection)
    with st.expander("Rates as a table"):
        show_table(table(shown, selection.labels), "speed_table")


def sentence(rows: Sequence[SpeedRow], labels: Labels) -> str:
    """The fastest in decode, what it gains over 16 bits, and what depth costs it."""
    start = [row for row in rows if row.kind == "decode" and row.depth == 0]
    if not start:
        return "No decode rate from an empty context was measured."
    first = max(start, key=lambda row: row.rate.value)
    text = f"{labels.full(first.variant)} is the fastest: {interval_in_words(first.rate)} token/s"
    if first.relative is not None and not first.variant.sixteen_bit:
        text += f", {interval_in_words(first.relative)} times its 16 bits"
    deep = [r for r in rows if r.kind == "decode" and r.variant is first.variant and r.depth]
    if deep:
        last = max(deep, key=lambda row: row.depth)
        left = share(last.rate.value / first.rate.value)
        text += f". After {last.depth:,} tokens of context {left} of that is left"
    return text + "."


def _show_pick(rows: Sequence[SpeedRow], selection: Selection) -> None:
    name = pick_on(selection)
    own = [r for r in rows if r.kind == "decode" and r.depth == 0 and r.variant.id == name]
    if own:
        label = selection.labels.full(own[0].variant)
        st.markdown(plain(f"The pick, {label}: {interval_in_words(own[0].rate)} token/s."))


def _show_chart(rows: Sequence[SpeedRow], kind: str, unit: str, selection: Selection) -> None:
    labels = selection.labels
    relative = unit == RELATIVE
    dots = [dot for row in rows if (dot := _dot(row, labels, relative)) is not None]
    title = f"{kind} rate / rate of 16 bits" if relative else f"{kind} rate, token/s"
    st.plotly_chart(
        dots_figure(
            first_names(dots),
            title,
            current_look(),
            {1.0: "16 bits"} if relative else None,
            pick=pick_on(selection),
        ),
        key=f"speed_{kind}_{'relative' if relative else 'rate'}",
        config=CHART,
        alt=visible(f"{title}. {sentence(rows, labels)}"),
    )
    variants = len({row.variant.id for row in rows})
    if variants > MOST_ROWS:
        st.caption(f"The first {MOST_ROWS} of {variants} variants; the table has all.")
    drifting = sorted({visible(labels.full(row.variant)) for row in rows if row.drifts})
    if drifting:
        st.caption(
            plain(f"Repetitions have a trend (heat, or other programs): {', '.join(drifting)}.")
        )


def _dot(row: SpeedRow, labels: Labels, relative: bool) -> Dot | None:
    interval = row.relative if relative else row.rate
    if interval is None:
        return None
    unit = "times 16 bits" if relative else "token/s"
    text = (
        f"<b>{inert(labels.full(row.variant))}</b><br>{interval_in_words(interval)} {unit}<br>"
        f"{row.tokens} tokens after {row.depth} of context"
    )
    return Dot(
        labels.full(row.variant), interval.value, interval.low, interval.high,
        depth_text(row), text, row.variant.id,
    )  # fmt: skip


def depth_text(row: SpeedRow) -> str:
    return f"{row.depth:,} tokens of context" if row.depth else "empty context"


def first_names(dots: Sequence[Dot]) -> list[Dot]:
    """Those of the first `MOST_ROWS` names."""
    names = list(dict.fromkeys(dot.name for dot in dots))[:MOST_ROWS]
    return [dot for dot in dots if dot.name in names]


def table(rows: Sequence[SpeedRow], labels: Labels) -> dict[str, list[str]]:
    """One row a rate."""
    return {
        "variant": [visible(labels.full(row.variant)) for row in rows],
        "context": [f"{row.depth:,}" for row in rows],
        "tokens": [str(row.tokens) for row in rows],
        "token/s": [interval_in_words(row.rate) for row in rows],
        "of 16 bits": [interval_in_words(row.relative) for row in rows],
        "of bandwidth": [share(row.utilisation) for row in rows],
        "KV cache": [visible(row.kv_type) for row in rows],
        "drifts": [ABSENT if row.drifts is None else "yes" if row.drifts else "no" for row in rows],
    }
