"""One chart of quality against size or speed, and beside it a variant's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import streamlit as st

from grid.advice import Advice, Candidate
from grid.advice.advice import KLD as KLD_FIGURE
from grid.analysis.quality_order import CAPABILITY, KLD
from grid.app import address
from grid.app.charts.labels import Labels
from grid.app.charts.trade_off import Highlights, trade_off_figure, trade_off_text
from grid.app.charts.trade_points import DECODE_TPS, SIZE, TradeOff, points_of_advice
from grid.app.page_parts import CHART, current_look, note, plain
from grid.app.pick.answers import PickAnswer
from grid.app.pick.details import details_html
from grid.app.variant_details import show_variant
from grid.models.display_names import visible

COSTS: Mapping[str, str] = {"size": SIZE, "speed": DECODE_TPS}
TASKS, CLOSENESS = "tasks", "KLD from 16 bits"
OPENED, COMPARED = "variant", "with"
"""Keys of the boxes that choose whose figures stand beside the chart."""


def draw_chart(answer: PickAnswer) -> None:
    """The chart, and the figures of the variant that is opened by a click or in its box."""
    advice = answer.advice
    left, right = st.columns([3, 2])
    with left:
        cost, ranked = _choose_axes(advice)
    labels = labels_of(ranked)
    names = {visible(labels.full(c.variant)): c for c in ranked.candidates}
    with right:
        opened = _draw_details(ranked, names)
    with left:
        _draw_figure(ranked, cost, labels, opened, "pick_trade_off")
    if opened is not None:
        name = visible(labels.full(opened.variant))
        title = f"Measurements of {plain(name)}"
        with st.expander(title, on_change="rerun", key="measurements") as box:
            if box.open:
                show_variant(answer.basis.dataset, opened.variant, name, "pick_cell")


def draw_charts_beside(answers: Sequence[PickAnswer]) -> None:
    """The charts of two answers, on the same axes."""
    cost, _ = _choose_axes(answers[0].advice)
    quality = st.session_state.get("quality")
    for place, side in zip(st.columns(2), answers, strict=True):
        ranked = ranked_by(side.advice, str(quality or ""))
        with place:
            st.markdown(f"**{plain(side.title)}**")
            _draw_figure(ranked, cost, labels_of(ranked), None, f"pick_trade_off_{side.title}")


def labels_of(advice: Advice) -> Labels:
    """Names of all candidates."""
    return Labels([candidate.variant for candidate in advice.candidates])


def ranked_by(advice: Advice, quality: str) -> Advice:
    """The same by another quality: KLD compares the variants of the pick's model only."""
    if quality != CLOSENESS or KLD not in _axes(advice):
        return advice
    model = advice.pick.variant.model if advice.pick else ""
    mine = tuple(c for c in advice.candidates if c.variant.model == model)
    return replace(advice, quality=replace(advice.quality, axis=KLD), candidates=mine)


def _axes(advice: Advice) -> list[str]:
    """What the chart's upright axis may show: what ranks, and KLD beside tasks."""
    axes = [advice.quality.axis]
    if advice.quality.axis == CAPABILITY and advice.pick is not None:
        model = advice.pick.variant.model
        mine = [c for c in advice.candidates if c.variant.model == model]
        if sum(KLD_FIGURE in c.figures for c in mine) > 1:
            axes.append(KLD)
    return axes


def _choose_axes(advice: Advice) -> tuple[str, Advice]:
    """The cost along the chart, and the advice by the quality up the chart."""
    with st.container(horizontal=True):
        cost = COSTS[address.segments("Quality against", list(COSTS), "x")]
        if len(_axes(advice)) < 2:
            return cost, advice
        quality = address.segments("Quality by", [TASKS, CLOSENESS], "quality")
    return cost, ranked_by(advice, quality)


def _draw_details(advice: Advice, names: Mapping[str, Candidate]) -> Candidate | None:
    """The boxes of whose figures are shown, and the figures; gives the opened one."""
    by_id = {candidate.variant.id: name for name, candidate in names.items()}
    pick = by_id.get(advice.pick.variant.id) if advice.pick else None
    left, right = st.columns(2)
    with left:
        opened = address.select_optional("Figures of", list(names), OPENED, placeholder="the pick")
    name = opened or pick
    if name is None:
        note("Click a point, or choose a variant, for its figures.")
        return None
    rivals = [rival for rival in names if rival != name]
    with right:
        compared = address.select_optional("Compare with", rivals, COMPARED, placeholder="nothing")
    shown = [name, *([compared] if compared else [])]
    st.html(details_html([names[n] for n in shown], shown))
    return names[name] if opened else None


def _draw_figure(
    advice: Advice, cost: str, labels: Labels, opened: Candidate | None, key: str
) -> None:
    trade_off = points_of_advice(advice, cost)
    if not trade_off.points:
        note(f"No {trade_off.x.title} was measured, or no quality: there is nothing to draw.")
        return
    highlights = Highlights(_id(advice.pick), _id(advice.smaller), _id(advice.faster), _id(opened))
    st.plotly_chart(
        trade_off_figure(trade_off, labels, current_look(), highlights),
        key=key,
        on_select=lambda: _open_clicked(key, trade_off, labels),
        selection_mode="points",
        config=CHART,
        alt=trade_off_text(trade_off, labels, highlights),
    )
    crosses = " Cross: over a limit." if any(p.over_limit for p in trade_off.points) else ""
    st.caption(
        f"Ring: the pick. Filled: nothing is better in both. Open: something is.{crosses} "
        "Click a point for its figures."
    )


def _open_clicked(key: str, trade_off: TradeOff, labels: Labels) -> None:
    """A click on a point opens its variant."""
    for point in st.session_state[key].selection.points:
        data = point.get("customdata")
        clicked = trade_off.of(str(data[0] if isinstance(data, list) and data else data))
        if clicked is not None:
            st.session_state[OPENED] = visible(labels.full(clicked.variant))


def _id(candidate: Candidate | None) -> str:
    return candidate.variant.id if candidate else ""
