"""The README's picture: all variants of a store by size and quality, the pick ringed, as SVG.

    uv run grid sweep
    uv run python scripts/readme_picture.py results > docs/pictures/answer.svg

The card has a background of its own in light and in dark, so it reads on any page.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

import grid
from grid.advice.advice import Advice
from grid.advice.pick_card import PickCard, pick_card
from grid.analysis import frontier
from grid.analysis.dataset import Dataset
from grid.analysis.pareto import FrontierPoint
from grid.errors import InputError

WIDTH, HEIGHT = 860, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 836, 112, 352
MIB = 2**20
TEXT_WIDTH, TEXT_HEIGHT = 6.8, 14

STYLE = """
  .card { fill: #ffffff; stroke: #d0d7de }
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 18px; font-weight: 600 }
  .quiet { fill: #59636e }
  .line { stroke: #d0d7de; fill: none }
  .leader { stroke: #59636e; stroke-width: .7 }
  .front { stroke: #59636e; fill: none; stroke-dasharray: 4 3 }
  .m0 { fill: #0072b2; stroke: #0072b2 } .m1 { fill: #b35900; stroke: #b35900 }
  .m2 { fill: #007a5a; stroke: #007a5a }
  .error { stroke-opacity: .35 }
  .ring { fill: none; stroke: #1f2328; stroke-width: 2 }
  .pick { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #3d444d } text { fill: #f0f6fc } .quiet { fill: #9198a1 }
    .line { stroke: #3d444d } .front, .leader { stroke: #9198a1 } .ring { stroke: #f0f6fc }
    .m0 { fill: #56b4e9; stroke: #56b4e9 } .m1 { fill: #e69f00; stroke: #e69f00 }
    .m2 { fill: #2fbf93; stroke: #2fbf93 }
  }
"""


class Box(NamedTuple):
    """A rectangle that labels may not cross, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, box: Box) -> bool:
        beside = self.right < box.left or box.right < self.left
        return not (beside or self.bottom < box.top or box.bottom < self.top)


def _low(point: FrontierPoint) -> float:
    figure = point.variant.capability
    return point.y if figure is None or figure.low is None else figure.low


class Plane:
    """Where a size in bytes, on a log scale, and a capability lie on the picture."""

    def __init__(self, points: Sequence[FrontierPoint]) -> None:
        sizes = [point.x for point in points]
        self.least, self.most = math.log(min(sizes) / 1.15), math.log(max(sizes) * 1.15)
        self.floor = math.floor(4 * min(map(_low, points))) / 4

    def x(self, size: float) -> float:
        return LEFT + (math.log(size) - self.least) / (self.most - self.least) * (RIGHT - LEFT)

    def y(self, capability: float) -> float:
        return BOTTOM - (capability - self.floor) / (1 - self.floor) * (BOTTOM - TOP)

    def sizes(self) -> list[float]:
        """Powers of two in MiB, in bytes, between the ends."""
        powers = (2.0**power * MIB for power in range(-10, 22))
        return [size for size in powers if self.least < math.log(size) < self.most]


def draw(advice: Advice, points: Sequence[FrontierPoint]) -> str:
    """The whole picture. Raises InputError for an answer without a pick or a capability."""
    card = pick_card(advice)
    if card is None or not points or advice.pick is None:
        raise InputError("the store has no pick with a capability; `grid sweep` fills it")
    plane = Plane(points)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(_alternative(card))}">',
        f"<style>{STYLE}</style>",
        f'<rect class="card" x=".5" y=".5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="8"/>',
        *_heading(card),
        *_axes(plane),
        *_points(plane, points, advice),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _alternative(card: PickCard) -> str:
    return f"Run {card.label}: {card.size}, {card.speed}, {card.closeness}. {card.reason}."


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'


def _heading(card: PickCard) -> Iterator[str]:
    yield _text(24, 36, f"Run {card.label} in {card.engine} on {card.machine}", "title")
    yield _text(24, 58, f"{card.size} · {card.speed} · {card.closeness}")
    yield _text(24, 78, f"{card.reason}. Smaller: {card.smaller}.", "quiet")


def _axes(plane: Plane) -> Iterator[str]:
    for tick in (tick / 4 for tick in range(int(4 * plane.floor), 5)):
        y = plane.y(tick)
        yield f'<path class="line" d="M{LEFT} {y:.1f}H{RIGHT}"/>'
        yield _text(LEFT - 8, y + 4, f"{tick:g}", "quiet", "end")
    for size in plane.sizes():
        yield _text(plane.x(size), BOTTOM + 18, f"{size / MIB:g} MiB", "quiet", "middle")
    yield _text(LEFT, TOP - 10, "capability: 0 guessing, 1 all right", "quiet")
    yield _text(RIGHT, BOTTOM + 36, "size of the weights", "quiet", "end")


def _points(plane: Plane, points: Sequence[FrontierPoint], advice: Advice) -> Iterator[str]:
    steps = " ".join(f"{plane.x(p.x):.1f},{plane.y(p.y):.1f}" for p in _members(points))
    yield f'<polyline class="front" points="{steps}"/>'
    models = sorted({point.variant.model for point in points})
    for point in points:
        yield from _point(plane, point, f"m{models.index(point.variant.model) % 3}")
    if advice.pick is not None:
        chosen = next(point for point in points if point.variant.id == advice.pick.variant.id)
        x, y = plane.x(chosen.x), plane.y(chosen.y)
        yield f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="9"/>'
    yield from _labels(plane, points, advice)


def _labels(plane: Plane, points: Sequence[FrontierPoint], advice: Advice) -> Iterator[str]:
    by_id = {point.variant.id: point for point in points}
    boxes = [_around(plane, point) for point in points] + list(_along(plane, points))
    for identity, text in _label_texts(points, advice).items():
        box = _free_place(plane, by_id[identity], boxes, text)
        if box is not None:
            boxes.append(box)
            yield _leader(plane, by_id[identity], box)
            yield _text(box.left, box.bottom - 3, text, "pick" if text.startswith("pick:") else "")


def _leader(plane: Plane, point: FrontierPoint, box: Box) -> str:
    """A thin line from a point to its label."""
    x, y = plane.x(point.x), plane.y(point.y)
    end_x = min(max(x, box.left), box.right)
    end_y = min(max(y, box.top), box.bottom)
    return f'<path class="leader" d="M{x:.1f} {y:.1f}L{end_x:.1f} {end_y:.1f}"/>'


def _point(plane: Plane, point: FrontierPoint, kind: str) -> Iterator[str]:
    x, y = plane.x(point.x), plane.y(point.y)
    figure = point.variant.capability
    if figure is not None and figure.low is not None and figure.high is not None:
        low, high = plane.y(figure.low), plane.y(figure.high)
        yield f'<path class="{kind} error" d="M{x:.1f} {low:.1f}V{high:.1f}"/>'
    yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'


def _label_texts(points: Sequence[FrontierPoint], advice: Advice) -> dict[str, str]:
    """Text by variant id, in the order in which they get a place: the pick, what is smaller or
    faster, Q4_K_M and 16 bits of each model."""
    labels = {}
    choices = {
        "pick": advice.pick,
        "smaller": advice.smaller_choice and advice.smaller_choice.candidate,
        "faster": advice.faster_choice and advice.faster_choice.candidate,
    }
    for word, candidate in choices.items():
        if candidate is not None and candidate.variant.id in {p.variant.id for p in points}:
            labels.setdefault(candidate.variant.id, f"{word}: {candidate.label}")
    variants = [point.variant for point in sorted(points, key=lambda p: p.x)]
    for variant in variants:
        if variant.quant == "Q4_K_M" or variant.sixteen_bit:
            labels.setdefault(variant.id, variant.label)
    return labels


def _around(plane: Plane, point: FrontierPoint) -> Box:
    x, y = plane.x(point.x), plane.y(point.y)
    return Box(x - 5, y - 5, x + 5, y + 5)


def _along(plane: Plane, points: Sequence[FrontierPoint]) -> Iterator[Box]:
    """Small boxes on the line through the best trade-offs."""
    for start, end in pairwise(_members(points)):
        for step in range(1, 12):
            share = step / 12
            x = plane.x(start.x) * (1 - share) + plane.x(end.x) * share
            y = plane.y(start.y) * (1 - share) + plane.y(end.y) * share
            yield Box(x, y, x, y)


def _members(points: Sequence[FrontierPoint]) -> list[FrontierPoint]:
    return sorted((point for point in points if point.on_frontier), key=lambda p: p.x)


def _free_place(plane: Plane, point: FrontierPoint, boxes: Sequence[Box], text: str) -> Box | None:
    """A label's box that crosses no point and no label: below, above, right or left of its own."""
    x, y = plane.x(point.x), plane.y(point.y)
    width = TEXT_WIDTH * len(text)
    own = _around(plane, point)
    for distance in (12, 26, 40):
        below, above = y + distance, y - distance - TEXT_HEIGHT
        beside, middle = y - TEXT_HEIGHT / 2, x - width / 2
        corners = ((x + distance, beside), (middle, above), (middle, below))
        left_side = ((x - distance - width, beside), (x - distance - width, above))
        for left, top in (*corners, *left_side, (x + distance, below)):
            box = Box(left, top, left + width, top + TEXT_HEIGHT)
            inside = box.left >= LEFT and box.right <= RIGHT and box.top >= TOP - 8
            free = not any(box.overlaps(rival) for rival in boxes if rival != own)
            if inside and box.bottom <= BOTTOM and free:
                return box
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", help="a store that `grid sweep` filled")
    store = parser.parse_args().store
    advice = grid.recommend(store)
    print(draw(advice, frontier(Dataset(store).posterior(advice.hardware)).points), end="")


if __name__ == "__main__":
    main()
