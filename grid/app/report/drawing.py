"""Shapes of a still picture, in px from its upper left corner; colours by the role they play."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grid.app.charts.theme import Look

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points [(x, y)]; `faint` is drawn light, as an interval's bar."""

    points: tuple[tuple[float, float], ...]
    role: str
    width: float = 1.0
    dashed: bool = False
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A symbol of `theme.SYMBOLS`, or `cross`, around (x, y); `filled` or only its outline."""

    x: float
    y: float
    radius: float
    role: str
    symbol: str = "circle"
    filled: bool = True
    width: float = 1.5


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text whose baseline is at y; `size` in px, `turned`: read upwards."""

    x: float
    y: float
    text: str
    role: str = "ink"
    anchor: Anchor = "start"
    size: int = 12
    bold: bool = False
    turned: bool = False


@dataclass(frozen=True, slots=True)
class Area:
    """A filled rectangle, drawn light."""

    x: float
    y: float
    width: float
    height: float
    role: str


Shape = Line | Mark | Words | Area


@dataclass(frozen=True)
class Drawing:
    """Shapes in the order in which they cover each other; `text` says what they show."""

    width: int
    height: int
    shapes: tuple[Shape, ...]
    text: str


def palette(look: Look) -> dict[str, str]:
    """The colour of each role: `ink`, `muted`, `lines`, `ground`, `good`, and `series0` on."""
    roles = {name: str(getattr(look, name)) for name in ("ink", "muted", "lines", "ground", "good")}
    return roles | {f"series{i}": colour for i, colour in enumerate(look.colours(6))}
