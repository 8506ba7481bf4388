"""Which points of a chart get their name beside them, and on which side, without overlap."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from grid.results.statistics.interval import Floats

SIDES = {
    "top center": (-0.5, 0.0, 1),
    "middle right": (0.0, 1.0, 0),
    "bottom center": (-0.5, 0.0, -1),
    "middle left": (-1.0, -1.0, 0),
    "top right": (0.0, 1.0, 1),
    "bottom right": (0.0, 1.0, -1),
    "top left": (-1.0, -1.0, 1),
    "bottom left": (-1.0, -1.0, -1),
}
"""Where a text begins, in its widths and in radii of its point, and its line above or below."""

NARROW, WIDE, WIDEST = 270.0, 540.0, 900.0
"""Widths of the plot that texts are placed for, px: of a phone, and of a chart beside a panel or
across a page."""

HEIGHT = 300.0
"""Least height of the plot, px."""

LINE, POINT, RADIUS = 16.0, 12.0, 8.0
"""Height of a text, size of a point, and how far from its middle a text usually begins, px."""

BLOCKED = float("inf")

_WIDTHS = {
    **dict.fromkeys("mMW@%…", 10.6),
    **dict.fromkeys("wABCDEFGHKLNOPQRSTUVXYZ_&+=<>", 8.0),
    **dict.fromkeys("iIjl.,:;'|!", 3.6),
    **dict.fromkeys("frt-()[]/ ", 4.6),
}


def text_width(text: str) -> int:
    """Width of a text in the page's font at 12 px, px, a little more than it is."""
    return math.ceil(sum(_WIDTHS.get(letter, 6.6) for letter in text))


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the plot, px from its lower left corner."""

    left: float
    bottom: float
    right: float
    top: float

    def is_inside(self, width: float) -> bool:
        """Whether it is within a plot of that width."""
        return self.left >= 0 and self.right <= width and self.bottom >= 0 and self.top <= HEIGHT

    def meets(self, box: Box) -> bool:
        apart = self.left >= box.right or box.left >= self.right
        return not (apart or self.bottom >= box.top or box.bottom >= self.top)


@dataclass(frozen=True)
class Names:
    """Texts beside points at (x, y), each from 0 to 1 along its axis.

    Of `order` each gets a side where no other text and no point is; those in `must` get one also
    where a point is. `radii`: how far from a point its text begins, px. `corner` is a text in an
    upper corner that no name may cover.
    """

    texts: Sequence[str]
    x: Sequence[float]
    y: Sequence[float]
    order: Sequence[int]
    radii: Sequence[float]
    must: Collection[int] = ()
    corner: str = ""
    corner_at_right: bool = False

    def place(
        self, widths: Sequence[float] = (NARROW, WIDE, WIDEST), placed: dict[int, str] | None = None
    ) -> dict[int, str]:
        """Side (as Plotly's textposition) of each name that fits at all widths, by index, beside
        those already `placed`, which it does not repeat."""
        sides = dict(placed or {})
        for i in self.order:
            if i not in sides:
                covered = {side: self._covered(i, side, widths, sides) for side in SIDES}
                side = min(SIDES, key=lambda side: covered[side])
                if covered[side] == 0 or (i in self.must and covered[side] < BLOCKED):
                    sides[i] = side
        return {i: side for i, side in sides.items() if i not in (placed or {})}

    def _covered(
        self, i: int, side: str, widths: Sequence[float], sides: Mapping[int, str]
    ) -> float:
        """Points that a text would cover at all widths; BLOCKED where another text is in its place,
        or the plot's edge."""
        covered = 0
        for width in widths:
            box = self._text(i, side, width)
            texts = [self._text(j, place, width) for j, place in sides.items()]
            if self.corner:
                texts.append(self._corner(width))
            if not box.is_inside(width) or any(box.meets(text) for text in texts):
                return BLOCKED
            covered += self._points_in(box, i, width)
        return covered

    def _points_in(self, box: Box, i: int, width: float) -> int:
        """Points other than the i-th that a box lies on."""
        half = POINT / 2
        x, y = self._places[0] * width, self._places[1] * HEIGHT
        covered = (x > box.left - half) & (x < box.right + half)
        covered &= (y > box.bottom - half) & (y < box.top + half)
        covered[i] = False
        return int(covered.sum())

    @cached_property
    def _lengths(self) -> list[int]:
        return [text_width(text) for text in self.texts]

    @cached_property
    def _places(self) -> tuple[Floats, Floats]:
        return np.array(self.x), np.array(self.y)

    def _text(self, i: int, side: str, width: float) -> Box:
        in_widths, in_radii, line = SIDES[side]
        length = self._lengths[i]
        left = self.x[i] * width + in_widths * length + in_radii * self.radii[i]
        bottom = self.y[i] * HEIGHT - LINE / 2 + line * (LINE / 2 + self.radii[i])
        return Box(left, bottom, left + length, bottom + LINE)

    def _corner(self, width: float) -> Box:
        length = text_width(self.corner) + 10
        left = width - length if self.corner_at_right else 0.0
        return Box(left, HEIGHT - LINE - 6, left + length, HEIGHT)
