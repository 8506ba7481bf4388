"""How far quants are from the 16 bits on running text."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from grid.analysis.figures import ABSENT, interval_in_words, number, percent
from grid.analysis.sensitivity import TextRow
from grid.app import address
from grid.app.charts.dots import Dot, dots_figure
from grid.app.charts.labels import Labels, inert
from grid.app.charts.sensitivity import difference_figure, divergence_figure
from grid.app.page_parts import CHART, current_look, plain, show_table
from grid.models.display_names import visible
from grid.results.statistics import Interval

KLD, TOKEN, PERPLEXITY = "KL divergence", "probability of the true token", "perplexity ratio"
TEXT_COLUMNS = ("mean", "median", "p90", "p99", "p999", "max")
DP_COLUMNS = ("mean", "rms", "p01", "p10", "median", "p90", "p99")


def draw_text_loss(rows: Sequence[TextRow], labels: Labels, pick: str) -> None:
    """Nothing where no text was scored against 16 bits."""
    has = {
        KLD: any(row.kld for row in rows),
        TOKEN: any(row.dp for row in rows),
        PERPLEXITY: any(row.perplexity_ratio for row in rows),
    }
    choices = [name for name, measured in has.items() if measured]
    if not choices:
        address.without_widget("text", list(has))
        return
    st.subheader("On running text", anchor=False)
    chosen = address.segments("Show", choices, "text")
    if chosen == PERPLEXITY:
        _show_perplexity(rows, labels, pick)
        return
    draw = divergence_figure if chosen == KLD else difference_figure
    st.plotly_chart(
        draw(rows, labels, current_look()),
        key="sensitivity_kld" if chosen == KLD else "sensitivity_dp",
        config=CHART,
        alt=f"{chosen} from 16 bits by quant, {len(rows)} quants.",
    )
    below = [visible(labels.short(row.variant)) for row in rows if row.indistinguishable]
    if chosen == KLD and below:
        st.caption(
            plain(f"Not above the noise floor, so as good as 16 bits on this text: "
                  f"{', '.join(below)}.")
        )  # fmt: skip
    with st.expander("Running text as a table"):
        show_table(table(rows, labels, chosen), "sensitivity_texts")


def table(rows: Sequence[TextRow], labels: Labels, chosen: str) -> dict[str, list[str]]:
    """Percentiles of divergence (nat) or of the probability's difference."""
    columns = TEXT_COLUMNS if chosen == KLD else DP_COLUMNS
    frame = {"quant": [visible(labels.short(row.variant)) for row in rows]}
    for name in columns:
        frame[name] = [
            four_digits((row.kld if chosen == KLD else row.dp).get(name)) for row in rows
        ]
    frame["same top token"] = [
        ABSENT if row.same_top1 is None else percent(row.same_top1.value) for row in rows
    ]
    return frame


def _show_perplexity(rows: Sequence[TextRow], labels: Labels, pick: str) -> None:
    ratios = [(row, row.perplexity_ratio) for row in rows if row.perplexity_ratio is not None]
    dots = [
        Dot(
            labels.short(row.variant), ratio.value, ratio.low, ratio.high,
            hover=f"<b>{inert(labels.full(row.variant))}</b><br>{four_digits(ratio)} times the "
            "perplexity of 16 bits",
            id=row.variant.id,
        )
        for row, ratio in ratios
    ]  # fmt: skip
    chart = dots_figure(
        dots, "perplexity / perplexity at 16 bits", current_look(), {1.0: "16 bits"}, pick=pick
    )
    chart.update_xaxes(rangemode="normal")
    st.plotly_chart(
        chart,
        key="sensitivity_ppl",
        config=CHART,
        alt=f"Perplexity over that of 16 bits, {len(ratios)} quants.",
    )
    with st.expander("Running text as a table"):
        frame = {
            "quant": [visible(labels.short(row.variant)) for row, _ in ratios],
            "perplexity ratio": [four_digits(ratio) for _, ratio in ratios],
            "perplexity": [four_digits(row.variant.perplexity) for row, _ in ratios],
        }
        show_table(frame, "sensitivity_ratios")


def four_digits(figure: Interval | None) -> str:
    return interval_in_words(figure, lambda value: number(value, 4))
