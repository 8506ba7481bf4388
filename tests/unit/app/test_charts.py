"""Figures by their data, without a browser: places, names, marks and words."""

from __future__ import annotations

from itertools import combinations

import plotly.graph_objects as go
import pytest
from analysis_cases import variant
from hypothesis import given, settings
from hypothesis import strategies as st
from kld_cases import kld_ladder

from grid.analysis import AXES, frontier
from grid.app.charts.dots import Dot, dots_figure
from grid.app.charts.labels import Labels, fitting, inert
from grid.app.charts.placing import NARROW, RADIUS, WIDE, WIDEST, Names, text_width
from grid.app.charts.scales import AxisScale
from grid.app.charts.theme import WIDE_ONLY, Look
from grid.app.charts.trade_off import Highlights, trade_off_figure, trade_off_text
from grid.app.charts.trade_points import TradeOff, points_of_frontier

LONG = "Meta-Llama-3.1-8B-Instruct-Tulu-3-SFT-RLVR-longcontext-1M-preview Q4_K_M"
HOSTILE = '<a href="javascript:alert(1)">Q8_0</a>\u202e'

places = st.lists(st.tuples(st.floats(0.09, 0.91), st.floats(0.09, 0.91)), min_size=1, max_size=40)


def names_at(points: list[tuple[float, float]], must: tuple[int, ...] = ()) -> Names:
    texts = [f"name {i}" for i in range(len(points))]
    x, y = zip(*points, strict=True)
    radii = [RADIUS] * len(points)
    return Names(texts, x, y, range(len(points)), radii, must, corner="Best")


@settings(deadline=None, max_examples=30)
@given(places)
def test_no_name_overlaps_another_at_any_width(points: list[tuple[float, float]]) -> None:
    names = names_at(points)
    narrow = names.place()
    for width in (NARROW, WIDE, WIDEST):
        sides = dict(narrow)
        if width >= WIDE:
            sides |= names.place((WIDE, WIDEST), narrow)
        boxes = [names._text(i, side, width) for i, side in sides.items()]
        assert not any(a.meets(b) for a, b in combinations([*boxes, names._corner(width)], 2))
        assert all(box.is_inside(width) for box in boxes)


@settings(deadline=None, max_examples=30)
@given(places)
def test_a_name_lies_on_no_point_unless_it_must_be_there(points: list[tuple[float, float]]) -> None:
    names = names_at(points)
    for i, side in names.place().items():
        assert names._points_in(names._text(i, side, NARROW), i, NARROW) == 0


@settings(deadline=None, max_examples=30)
@given(places)
def test_the_first_name_that_must_be_there_is(points: list[tuple[float, float]]) -> None:
    names = names_at([(x, min(y, 0.8)) for x, y in points], must=(0,))
    assert 0 in names.place()


@pytest.mark.parametrize("width", [60, 120, 320])
def test_a_long_name_is_shortened_in_its_middle_to_the_width(width: int) -> None:
    short = fitting(LONG, width)
    assert text_width(short) <= width
    head, _, tail = short.partition("…")
    assert LONG.startswith(head)
    assert LONG.endswith(tail)
    assert tail


def test_a_name_with_markup_is_shown_and_acts_on_nothing() -> None:
    assert inert(HOSTILE).startswith("&lt;a href")
    assert "\u202e" not in inert(HOSTILE)


def ladder() -> tuple[TradeOff, Labels]:
    variants = kld_ladder()
    labels = Labels(variants)
    return points_of_frontier(frontier(variants, "artifact_bytes", "kld_mean"), labels), labels


def trace(chart: go.Figure, name: str) -> go.Scatter:
    return next(trace for trace in chart.data if trace.name == name)


def texts(chart: go.Figure) -> list[str]:
    drawn = [t for trace in chart.data for t in (trace.text or ()) if trace.type == "scatter"]
    return [text.removeprefix(WIDE_ONLY) for text in drawn]


def id_of(trade_off: TradeOff, quant: str) -> str:
    return next(p.variant.id for p in trade_off.points if p.variant.quant == quant)


def test_the_pick_is_ringed_and_named_and_so_are_what_is_smaller_and_faster() -> None:
    trade_off, labels = ladder()
    marks = Highlights(pick=id_of(trade_off, "Q8_0"), smaller=id_of(trade_off, "Q2_K"))
    chart = trade_off_figure(trade_off, labels, Look(), marks)
    ring = trace(chart, "pick")
    point = trade_off.of(marks.pick)
    assert point
    assert ring.y[0] == pytest.approx(point.y.value)
    assert "<b>Pick: Q8_0</b>" in texts(chart)
    assert "Smaller: Q2_K" in texts(chart)


def test_the_landmark_is_always_named() -> None:
    trade_off, labels = ladder()
    assert "Q4_K_M" in texts(trade_off_figure(trade_off, labels, Look()))


def test_closer_to_16_bits_is_further_up_and_16_bits_are_at_the_top() -> None:
    values = [0.0, 0.004, 0.055, 0.4]
    scale = AxisScale(AXES["kld_mean"], "y", values)
    fractions = [scale.fraction(value) for value in values]
    assert fractions == sorted(fractions, reverse=True)
    assert 0 < fractions[-1] < fractions[0] < 1


def test_less_of_a_cost_is_further_left() -> None:
    scale = AxisScale(AXES["artifact_bytes"], "x", [1e9, 2e9, 8e9])
    assert scale.fraction(1e9) < scale.fraction(2e9) < scale.fraction(8e9)


def test_the_best_corner_is_where_quality_is_high_and_the_cost_is_low() -> None:
    for cost, right in (("artifact_bytes", False), ("decode_tps", True)):
        variants = kld_ladder()
        trade_off = points_of_frontier(frontier(variants, cost, "kld_mean"), Labels(variants))
        [corner] = trade_off_figure(trade_off, Labels(variants), Look()).layout.shapes
        assert (corner.x1 == 1) == right
        assert (corner.x0 == 0) != right
        assert corner.y1 == 1


def test_a_chart_says_in_words_what_it_shows() -> None:
    trade_off, labels = ladder()
    text = trade_off_text(trade_off, labels, Highlights(pick=id_of(trade_off, "Q8_0")))
    assert text.startswith("KLD from 16 bits against size of 4 variants. Pick: base Q8_0, 8.3 KiB")
    assert text.endswith("4 of 4 are not beaten: base Q2_K to base F16.")


def test_many_models_have_one_colour_and_names_with_the_model() -> None:
    variants = [
        variant(f"Q{i}", 1000 * (i + 1), [1.0] * (3 * i + 1) + [0.0] * (30 - 3 * i), model=f"m{i}",
                family=f"f{i}", artifact_id=f"a{i}")
        for i in range(8)
    ]  # fmt: skip
    trade_off = points_of_frontier(frontier(variants), Labels(variants))
    chart = trade_off_figure(trade_off, Labels(variants), Look())
    assert not chart.layout.showlegend
    assert "m7 Q7" in texts(chart)


def test_rows_have_short_names_and_the_pick_a_ring() -> None:
    dots = [Dot(f"{LONG} {i}", 1.0 + i, id=str(i)) for i in range(3)]
    chart = dots_figure(dots, "rate", Look(), pick="1")
    assert all(text_width(row.text) <= 320 for row in chart.layout.annotations)
    assert len({row.text for row in chart.layout.annotations}) == 3
    assert list(trace(chart, "pick").x) == [2.0]
    assert not any(t.name == "pick" for t in dots_figure(dots, "rate", Look()).data)
