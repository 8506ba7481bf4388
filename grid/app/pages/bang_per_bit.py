"""Bang per bit: quality per GiB, speed against quality by size, and duels at equal size."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import streamlit as st

from grid.analysis import Posterior, Variant
from grid.analysis.duels import Bang, Duel, bang, duels
from grid.analysis.figures import interval_in_words, p_value, score, share, signed
from grid.app.charts.bubbles import bubble_figure
from grid.app.charts.dots import Dot, dots_figure
from grid.app.charts.labels import Labels
from grid.app.charts.quantities import series_by
from grid.app.page_parts import CHART, answer, current_look, heading, note, show_table
from grid.app.sidebar import Selection, select_variants
from grid.units import format_bytes

MOST_ROWS = 20
"""Variants in the chart; the table has all."""


def draw() -> None:
    heading("Which gives the most quality for its size?")
    selection = select_variants()
    if selection is None:
        return
    rows = bang(selection.posterior)
    if not rows:
        note(
            f"No quality was measured on {selection.hardware.name}: tasks give it (`grid sweep` "
            "with `tasks` among its measures)."
        )
        return
    answer(sentence(rows, selection.labels, selection.hardware.name))
    _show_per_gib(rows, selection.labels)
    _show_bubbles(selection)
    _show_duels(selection)


def sentence(rows: Sequence[Bang], labels: Labels, where: str) -> str:
    """The highest ratio and the highest quality, in words."""
    first = rows[0]
    best = max(rows, key=lambda row: (_quality(row.variant), -row.variant.artifact_bytes))
    text = (
        f"On {where}, {labels.full(first.variant)} has the most quality per GiB: "
        f"{interval_in_words(first.per_gib)} per GiB."
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


def _show_per_gib(rows: Sequence[Bang], labels: Labels) -> None:
    st.subheader("Quality per GiB", anchor=False)
    st.caption("Capability / GiB of weights, with 95 % intervals. The ratio favours small files.")
    first = rows[:MOST_ROWS]
    series = series_by(row.variant for row in first)
    dots = [
        Dot(
            labels.full(row.variant), row.per_gib.value, row.per_gib.low, row.per_gib.high,
            series=series(row.variant), hover=_hover(row, labels),
        )
        for row in first
    ]  # fmt: skip
    chart = dots_figure(dots, "capability per GiB of weights", current_look())
    st.plotly_chart(chart, key="bang_chart", config=CHART)
    if len(rows) > MOST_ROWS:
        st.caption(f"The first {MOST_ROWS} of {len(rows)}; the table has all.")
    with st.expander("As a table"):
        frame = {
            "variant": [labels.full(row.variant) for row in rows],
            "quality per GiB": [interval_in_words(row.per_gib) for row in rows],
            "quality": [score(_quality(row.variant)) for row in rows],
            "size": [format_bytes(row.variant.artifact_bytes) for row in rows],
        }
        show_table(frame, "bang_table")


def _hover(row: Bang, labels: Labels) -> str:
    return (
        f"<b>{labels.full(row.variant)}</b><br>{interval_in_words(row.per_gib)} per GiB<br>"
        f"quality {score(_quality(row.variant))}, {format_bytes(row.variant.artifact_bytes)}"
    )


def _show_bubbles(selection: Selection) -> None:
    st.subheader("Speed, quality and size at once", anchor=False)
    variants = [v for v in selection.measured if v.decode_tps is not None]
    if not variants:
        note("No variant has both a decode rate and a quality.")
        return
    st.caption("Further right is faster, higher is better; the area is the size of the file.")
    chart = bubble_figure(variants, selection.labels, current_look())
    st.plotly_chart(chart, key="bang_bubbles", config=CHART)


def _show_duels(selection: Selection) -> None:
    st.subheader("Same size, different ways", anchor=False)
    tolerance = st.select_slider(
        "Sizes may differ by", [0.02, 0.05, 0.1, 0.15, 0.2], 0.1, key="bang_tolerance",
        format_func=share, persist_state="session",
    )  # fmt: skip
    shown = {variant.id for variant in selection.variants}
    everything = _all_duels(selection.whole_key, tolerance, selection.whole_posterior)
    passing = [duel for duel in everything if {duel.left.id, duel.right.id} <= shown]
    if not passing:
        note("No two variants of different models or kinds of quantization are that alike.")
        return
    answer(duels_sentence(passing, tolerance))
    st.caption(
        "Difference of quality with its 95 % interval over joint draws; p of the paired test on "
        "the items both were asked, corrected for all duels of the hardware class (Holm)."
    )
    show_table(duels_table(passing, selection.labels), "bang_duels")


@st.cache_resource(max_entries=8, show_spinner="Comparing pairs")
def _all_duels(key: Hashable, tolerance: float, _posterior: Posterior) -> list[Duel]:
    return duels(_posterior, tolerance)


def duels_sentence(contests: Sequence[Duel], tolerance: float) -> str:
    """How many duels have a winner, and whether more weights or more bits win."""
    decided = [duel for duel in contests if duel.winner is not None]
    pairs = "1 pair is" if len(contests) == 1 else f"{len(contests)} pairs are"
    text = f"{pairs} of equal size within {share(tolerance)}; with a winner: {len(decided)}."
    models = [d for d in decided if d.left.model != d.right.model]
    larger = sum(d.verdict == "right" for d in models)
    if models:
        text += (
            f" Of the {len(models)} between two models, the one with more parameters at fewer bits "
            f"wins {larger}, the smaller at more bits {len(models) - larger}."
        )
    return text


def duels_table(contests: Sequence[Duel], labels: Labels) -> dict[str, list[str]]:
    """One row a duel."""
    return {
        "smaller model": [labels.full(duel.left) for duel in contests],
        "larger model": [labels.full(duel.right) for duel in contests],
        "sizes": [
            f"{format_bytes(d.left.artifact_bytes)} / {format_bytes(d.right.artifact_bytes)}"
            for d in contests
        ],
        "winner": [labels.full(d.winner) if d.winner else "tie" for d in contests],
        "difference": [interval_in_words(duel.difference, signed) for duel in contests],
        "p (Holm)": [p_value(duel.p_holm) for duel in contests],
        "items": [str(duel.n) for duel in contests],
        "test": [duel.test for duel in contests],
    }
