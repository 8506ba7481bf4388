"""KL divergence by the use that a text stands for, and by how sure the 16 bits were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from grid.analysis import Variant
from grid.app.charts.dots import Dot, dots_figure
from grid.app.charts.labels import Labels, inert
from grid.app.page_parts import CHART, current_look, show_table
from grid.app.sections.text_loss import four_digits
from grid.models.display_names import visible
from grid.results.statistics import Interval

BANDS = {
    "kld_top1_below_25": "below 25 %",
    "kld_top1_25_to_50": "25 to 50 %",
    "kld_top1_50_to_90": "50 to 90 %",
    "kld_top1_from_90": "from 90 %",
}
"""Metrics by the probability that the 16 bits gave their likeliest token."""

MOST_ROWS = 20
"""Variants in a chart; the table has all."""


def draw_categories(variants: Sequence[Variant], labels: Labels, pick: str) -> None:
    """Nothing where no text has a category."""
    _draw(
        "By use",
        "Mean KL divergence on texts of each use.",
        {variant.id: variant.kld_by_text for variant in variants},
        variants,
        labels,
        pick,
        "sensitivity_categories",
    )


def draw_bands(variants: Sequence[Variant], labels: Labels, pick: str) -> None:
    """Nothing where the rows do not have it by confidence."""
    figures = {
        variant.id: {
            title: variant.text_metrics[name]
            for name, title in BANDS.items()
            if name in variant.text_metrics
        }
        for variant in variants
    }
    _draw(
        "By confidence",
        "Mean KL divergence over the tokens for which the 16 bits gave their likeliest token so "
        "much. A loss where they were sure changes what is written; elsewhere there was a choice.",
        figures,
        variants,
        labels,
        pick,
        "sensitivity_bands",
    )


def _draw(
    title: str,
    meaning: str,
    figures: Mapping[str, Mapping[str, Interval]],
    variants: Sequence[Variant],
    labels: Labels,
    pick: str,
    key: str,
) -> None:
    measured = [v for v in variants if any(f.value > 0 for f in figures[v.id].values())]
    if not measured:
        return
    st.subheader(title, anchor=False)
    st.caption(meaning)
    dots = [
        _dot(variant, part, figure, labels)
        for variant in measured[:MOST_ROWS]
        for part, figure in figures[variant.id].items()
        if figure.value > 0  # a logarithmic axis has no place for what is not
    ]
    st.plotly_chart(
        dots_figure(dots, "KL divergence from 16 bits, nat", current_look(), log=True, pick=pick),
        key=key,
        config=CHART,
        alt=f"KL divergence of {len(measured)} quants {title.lower()}.",
    )
    parts = dict.fromkeys(part for v in measured for part in figures[v.id])
    with st.expander(f"{title} as a table"):
        frame = {"quant": [visible(labels.short(v)) for v in measured]} | {
            visible(part): [four_digits(figures[v.id].get(part)) for v in measured]
            for part in parts
        }
        show_table(frame, f"{key}_table")


def _dot(variant: Variant, part: str, figure: Interval, labels: Labels) -> Dot:
    return Dot(
        labels.short(variant), figure.value, figure.low, figure.high, series=part, id=variant.id,
        hover=f"<b>{inert(labels.full(variant))}</b><br>{inert(part)}: {four_digits(figure)} nat",
    )  # fmt: skip
