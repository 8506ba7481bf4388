"""Bang per bit: quality per GiB, speed against quality by size, and duels at equal size."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import streamlit as st

from grid.analysis import Posterior, Variant
from grid.analysis.duels import Bang, Duel, bang, duels
from grid.app.charts.bubbles import bubble_figure
from grid.app.charts.dots import Dot, dots_figure
from grid.app.charts.labels import Labels
from grid.app.charts.quantities import series_by, short
from grid.app.page_parts import CHART, answer, current_look, heading, note, show_table
from grid.app.pages import Page
from grid.app.sidebar import Selection, select_variants
from grid.units import format_bytes

PAGE = Page("Bang per bit", path="bang", rank=20)

MOST_ROWS = 20
"""Variants in the chart; the table has all."""


def draw() -> None:
    heading("Which gives the most quality for its size?")
    view = select_variants()
    if view is None:
        return
    rows = bang(view.posterior)
    if not rows:
        note(
            f"No quality was measured on {view.hardware.name}: tasks give it (`grid sweep` with "
            "`tasks` among its measures)."
        )
        return
    answer(sentence(rows, view.labels, view.hardware.name))
    _per_gib(rows, view.labels)
    _bubbles(view)
    _duels(view)


def sentence(rows: Sequence[Bang], labels: Labels, where: str) -> str:
    """The highest ratio and the highest quality, in words."""
    first = rows[0]
    best = max(rows, key=lambda row: (_quality(row.variant), -row.variant.artifact_bytes))
    text = (
        f"On {where}, {labels.full(first.variant)} has the most quality per GiB: "
        f"{_ratio(first)} per GiB."
    )
    if best is first:
        return f"{text} It is the most capable as well."
    return (
        f"{text} The most capable, {labels.full(best.variant)}, has "
        f"{best.variant.artifact_bytes / first.variant.artifact_bytes:.1f} times its size and "
        f"quality {_quality(best.variant):.2f} instead of {_quality(first.variant):.2f}."
    )


def _quality(variant: Variant) -> float:
    return variant.capability.value if variant.capability else 0.0


def _ratio(row: Bang) -> str:
    found = row.per_gib
    if found.low is None:
        return short(found.value)
    return f"{short(found.value)} ({short(found.low)} to {short(found.high)})"


def _per_gib(rows: Sequence[Bang], labels: Labels) -> None:
    st.subheader("Quality per GiB", anchor=False)
    st.caption("Capability / GiB of weights, with 95 % intervals. The ratio favours small files.")
    first = rows[:MOST_ROWS]
    series = series_by(row.variant for row in first)
    dots = [
        Dot(
            labels.full(row.variant), row.per_gib.value, row.per_gib.low, row.per_gib.high,
            series=series(row.variant),
            hover=f"<b>{labels.full(row.variant)}</b><br>{_ratio(row)} per GiB<br>"
            f"quality {_quality(row.variant):.3f}, {format_bytes(row.variant.artifact_bytes)}",
        )
        for row in first
    ]  # fmt: skip
    drawn = dots_figure(dots, "capability per GiB of weights", current_look())
    st.plotly_chart(drawn, key="bang_chart", config=CHART)
    if len(rows) > MOST_ROWS:
        st.caption(f"The first {MOST_ROWS} of {len(rows)}; the table has all.")
    with st.expander("As a table"):
        frame = {
            "variant": [labels.full(row.variant) for row in rows],
            "quality per GiB": [_ratio(row) for row in rows],
            "quality": [f"{_quality(row.variant):.3f}" for row in rows],
            "size": [format_bytes(row.variant.artifact_bytes) for row in rows],
        }
        show_table(frame, "bang_table")


def _bubbles(view: Selection) -> None:
    st.subheader("Speed, quality and size at once", anchor=False)
    both = [v for v in view.measured if v.decode_tps is not None]
    if not both:
        note("No variant has both a decode rate and a quality.")
        return
    st.caption("Further right is faster, higher is better; the area is the size of the file.")
    drawn = bubble_figure(both, view.labels, current_look())
    st.plotly_chart(drawn, key="bang_bubbles", config=CHART)


def _duels(view: Selection) -> None:
    st.subheader("Same size, different ways", anchor=False)
    tolerance = st.select_slider(
        "Sizes may differ by", [0.02, 0.05, 0.1, 0.15, 0.2], 0.1, key="bang_tolerance",
        format_func=lambda share: f"{share:.0%}".replace("%", " %"), persist_state="session",
    )  # fmt: skip
    shown = {variant.id for variant in view.variants}
    everything = _found(view.whole_key, tolerance, view.whole_posterior)
    found = [duel for duel in everything if {duel.left.id, duel.right.id} <= shown]
    if not found:
        note("No two variants of different models or kinds of quantization are that alike.")
        return
    answer(duels_sentence(found, tolerance))
    st.caption(
        "Difference of quality with its 95 % interval over joint draws; p of the paired test on "
        "the items both were asked, corrected for all duels of the hardware class (Holm)."
    )
    show_table(duels_table(found, view.labels), "bang_duels")


@st.cache_resource(max_entries=8, show_spinner="Comparing pairs")
def _found(key: Hashable, tolerance: float, _belief: Posterior) -> list[Duel]:
    return duels(_belief, tolerance)


def duels_sentence(found: Sequence[Duel], tolerance: float) -> str:
    """How many duels have a winner, and whether more weights or more bits win."""
    decided = [duel for duel in found if duel.winner is not None]
    within = f"{tolerance:.0%}".replace("%", " %")
    pairs = "1 pair is" if len(found) == 1 else f"{len(found)} pairs are"
    text = f"{pairs} of equal size within {within}; with a winner: {len(decided)}."
    models = [d for d in decided if d.left.model != d.right.model]
    larger = sum(d.verdict == "right" for d in models)
    if models:
        text += (
            f" Of the {len(models)} between two models, the one with more parameters at fewer bits "
            f"wins {larger}, the smaller at more bits {len(models) - larger}."
        )
    return text


def duels_table(found: Sequence[Duel], labels: Labels) -> dict[str, list[str]]:
    """One row a duel."""
    return {
        "smaller model": [labels.full(duel.left) for duel in found],
        "larger model": [labels.full(duel.right) for duel in found],
        "sizes": [
            f"{format_bytes(d.left.artifact_bytes)} / {format_bytes(d.right.artifact_bytes)}"
            for d in found
        ],
        "winner": [labels.full(d.winner) if d.winner else "tie" for d in found],
        "difference": [_difference(duel) for duel in found],
        "p (Holm)": ["-" if duel.p_holm is None else _chance(duel.p_holm) for duel in found],
        "items": [str(duel.n) for duel in found],
        "test": [duel.test for duel in found],
    }


def _difference(duel: Duel) -> str:
    found = duel.difference
    if found.low is None or found.high is None:
        return f"{found.value:+.3f}"
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def _chance(p_value: float) -> str:
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"
