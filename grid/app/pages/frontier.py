"""Frontier: what nothing beats, in quality against one cost, and how sure that is."""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from grid.analysis import AXES, Axis, Frontier, FrontierPoint, Variant, frontier
from grid.analysis.axes import lacks_uncertainty
from grid.analysis.figures import ABSENT, share
from grid.analysis.quality_order import CAPABILITY, KLD
from grid.analysis.quality_views import TITLES, QualityView, quality_views
from grid.analysis.text_draws import TEXT_METHOD
from grid.app.charts.frontier import frontier_figure, with_ties
from grid.app.charts.labels import Labels
from grid.app.charts.quantities import axis_text, interval_of
from grid.app.page_parts import CHART, answer, current_look, heading, note, show_table
from grid.app.sidebar import Selection, select_variants
from grid.app.variant_details import show_variant
from grid.results.statistics import Interval

if TYPE_CHECKING:
    import pyarrow.compute as pc

COSTS = {
    "artifact_bytes": "Size",
    "decode_tps": "Decode rate",
    "peak_rss_bytes": "Peak memory",
    "decode_j_per_token": "Energy",
}

NAMED = 6
"""Variants that a sentence names; of more only the first and the last."""


def draw() -> None:
    heading("What does nothing else beat?")
    selection = select_variants()
    if selection is None:
        return
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        cost = st.segmented_control(
            "Quality against", list(COSTS), default="artifact_bytes", required=True,
            format_func=COSTS.__getitem__, key="frontier_cost", persist_state="session",
        )  # fmt: skip
    with right:
        statuses = _choose_statuses(selection)
    if not statuses or "ok" in statuses:
        _show_frontier(selection, cost or "artifact_bytes")
    _show_failures(selection, [status for status in statuses if status != "ok"])


def _show_frontier(selection: Selection, cost: str) -> None:
    view = _choose_view(quality_views(selection.posterior))
    if view is None:
        note(_why_no_quality(selection))
        _show_without_quality(selection)
        return
    if all(interval_of(variant, AXES[cost]) is None for variant in view.ranked):
        note(_why_no_cost(selection, cost))
        return
    front = frontier(view.posterior, cost, view.axis.name)
    answer(sentence(front, selection.hardware.name, selection.labels))
    if view.axis.name != CAPABILITY:
        st.markdown(view.reason)
    if view.doubt:
        st.warning(view.doubt)
    chart = frontier_figure(front, selection.labels, current_look(), _chosen_id(selection))
    st.plotly_chart(
        chart,
        key=f"frontier_{cost}",
        on_select=lambda: _choose_clicked(selection.labels, f"frontier_{cost}"),
        selection_mode="points",
        config=CHART,
    )
    bars = " (of the likeliest on it)" if len(with_ties(front)) < len(front.points) else ""
    st.caption(
        "Filled: on the frontier. Open: something is at least as good in both and better in one. "
        f"Bars: 95 % intervals{bars}. Click a point, or choose it below, for what is behind it."
    )
    if any(point.y == 0 and front.y.name == KLD for point in front.points):
        st.caption("At the top: what cannot be told from 16 bits, at a KLD of 0.")
    _show_left_out(front, selection.labels)
    with st.expander("All of them as a table"):
        show_table(table(front, selection.labels), "frontier_table")
    with st.expander("What quality and probability mean"):
        _show_meaning(view, front)
    st.divider()
    _show_details(selection)


def _choose_view(views: Sequence[QualityView]) -> QualityView | None:
    """A box with what ranks the variants; none is drawn where there is one answer, or nothing."""
    by_name = {_view_name(view): view for view in views}
    if len(by_name) < 2:
        return next(iter(by_name.values()), None)
    if st.session_state.get("frontier_view") not in by_name:
        st.session_state.pop("frontier_view", None)
    name = st.selectbox("Ranked by", list(by_name), key="frontier_view", persist_state="session")
    return by_name[name]


def _view_name(view: QualityView) -> str:
    if not view.model:
        return "capability, all models"
    origin = f" ({view.origin})" if view.origin else ""
    return f"{view.title}, {view.model}{origin}"


def sentence(front: Frontier, where: str, labels: Labels) -> str:
    """`On <class>, nothing beats these 5 of 26: ...`."""
    members, total = front.members, len(front.points)
    if total == 1:
        only = labels.full(front.points[0].variant)
        return f"On {where}, {only} is the only variant measured in both: nothing to compare with."
    named = ", ".join(labels.full(point.variant) for point in members)
    if len(members) > NAMED:
        ends = (members[0], members[-1])
        named = " to ".join(
            f"{labels.full(point.variant)} ({axis_text(Interval(point.x), front.x)})"
            for point in ends
        )
    beaten = [
        point
        for point in front.points
        if not point.on_frontier and not lacks_uncertainty(point.variant, front.y)
    ]
    close = sum(point.probability >= 0.05 for point in beaten)
    verb = "this 1" if len(members) == 1 else f"these {len(members)}"
    quality = TITLES[front.y.name]
    text = f"On {where}, nothing beats {verb} of {total} in {quality} against {front.x.title}: "
    sure = f" {close} more could be on it, as far as the data can tell." if close else ""
    return f"{text}{named}.{sure}"


def table(front: Frontier, labels: Labels) -> dict[str, list[str]]:
    """Every point with intervals, probability and the ones it ties with."""
    points, tied = front.points, with_ties(front)
    quality = "quality" if front.y.name == CAPABILITY else front.y.title
    columns = {
        "variant": [labels.full(p.variant) for p in points],
        front.x.title: [axis_text(interval_of(p.variant, front.x), front.x) for p in points],
        quality: [axis_text(interval_of(p.variant, front.y), front.y) for p in points],
    }
    if front.y.name == CAPABILITY and any(p.variant.kld_mean is not None for p in points):
        kld = AXES[KLD]
        columns[kld.title] = [axis_text(interval_of(p.variant, kld), kld) for p in points]
    return columns | {
        "on it": ["yes" if p.on_frontier else "no" for p in points],
        "probability": [
            ABSENT if lacks_uncertainty(p.variant, front.y) else share(p.probability)
            for p in points
        ],
        f"ties in {quality}": [_ties(p, front.y.name, labels, tied) for p in points],
        f"ties in {front.x.title}": [_ties(p, front.x.name, labels, tied) for p in points],
        "engine": [p.variant.backend for p in points],
        "format": [p.variant.format for p in points],
        "origin": [p.variant.origin or "measured" for p in points],
    }


def _ties(point: FrontierPoint, axis: str, labels: Labels, tied: Container[str]) -> str:
    """Names of those it ties with; of points far from the frontier they are not worked out."""
    if point.variant.id not in tied:
        return "far from the frontier"
    return ", ".join(labels.full(variant) for variant in point.ties.get(axis, ())) or "none"


def _why_no_quality(selection: Selection) -> str:
    """Why nothing ranks the variants, in a sentence."""
    missing = sorted({name for variant in selection.variants for name in variant.missing})
    why = f" (no variant has all of them: {', '.join(missing)})" if missing else ""
    return (
        f"No quality was measured on {selection.hardware.name}{why}, so there is no frontier. "
        "Tasks are measured where a sweep's measures have `tasks`."
    )


def _why_no_cost(selection: Selection, cost: str) -> str:
    """Why there is nothing to set against quality, in a sentence."""
    if cost == "decode_j_per_token":
        return f"No energy was measured on {selection.hardware.name}. It is never estimated."
    return f"No {AXES[cost].title} was measured on {selection.hardware.name}."


def _chosen_id(selection: Selection) -> str:
    variant = selection.labels.by_text().get(str(st.session_state.get("frontier_variant")))
    return variant.id if variant else ""


def _choose_clicked(labels: Labels, key: str) -> None:
    """A click on a point is a choice in the box below."""
    points = st.session_state[key].selection.points
    names = {variant.id: labels.full(variant) for variant in labels.variants}
    ids = [str(_first(point.get("customdata"))) for point in points]
    for variant_id in ids:
        if variant_id in names:
            st.session_state["frontier_variant"] = names[variant_id]


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else value


def _show_details(selection: Selection) -> None:
    names = selection.labels.by_text()
    passing = {variant.id for variant in selection.variants}
    choices = [name for name, variant in names.items() if variant.id in passing]
    if st.session_state.get("frontier_variant") not in choices:
        st.session_state.pop("frontier_variant", None)
    name = st.selectbox(
        "What is behind",
        choices,
        index=None,
        placeholder="Click a point above, or choose one here",
        key="frontier_variant",
    )
    if name:
        show_variant(selection.dataset, names[name], name, "frontier_cell")


def _show_left_out(front: Frontier, labels: Labels) -> None:
    if front.left_out:
        count = len(front.left_out)
        with st.expander(f"{count} variant{'s' if count > 1 else ''} left out"):
            frame = {
                "variant": [labels.full(variant) for variant, _ in front.left_out],
                "why": [why for _, why in front.left_out],
            }
            show_table(frame, "frontier_left_out")


def _show_meaning(view: QualityView, front: Frontier) -> None:
    lines = front.method.split("\n")
    if view.axis.name == CAPABILITY:
        weights = next(iter(view.ranked)).weights
        shares = ", ".join(f"{name} {share(weight)}" for name, weight in weights.items())
        st.markdown(
            "Quality is capability: the mean over tasks of (score - chance) / (1 - chance), "
            f"weighted: {shares}."
        )
    else:
        st.markdown(f"Quality is {view.title}, of variants of one model: lower is better.")
        lines = [*TEXT_METHOD.split("\n"), *lines[1:]]
    for line in lines:
        st.caption(line)


def _show_without_quality(selection: Selection) -> None:
    """What was measured without a quality."""
    columns = ("artifact_bytes", "decode_tps", "prefill_tps", "peak_rss_bytes")
    frame = {"variant": [selection.labels.full(variant) for variant in selection.variants]}
    for name in columns:
        figures = [_value_text(variant, AXES[name]) for variant in selection.variants]
        if set(figures) != {ABSENT}:
            frame[AXES[name].title] = figures
    show_table(frame, "frontier_plain")
    st.divider()
    _show_details(selection)


def _value_text(variant: Variant, axis: Axis) -> str:
    figure = interval_of(variant, axis)
    return axis_text(figure and Interval(figure.value), axis)


def _choose_statuses(selection: Selection) -> list[str]:
    """The statuses to show; cells that gave no figure have one too."""
    counts = _count_by_status(selection.whole_key, selection)
    return st.multiselect(
        "Status of cells", list(counts), default=[s for s in counts if s == "ok"],
        format_func=lambda status: f"{status} ({counts[status]})", key="frontier_status",
        persist_state="session",
    )  # fmt: skip


@st.cache_data(max_entries=32, show_spinner=False)
def _count_by_status(key: Hashable, _selection: Selection) -> dict[str, int]:
    cells = _selection.dataset.overview.final.filter(_of_class(_selection))
    rows = cells.group_by("status").aggregate([([], "count_all")]).to_pylist()
    return {
        str(row["status"]): int(row["count_all"])
        for row in sorted(rows, key=lambda row: (row["status"] != "ok", row["status"]))
    }


def _of_class(selection: Selection) -> pc.Expression:
    import pyarrow.compute as pc

    return pc.field("hardware_class") == selection.hardware.name


def _show_failures(selection: Selection, statuses: Sequence[str]) -> None:
    """The cells that gave no figure, with why."""
    if not statuses:
        return
    import pyarrow.compute as pc

    columns = ["model", "quant", "format", "backend", "label", "status", "reason"]
    wanted = _of_class(selection) & pc.field("status").isin(list(statuses))
    rows = selection.dataset.overview.final.filter(wanted).select(columns).to_pandas()
    st.markdown(f"**{len(rows)} cell{'' if len(rows) == 1 else 's'} without a figure**")
    show_table(rows, "frontier_failed")
