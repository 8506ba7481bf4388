"""A trade-off as a still picture: points with intervals, the frontier, the pick ringed, names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from grid.analysis import Variant
from grid.app.charts.labels import Labels
from grid.app.charts.placing import HEIGHT, RADIUS, SIDES, Names, text_width
from grid.app.charts.quantities import series_by
from grid.app.charts.scales import AxisScale
from grid.app.charts.theme import SYMBOLS
from grid.app.charts.trade_off import RING, Highlights, chart_names, name_order, trade_off_text
from grid.app.charts.trade_points import TradeOff, TradePoint
from grid.app.report.drawing import Area, Drawing, Line, Mark, Shape, Words
from grid.models.display_names import shorten, visible

WIDTH, TOTAL_HEIGHT = 860, 430
LEFT, RIGHT, TOP = 64, 840, 54
BOTTOM = TOP + int(HEIGHT)
LEGEND = TOTAL_HEIGHT - 10
BEST = "Best"
LONGEST_TITLE, LONGEST_SERIES = 100, 26
POINT, SMALL = 5.5, 4.0


def draw_trade_off(
    trade_off: TradeOff, labels: Labels, highlights: Highlights, title: str
) -> Drawing:
    """The picture of a trade-off with at least one point."""
    picture = _Picture(trade_off, labels, highlights)
    shapes = (
        Words(LEFT - 40, 26, shorten(visible(title), LONGEST_TITLE), size=15, bold=True),
        *picture.shapes(),
    )
    return Drawing(WIDTH, TOTAL_HEIGHT, shapes, trade_off_text(trade_off, labels, highlights))


@dataclass(frozen=True)
class _Picture:
    trade_off: TradeOff
    labels: Labels
    highlights: Highlights

    @cached_property
    def _x(self) -> AxisScale:
        return AxisScale(self.trade_off.x, "x", [p.x.value for p in self.trade_off.points])

    @cached_property
    def _y(self) -> AxisScale:
        return AxisScale(self.trade_off.y, "y", [p.y.value for p in self.trade_off.points])

    @cached_property
    def _series(self) -> Callable[[Variant], str]:
        return series_by(point.variant for point in self.trade_off.points)

    @cached_property
    def _roles(self) -> dict[str, tuple[str, str]]:
        """A colour's role and a symbol for each series."""
        names = sorted({self._series(point.variant) for point in self.trade_off.points})
        return {n: (f"series{i % 6}", SYMBOLS[i % len(SYMBOLS)]) for i, n in enumerate(names)}

    def _across(self, value: float) -> float:
        return min(max(LEFT + self._x.fraction(value) * (RIGHT - LEFT), LEFT), RIGHT)

    def _down(self, value: float) -> float:
        return min(max(BOTTOM - self._y.fraction(value) * (BOTTOM - TOP), TOP), BOTTOM)

    def shapes(self) -> Iterator[Shape]:
        yield from self._axes()
        yield from self._frontier()
        for point in self.trade_off.points:
            yield from self._point(point)
        yield from self._rings()
        yield from self._names()
        yield from self._legend()

    def _axes(self) -> Iterator[Shape]:
        right = self.trade_off.x.better == "higher"
        wide, high = 0.22 * (RIGHT - LEFT), 0.22 * (BOTTOM - TOP)
        yield Area(RIGHT - wide if right else LEFT, TOP, wide, high, "good")
        for place, text in self._y.ticks():
            y = BOTTOM - place * (BOTTOM - TOP)
            yield Line(((LEFT, y), (RIGHT, y)), "lines")
            yield Words(LEFT - 6, y + 4, text, "muted", "end")
        for place, text in self._x.ticks():
            x = LEFT + place * (RIGHT - LEFT)
            yield Line(((x, TOP), (x, BOTTOM)), "lines")
            yield Words(x, BOTTOM + 16, text, "muted", "middle")
        yield Words(RIGHT, BOTTOM + 34, self._x.title, "ink", "end")
        yield Words(18, (TOP + BOTTOM) / 2, self._y.title, "ink", "middle", turned=True)
        edge = RIGHT - 6 if right else LEFT + 6
        yield Words(edge, TOP + 14, BEST, "ink", "end" if right else "start")

    def _frontier(self) -> Iterator[Shape]:
        """Steps: between two members the better of what either alone would give."""
        members = [(self._across(p.x.value), self._down(p.y.value)) for p in self.trade_off.members]
        steps: list[tuple[float, float]] = []
        for x, y in members:
            if steps:
                before = steps[-1]
                lower = self.trade_off.x.better == "lower"
                steps.append((x, before[1]) if lower else (before[0], y))
            steps.append((x, y))
        if len(steps) > 1:
            yield Line(tuple(steps), "muted", 1.5, dashed=True)

    def _point(self, point: TradePoint) -> Iterator[Shape]:
        role, symbol = self._roles[self._series(point.variant)]
        x, y = self._across(point.x.value), self._down(point.y.value)
        if point.barred and point.y.low is not None and point.y.high is not None:
            ends = (x, self._down(point.y.low)), (x, self._down(point.y.high))
            yield Line(ends, role, 1.2, faint=True)
        if point.barred and point.x.low is not None and point.x.high is not None:
            ends = (self._across(point.x.low), y), (self._across(point.x.high), y)
            yield Line(ends, role, 1.2, faint=True)
        if point.over_limit:
            yield Mark(x, y, SMALL, role, "cross", filled=False)
        else:
            radius = POINT if point.on_frontier else SMALL
            yield Mark(x, y, radius, role, symbol, filled=point.on_frontier)

    def _rings(self) -> Iterator[Shape]:
        for field, width in (("smaller", 1.2), ("faster", 1.2), ("pick", 2.5)):
            point = self.trade_off.of(getattr(self.highlights, field))
            if point is not None:
                x, y = self._across(point.x.value), self._down(point.y.value)
                yield Mark(x, y, RING / 2, "ink", "circle", filled=False, width=width)

    def _names(self) -> Iterator[Shape]:
        points = self.trade_off.points
        texts = chart_names(self.trade_off, self.labels, self.highlights)
        order = name_order(self.trade_off, self.highlights)
        names = Names(
            texts=texts,
            x=[self._x.fraction(point.x.value) for point in points],
            y=[self._y.fraction(point.y.value) for point in points],
            order=[i for i, _ in order],
            must={i for i, must in order if must},
            radii=[RING / 2 + 2 if p.variant.id in self.highlights.ids else RADIUS for p in points],
            corner=BEST,
            corner_at_right=self.trade_off.x.better == "higher",
        )
        for i, side in names.place((float(RIGHT - LEFT),)).items():
            in_widths, in_radii, line = SIDES[side]
            left = self._across(points[i].x.value) + in_widths * text_width(texts[i])
            left += in_radii * names.radii[i]
            middle = self._down(points[i].y.value) - line * (8 + names.radii[i])
            bold = points[i].variant.id == self.highlights.pick
            yield Words(left, middle + 4, texts[i], bold=bold)

    def _legend(self) -> Iterator[Shape]:
        if len(self._roles) < 2:
            return
        x = float(LEFT)
        for name, (role, symbol) in self._roles.items():
            text = shorten(visible(name), LONGEST_SERIES)
            if x + text_width(text) + 20 > RIGHT:
                return
            yield Mark(x + 5, LEGEND - 4, SMALL, role, symbol)
            yield Words(x + 15, LEGEND, text)
            x += text_width(text) + 36
