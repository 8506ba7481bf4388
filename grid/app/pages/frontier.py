"""Frontier: what nothing beats, in quality against one cost, and how sure that is."""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from grid.analysis import AXES, Frontier, FrontierPoint, Variant, frontier
from grid.app.charts.frontier import frontier_figure, with_ties
from grid.app.charts.labels import Labels
from grid.app.charts.quantities import interval_of, ranged, share, written
from grid.app.page_parts import CHART, answer, current_look, heading, note, show_table
from grid.app.pages import Page
from grid.app.sidebar import Selection, select_variants
from grid.app.variant_details import show_variant

if TYPE_CHECKING:
    import pyarrow.compute as pc

PAGE = Page("Frontier", path="frontier", rank=10)

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
    view = select_variants()
    if view is None:
        return
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        cost = st.segmented_control(
            "Quality against", list(COSTS), default="artifact_bytes", required=True,
            format_func=COSTS.__getitem__, key="frontier_cost", persist_state="session",
        )  # fmt: skip
    with right:
        statuses = _statuses(view)
    if not statuses or "ok" in statuses:
        _frontier(view, cost or "artifact_bytes")
    _failed(view, [status for status in statuses if status != "ok"])


def _frontier(view: Selection, cost: str) -> None:
    lack = _lack(view, cost)
    if lack:
        note(lack)
        if view.measured:
            return
        _plain(view)
        return
    front = frontier(view.posterior, cost)
    answer(sentence(front, view.hardware.name, view.labels))
    drawn = frontier_figure(front, view.labels, current_look(), _chosen(view))
    st.plotly_chart(
        drawn,
        key=f"frontier_{cost}",
        on_select=lambda: _clicked(view.labels, f"frontier_{cost}"),
        selection_mode="points",
        config=CHART,
    )
    bars = " (of the likeliest on it)" if len(with_ties(front)) < len(front.points) else ""
    st.caption(
        "Filled: on the frontier. Open: something is at least as good in both and better in one. "
        f"Bars: 95 % intervals{bars}. Click a point, or choose it below, for what is behind it."
    )
    _left_out(front, view.labels)
    with st.expander("All of them as a table"):
        show_table(table(front, view.labels), "frontier_table")
    with st.expander("What quality and probability mean"):
        _meaning(view, front)
    st.divider()
    _details(view)


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
            f"{labels.full(point.variant)} ({written(point.x, front.x)})" for point in ends
        )
    beaten = [
        point for point in front.points if not point.on and not point.variant.lacks_uncertainty
    ]
    close = sum(point.probability >= 0.05 for point in beaten)
    verb = "this 1" if len(members) == 1 else f"these {len(members)}"
    text = f"On {where}, nothing beats {verb} of {total} in quality against {front.x.title}: "
    sure = f" {close} more could be on it, as far as the data can tell." if close else ""
    return f"{text}{named}.{sure}"


def table(front: Frontier, labels: Labels) -> dict[str, list[str]]:
    """Every point with intervals, probability and the ones it ties with."""
    points, tied = front.points, with_ties(front)
    return {
        "variant": [labels.full(p.variant) for p in points],
        front.x.title: [_ranged(p, front, "x") for p in points],
        "quality": [_ranged(p, front, "y") for p in points],
        "on it": ["yes" if p.on else "no" for p in points],
        "probability": [
            "-" if p.variant.lacks_uncertainty else share(p.probability) for p in points
        ],
        "ties in quality": [_ties(p, front.y.name, labels, tied) for p in points],
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


def _ranged(point: FrontierPoint, front: Frontier, which: str) -> str:
    axis, value = (front.x, point.x) if which == "x" else (front.y, point.y)
    found = interval_of(point.variant, axis)
    return ranged(value, found.low, found.high, axis) if found else written(value, axis)


def _lack(view: Selection, cost: str) -> str:
    """Why there is no frontier to draw, in a sentence; empty where there is one."""
    if not view.measured:
        missing = sorted({name for variant in view.variants for name in variant.missing})
        why = f" (no variant has all of them: {', '.join(missing)})" if missing else ""
        return (
            f"No quality was measured on {view.hardware.name}{why}, so there is no frontier. "
            "Tasks are measured where a sweep's measures have `tasks`."
        )
    if all(interval_of(variant, AXES[cost]) is None for variant in view.measured):
        if cost == "decode_j_per_token":
            return f"No energy was measured on {view.hardware.name}. It is never estimated."
        return f"No {AXES[cost].title} was measured on {view.hardware.name}."
    return ""


def _chosen(view: Selection) -> str:
    variant = view.labels.by_text().get(str(st.session_state.get("frontier_variant")))
    return variant.id if variant else ""


def _clicked(labels: Labels, key: str) -> None:
    """A click on a point is a choice in the box below."""
    points = st.session_state[key].selection.points
    names = {variant.id: labels.full(variant) for variant in labels.variants}
    ids = [str(_first(point.get("customdata"))) for point in points]
    for one in ids:
        if one in names:
            st.session_state["frontier_variant"] = names[one]


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else value


def _details(view: Selection) -> None:
    names = view.labels.by_text()
    there = {variant.id for variant in view.variants}
    shown = [name for name, variant in names.items() if variant.id in there]
    if st.session_state.get("frontier_variant") not in shown:
        st.session_state.pop("frontier_variant", None)
    name = st.selectbox(
        "What is behind", shown, index=None, placeholder="Click a point above, or choose one here",
        key="frontier_variant",
    )  # fmt: skip
    if name:
        show_variant(view.dataset, names[name], name, "frontier_cell")


def _left_out(front: Frontier, labels: Labels) -> None:
    if front.left_out:
        count = len(front.left_out)
        with st.expander(f"{count} variant{'s' if count > 1 else ''} left out"):
            frame = {
                "variant": [labels.full(variant) for variant, _ in front.left_out],
                "why": [why for _, why in front.left_out],
            }
            show_table(frame, "frontier_left_out")


def _meaning(view: Selection, front: Frontier) -> None:
    weights = next(iter(view.measured)).weights
    shares = ", ".join(f"{name} {share(weight)}" for name, weight in weights.items())
    st.markdown(
        "Quality is capability: the mean over tasks of (score - chance) / (1 - chance), weighted: "
        f"{shares}."
    )
    for line in front.method.split("\n"):
        st.caption(line)


def _plain(view: Selection) -> None:
    """What was measured without a quality."""
    columns = ("artifact_bytes", "decode_tps", "prefill_tps", "peak_rss_bytes")
    frame = {"variant": [view.labels.full(variant) for variant in view.variants]}
    for name in columns:
        figures = [_figure(variant, name) for variant in view.variants]
        if set(figures) != {"-"}:
            frame[AXES[name].title] = figures
    show_table(frame, "frontier_plain")
    st.divider()
    _details(view)


def _figure(variant: Variant, name: str) -> str:
    found = interval_of(variant, AXES[name])
    return written(found.value if found else None, AXES[name])


def _statuses(view: Selection) -> list[str]:
    """The statuses to show; cells that gave no figure have one too."""
    counts = _counts(view.whole_key, view)
    return st.multiselect(
        "Status of cells", list(counts), default=[s for s in counts if s == "ok"],
        format_func=lambda status: f"{status} ({counts[status]})", key="frontier_status",
        persist_state="session",
    )  # fmt: skip


@st.cache_data(max_entries=32, show_spinner=False)
def _counts(key: Hashable, _view: Selection) -> dict[str, int]:
    mine = _view.dataset.overview.final.filter(_here(_view))
    found = mine.group_by("status").aggregate([([], "count_all")]).to_pylist()
    return {
        str(row["status"]): int(row["count_all"])
        for row in sorted(found, key=lambda row: (row["status"] != "ok", row["status"]))
    }


def _here(view: Selection) -> pc.Expression:
    import pyarrow.compute as pc

    return pc.field("hardware_class") == view.hardware.name


def _failed(view: Selection, statuses: Sequence[str]) -> None:
    """The cells that gave no figure, with why."""
    if not statuses:
        return
    import pyarrow.compute as pc

    columns = ["model", "quant", "format", "backend", "label", "status", "reason"]
    wanted = _here(view) & pc.field("status").isin(list(statuses))
    rows = view.dataset.overview.final.filter(wanted).select(columns).to_pandas()
    st.markdown(f"**{len(rows)} cell{'' if len(rows) == 1 else 's'} without a figure**")
    show_table(rows, "frontier_failed")
