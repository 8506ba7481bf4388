"""Which points of a chart get their name beside them, and on which side, without overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SIDES = {
    "top center": (-0.5, 0.6),
    "middle right": (0.1, -0.5),
    "bottom center": (-0.5, -1.6),
    "middle left": (-1.1, -0.5),
    "top right": (0.06, 0.4),
    "bottom right": (0.06, -1.4),
    "top left": (-1.06, 0.4),
    "bottom left": (-1.06, -1.4),
}
"""Corner of the text from its point, in text widths and heights."""

WIDTH, HEIGHT = 420.0, 380.0
"""Size of the plot that texts are placed for, px: between a phone's and a desktop's."""
LETTER, LINE = 7.2, 17.0
POINT = 12.0


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    bottom: float
    right: float
    top: float

    def meets(self, box: _Box) -> bool:
        apart = self.left >= box.right or box.left >= self.right
        return not (apart or self.bottom >= box.top or box.bottom >= self.top)


def place(
    names: Sequence[str], x: Sequence[float], y: Sequence[float], wanted: Sequence[int]
) -> dict[int, str]:
    """Side (as Plotly's textposition) of each name that fits, by index; `wanted` first to last.

    `x` and `y` are of all points, from 0 to 1 along the axes: no text lies on a point or another.
    """
    points = [
        _Box(a * WIDTH - POINT / 2, b * HEIGHT - POINT / 2, a * WIDTH + POINT / 2,
             b * HEIGHT + POINT / 2)
        for a, b in zip(x, y, strict=True)
    ]  # fmt: skip
    taken: list[_Box] = []
    sides: dict[int, str] = {}
    for i in wanted:
        obstacles = [*points[:i], *points[i + 1 :], *taken]
        for side, (dx, dy) in SIDES.items():
            box = _text(x[i] * WIDTH, y[i] * HEIGHT, len(names[i]) * LETTER, dx, dy)
            if _inside(box) and not any(box.meets(obstacle) for obstacle in obstacles):
                sides[i] = side
                taken.append(box)
                break
    return sides


def _text(x: float, y: float, width: float, dx: float, dy: float) -> _Box:
    shift = POINT * 0.7 if dx > -0.4 else -POINT * 0.7 if dx < -0.6 else 0.0
    left, bottom = x + dx * width + shift, y + dy * LINE
    return _Box(left, bottom, left + width, bottom + LINE)


def _inside(box: _Box) -> bool:
    return box.left >= -4 and box.right <= WIDTH + 4 and box.bottom >= -6 and box.top <= HEIGHT + 6
