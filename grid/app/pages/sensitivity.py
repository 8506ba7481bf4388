"""Sensitivity: what each quant keeps of the 16 bits, task by task, and where the cliff begins."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import streamlit as st

from grid.analysis import Variant
from grid.analysis.figures import ABSENT, interval_in_words, number, percent, share
from grid.analysis.flips import Flips, flips
from grid.analysis.posterior import subset
from grid.analysis.sensitivity import Cliff, Sensitivity, TextRow, cliff, sensitivity
from grid.app.charts.dots import Dot, dots_figure
from grid.app.charts.labels import Labels
from grid.app.charts.sensitivity import (
    difference_figure,
    divergence_figure,
    heatmap_figure,
    retained_text,
)
from grid.app.page_parts import CHART, answer, current_look, heading, note, show_table
from grid.app.sidebar import choose_model, select_variants
from grid.results.statistics import Interval

TEXTS = {
    "kld": "KL divergence",
    "dp": "Probability of the true token",
    "ppl": "Perplexity ratio",
}
TEXT_COLUMNS = ("mean", "median", "p90", "p99", "p999", "max")
DP_COLUMNS = ("mean", "rms", "p01", "p10", "median", "p90", "p99")


def draw() -> None:
    heading("What does quantization cost, and which task pays?")
    selection = select_variants()
    if selection is None:
        return
    model = choose_model(selection, "sensitivity_model")
    mine = [variant for variant in selection.variants if variant.model == model]
    whole = [variant for variant in selection.whole_posterior.variants if variant.model == model]
    result = only_passing(_sensitivity((selection.whole_key, model), whole), mine)
    edge = cliff(subset(selection.posterior, {variant.id for variant in mine}))
    answer(sentence(edge, result, selection.labels))
    for line in notes(mine, model):
        st.caption(line)
    _show_heatmap(result, selection.labels)
    _show_texts(result.texts, selection.labels)


@st.cache_resource(max_entries=32, show_spinner=False)
def _sensitivity(key: Hashable, _whole: Sequence[Variant]) -> Sensitivity:
    return sensitivity(_whole)


def only_passing(result: Sensitivity, mine: Sequence[Variant]) -> Sensitivity:
    """The result without the variants that the filters hide. It was computed with all of the
    model's, so that no filter takes a reference away."""
    ids = {variant.id for variant in mine}
    variants = tuple(variant for variant in result.variants if variant.id in ids)
    texts = tuple(row for row in result.texts if row.variant.id in ids)
    return replace(result, variants=variants, texts=texts)


def sentence(edge: Cliff, result: Sensitivity, labels: Labels) -> str:
    """Where loss begins to be sure, and the task that loses most there."""
    if not edge.steps:
        return f"{edge.model}: no cliff can be seen, for {edge.reason}."
    safe = [step for step in edge.steps if not step.sure]
    if edge.bpw is None:
        return f"{edge.model}: {edge.reason}, over {len(edge.steps)} quants measured."
    first = next(step for step in edge.steps if step.bpw <= edge.bpw and step.sure)
    text = (
        f"{edge.model}: the cliff begins at {labels.short(first.variant)} "
        f"({edge.bpw:.2f} bits per weight). From there down every quant surely loses quality."
    )
    worst = worst_class(result, first.variant)
    if worst:
        text += f" What it keeps least of is {worst}."
    if safe:
        above = [step for step in safe if step.bpw > edge.bpw]
        fewest = min(above, key=lambda step: step.bpw, default=None)
        if fewest is not None:
            text += f" {labels.short(fewest.variant)} is the smallest without a sure loss."
    return text


def worst_class(result: Sensitivity, variant: Variant) -> str:
    """`math (81 %)`, of the classes whose retained quality is known."""
    cells = [result.retained[name, variant.id] for name in result.classes]
    shares = [(cell.share.value, cell.task_class) for cell in cells if cell.share]
    if not shares:
        return ""
    value, name = min(shares)
    return f"{name} ({share(value)})"


def notes(variants: Sequence[Variant], model: str) -> list[str]:
    """Sentences on what the references are, where they are missing or several."""
    whole = [variant for variant in variants if variant.sixteen_bit]
    if not whole:
        return [
            f"No 16-bit variant of {model} passes the filters, so nothing can be said to be kept: "
            "measure F16 or BF16 as well."
        ]
    if len({variant.artifact_id for variant in whole}) > 1:
        return [
            f"{len(whole)} variants of {model} are 16-bit references; each quant is compared with "
            "the one of its own engine where there is one."
        ]
    return []


def _show_heatmap(result: Sensitivity, labels: Labels) -> None:
    st.subheader("Kept of the 16-bit quality", anchor=False)
    if not result.classes:
        note("No task was measured of this model, so nothing is known to be kept or lost.")
        return
    reasons = sorted({cell.reason for cell in result.retained.values()})
    if all(cell.share is None for cell in result.retained.values()):
        note(f"Nothing is known to be kept or lost: {'; '.join(reasons)}.")
        return
    st.caption(
        "(score - chance) / (16-bit score - chance) over the items that both were asked. A dash: "
        "not known; its reason is in the table. Over 100 % is better than 16 bits."
    )
    st.plotly_chart(
        heatmap_figure(result, labels, current_look()), key="sensitivity_map", config=CHART
    )
    with st.expander("As a table, with 95 % intervals"):
        show_table(heat_table(result, labels), "sensitivity_table")
    turned = [row for row in flips(result.variants) if row.n]
    if turned:
        with st.expander("Answers that turn, item by item"):
            show_table(flip_table(turned, labels), "sensitivity_flips")


def flip_table(rows: Sequence[Flips], labels: Labels) -> dict[str, list[str]]:
    """One row a quant, against the 16 bits of its model."""
    return {
        "quant": [labels.short(row.variant) for row in rows],
        "turned (95 % interval)": [_share_text(row.turned) for row in rows],
        "right to wrong": [_share_text(row.to_wrong) for row in rows],
        "wrong to right": [_share_text(row.to_right) for row in rows],
        "items": [str(row.n) for row in rows],
    }


def _share_text(interval: Interval | None) -> str:
    return interval_in_words(interval, percent)


def heat_table(result: Sensitivity, labels: Labels) -> dict[str, list[str]]:
    """One row a cell."""
    cells = [result.retained[name, v.id] for v in result.variants for name in result.classes]
    return {
        "quant": [labels.short(cell.variant) for cell in cells],
        "task": [cell.task_class for cell in cells],
        "kept (95 % interval)": [retained_text(cell) for cell in cells],
        "items": [str(cell.n) for cell in cells],
        "note": [cell.reason for cell in cells],
    }


def _show_texts(rows: Sequence[TextRow], labels: Labels) -> None:
    st.subheader("On running text", anchor=False)
    measured = [row for row in rows if row.kld or row.dp or row.perplexity_ratio]
    if not measured:
        note("No text was scored against 16 bits, so there is no divergence to show.")
        return
    what = st.segmented_control(
        "Show", list(TEXTS), default="kld", required=True, format_func=TEXTS.__getitem__,
        key="sensitivity_text", persist_state="session",
    )  # fmt: skip
    look = current_look()
    if what == "ppl":
        _show_perplexity(measured, labels)
        return
    draw = divergence_figure if what == "kld" else difference_figure
    st.plotly_chart(draw(measured, labels, look), key=f"sensitivity_{what}", config=CHART)
    below = [labels.short(row.variant) for row in measured if row.indistinguishable]
    if what == "kld" and below:
        st.caption(
            f"Not above the noise floor, so indistinguishable from 16 bits: {', '.join(below)}."
        )
    with st.expander("As a table"):
        frame = text_table(measured, labels, str(what))
        show_table(frame, "sensitivity_texts")


def text_table(rows: Sequence[TextRow], labels: Labels, what: str) -> dict[str, list[str]]:
    """Percentiles of divergence (`kld`, nat) or of the probability's difference (`dp`)."""
    columns = TEXT_COLUMNS if what == "kld" else DP_COLUMNS
    frame = {"quant": [labels.short(row.variant) for row in rows]}
    for name in columns:
        frame[name] = [
            _four_digits((row.kld if what == "kld" else row.dp).get(name)) for row in rows
        ]
    frame["same top token"] = [
        ABSENT if row.same_top1 is None else percent(row.same_top1.value) for row in rows
    ]
    return frame


def _show_perplexity(rows: Sequence[TextRow], labels: Labels) -> None:
    ratios = [(row, row.perplexity_ratio) for row in rows if row.perplexity_ratio is not None]
    if not ratios:
        note("No perplexity beside that of the 16 bits was measured.")
        return
    dots = [
        Dot(
            labels.short(row.variant), ratio.value, ratio.low, ratio.high,
            hover=f"<b>{labels.full(row.variant)}</b><br>{_four_digits(ratio)} times the "
            "perplexity of 16 bits",
        )
        for row, ratio in ratios
    ]  # fmt: skip
    chart = dots_figure(
        dots, "perplexity / perplexity at 16 bits", current_look(), {1.0: "16 bits"}
    )
    chart.update_xaxes(rangemode="normal")
    st.plotly_chart(chart, key="sensitivity_ppl", config=CHART)
    with st.expander("As a table"):
        frame = {
            "quant": [labels.short(row.variant) for row, _ in ratios],
            "perplexity ratio": [_four_digits(ratio) for _, ratio in ratios],
            "perplexity": [_four_digits(row.variant.perplexity) for row, _ in ratios],
        }
        show_table(frame, "sensitivity_ratios")


def _four_digits(figure: Interval | None) -> str:
    return interval_in_words(figure, lambda value: number(value, 4))
