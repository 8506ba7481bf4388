"""Quality against one cost: what is not beaten, how sure that is, and the pick among it."""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence

import streamlit as st

from grid.analysis import AXES, Axis, Frontier, FrontierPoint, Variant, frontier
from grid.analysis.axes import figure_on, lacks_uncertainty
from grid.analysis.figures import ABSENT, share
from grid.analysis.quality_order import CAPABILITY, KLD
from grid.analysis.quality_views import TITLES, QualityView, quality_views
from grid.analysis.text_draws import TEXT_METHOD
from grid.app import address
from grid.app.charts.labels import Labels
from grid.app.charts.quantities import axis_text
from grid.app.charts.trade_off import trade_off_figure, trade_off_text
from grid.app.charts.trade_points import points_of_frontier, with_ties
from grid.app.marks import highlights_on, ring_text
from grid.app.page_parts import CHART, answer, current_look, note, plain, show_table
from grid.app.sections.variant_box import choose_variant, open_clicked, show_chosen
from grid.app.top_bar import Selection
from grid.models.display_names import visible
from grid.results.statistics import Interval

COSTS = {
    "size": "artifact_bytes",
    "speed": "decode_tps",
    "peak memory": "peak_rss_bytes",
    "seconds per right answer": "s_per_right_answer",
    "energy": "decode_j_per_token",
    "net energy": "decode_net_j_per_token",
    "joules per right answer": "j_per_right_answer",
    "net joules per right answer": "net_j_per_right_answer",
}

NAMED = 4
"""Variants that a sentence names; of more only the first and the last."""


def draw_frontier(selection: Selection) -> None:
    """The chart with its boxes, the table, and what is behind a point."""
    views = _views(selection.key, selection)
    if not views:
        note(why_no_quality(selection))
        _show_without_quality(selection)
        return
    with st.container(horizontal=True):
        view = _choose_view(views)
        costs = [name for name in COSTS if _is_measured(view, AXES[COSTS[name]])]
        if not costs:
            note(f"Nothing was measured on {visible(selection.hardware.name)} to set against it.")
            return
        cost = COSTS[address.segments("Quality against", costs, "x")]
    front = frontier(view.posterior, cost, view.axis.name)
    answer(plain(sentence(front, selection.labels)))
    if view.axis.name != CAPABILITY:
        st.markdown(plain(view.reason))
    if view.doubt:
        st.warning(view.doubt)
    chosen = choose_variant(selection)
    _show_chart(selection, view, front, chosen)
    _show_tables(view, front, selection.labels)
    show_chosen(selection, chosen, "frontier_cell")


@st.cache_resource(max_entries=8, show_spinner=False)
def _views(key: Hashable, _selection: Selection) -> tuple[QualityView, ...]:
    return quality_views(_selection.posterior)


def _choose_view(views: Sequence[QualityView]) -> QualityView:
    by_name = {_view_name(view): view for view in views}
    if len(by_name) < 2:
        address.without_widget("by", list(by_name))
        return next(iter(by_name.values()))
    return by_name[address.select("Quality by", list(by_name), "by", visible)]


def _view_name(view: QualityView) -> str:
    if not view.model:
        return "tasks, all models"
    origin = f" ({view.origin})" if view.origin else ""
    return f"{view.title}, {view.model}{origin}"


def _is_measured(view: QualityView, axis: Axis) -> bool:
    return any(figure_on(variant, axis) is not None for variant in view.ranked)


def _show_chart(
    selection: Selection, view: QualityView, front: Frontier, chosen: Variant | None
) -> None:
    key = f"frontier_{front.x.name}"
    trade_off = points_of_frontier(front, selection.labels)
    marks = highlights_on(selection, view.model, chosen.id if chosen else "")
    st.plotly_chart(
        trade_off_figure(trade_off, selection.labels, current_look(), marks, 460),
        key=key,
        on_select=lambda: open_clicked(selection, key),
        selection_mode="points",
        config=CHART,
        alt=trade_off_text(trade_off, selection.labels, marks),
    )
    bars = " (of the likeliest)" if len(with_ties(front)) < len(front.points) else ""
    st.caption(
        f"{ring_text(selection)} Filled: nothing is better in both. Open: something is. "
        f"Bars: 95 % intervals{bars}. Click a point for its measurements."
    )


def sentence(front: Frontier, labels: Labels) -> str:
    """`5 of 26 variants are not beaten in quality against size: A (1 MiB) to B (9 MiB).`"""
    members, total = front.members, len(front.points)
    if total == 1:
        only = labels.full(front.points[0].variant)
        return f"{only} is the only variant measured in both: nothing to compare with."
    named = ", ".join(labels.full(point.variant) for point in members)
    if len(members) > NAMED:
        named = " to ".join(
            f"{labels.full(point.variant)} ({axis_text(Interval(point.x), front.x)})"
            for point in (members[0], members[-1])
        )
    verb = "is" if len(members) == 1 else "are"
    text = (
        f"{len(members)} of {total} variants {verb} not beaten in {TITLES[front.y.name]} against "
        f"{front.x.title}: {named}."
    )
    unsure = sum(
        p.probability >= 0.05 and not p.on_frontier and not lacks_uncertainty(p.variant, front.y)
        for p in front.points
    )
    return f"{text} {unsure} more may not be, as far as the data can tell." if unsure else text


def _show_tables(view: QualityView, front: Frontier, labels: Labels) -> None:
    with st.expander("All of them as a table"):
        show_table(table(front, labels), "frontier_table")
    if front.left_out:
        count = len(front.left_out)
        with st.expander(f"{count} variant{'s' if count > 1 else ''} left out"):
            frame = {
                "variant": [visible(labels.full(variant)) for variant, _ in front.left_out],
                "why": [visible(why) for _, why in front.left_out],
            }
            show_table(frame, "frontier_left_out")
    with st.expander("What quality and probability mean"):
        _show_meaning(view, front)


def table(front: Frontier, labels: Labels) -> dict[str, list[str]]:
    """Every point with intervals, probability and those that do not surely differ."""
    points, tied = front.points, with_ties(front)
    ties = [[_ties(p, axis.name, labels, tied) for p in points] for axis in (front.y, front.x)]
    quality = "quality" if front.y.name == CAPABILITY else front.y.title
    columns = {
        "variant": [visible(labels.full(p.variant)) for p in points],
        front.x.title: [axis_text(figure_on(p.variant, front.x), front.x) for p in points],
        quality: [axis_text(figure_on(p.variant, front.y), front.y) for p in points],
    }
    if front.y.name == CAPABILITY and any(p.variant.kld_mean is not None for p in points):
        kld = AXES[KLD]
        columns[kld.title] = [axis_text(figure_on(p.variant, kld), kld) for p in points]
    return columns | {
        "not beaten": ["yes" if p.on_frontier else "no" for p in points],
        "probability": [
            ABSENT if lacks_uncertainty(p.variant, front.y) else share(p.probability)
            for p in points
        ],
        f"no sure difference in {quality} from": ties[0],
        f"no sure difference in {front.x.title} from": ties[1],
        "engine": [visible(p.variant.backend) for p in points],
        "format": [visible(p.variant.format) for p in points],
        "origin": [visible(p.variant.origin or "measured") for p in points],
    }


def _ties(point: FrontierPoint, axis: str, labels: Labels, tied: Container[str]) -> str:
    """Names of what does not surely differ; not worked out far from the frontier."""
    if point.variant.id not in tied:
        return "far from the frontier"
    return visible(", ".join(labels.full(v) for v in point.ties.get(axis, ())) or "none")


def why_no_quality(selection: Selection) -> str:
    """Why nothing ranks the variants, in a sentence."""
    missing = sorted({name for variant in selection.variants for name in variant.missing})
    why = f" (no variant has all of them: {', '.join(missing)})" if missing else ""
    return plain(
        f"No quality was measured on {selection.hardware.name}{why}, so nothing can be traded "
        "against it. A sweep measures it where its measures have `tasks` or `quality`."
    )


def _show_meaning(view: QualityView, front: Frontier) -> None:
    lines = front.method.split("\n")
    if view.axis.name == CAPABILITY:
        weights = next(iter(view.ranked)).weights
        shares = ", ".join(f"{name} {share(weight)}" for name, weight in weights.items())
        st.markdown(
            "Quality is capability: the mean over tasks of (score - chance) / (1 - chance), "
            f"weighted: {plain(shares)}."
        )
    else:
        st.markdown(f"Quality is {view.title}, of variants of one model: lower is better.")
        lines = [*TEXT_METHOD.split("\n"), *lines[1:]]
    for line in lines:
        st.caption(line)


def _show_without_quality(selection: Selection) -> None:
    """What was measured without a quality."""
    columns = ("artifact_bytes", "decode_tps", "prefill_tps", "peak_rss_bytes")
    frame = {"variant": [visible(selection.labels.full(v)) for v in selection.variants]}
    for name in columns:
        figures = [_value_text(variant, AXES[name]) for variant in selection.variants]
        if set(figures) != {ABSENT}:
            frame[AXES[name].title] = figures
    show_table(frame, "frontier_plain")
    show_chosen(selection, choose_variant(selection), "frontier_cell")


def _value_text(variant: Variant, axis: Axis) -> str:
    figure = figure_on(variant, axis)
    return axis_text(figure and Interval(figure.value), axis)
