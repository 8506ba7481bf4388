"""The look that all charts share: colours, symbols, fonts, units of axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import plotly.graph_objects as go

from grid.app.colours import DARK, LIGHT
from grid.units import GIB, KIB, MIB

SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "triangle-down",
    "cross",
    "star",
    "hexagon",
)

_LIGHT = ("#0072B2", "#D55E00", "#009E73", "#B0487F", "#8A6D00", "#3A3A3A")
_DARK = ("#56B4E9", "#E69F00", "#29B890", "#DE93BC", "#F0E442", "#C8C8C8")

FONT = 13
SMALL = 12
"""Sizes of text, px; nothing is smaller."""

LOG_FROM = 4.0
"""Greatest over smallest value from which an axis is logarithmic."""

MOST_TICKS = 6
"""Ticks of a logarithmic axis that a phone has room for."""

LEGEND_LINE, LEGEND_NAME, PHONE_LETTERS = 20, 220, 12
"""Height of a legend's line and width of its names, px, and letters of names of which a phone has
room for two."""

WIDE_ONLY = "\u2060"
"""Beginning of a text that a narrow chart hides: a character without width, which the page's style
looks for."""

STYLE = f"""
  [data-testid="stPlotlyChart"] {{ container-type: inline-size; }}
  @container (max-width: 619px) {{
    [data-testid="stPlotlyChart"] text[data-unformatted^="{WIDE_ONLY}"] {{ display: none; }}
  }}
"""
"""What the page's style says of charts."""

WEBGL_FROM = 800
"""Points from which a trace is drawn by the graphics card."""


@dataclass(frozen=True, slots=True)
class Look:
    """Colours that can be read on the viewer's background."""

    dark: bool = False

    @property
    def _page(self) -> Mapping[str, str]:
        return DARK if self.dark else LIGHT

    @property
    def ink(self) -> str:
        return self._page["textColor"]

    @property
    def muted(self) -> str:
        return "#9A9DA6" if self.dark else "#6B6F7A"

    @property
    def lines(self) -> str:
        return "#3A3D46" if self.dark else "#DDDFE4"

    @property
    def ground(self) -> str:
        return self._page["backgroundColor"]

    @property
    def halo(self) -> str:
        """Shadow of a text, which keeps lines behind it from its letters."""
        return ", ".join([f"0 0 2px {self.ground}"] * 4)

    @property
    def accent(self) -> str:
        return self.colours(1)[0]

    @property
    def good(self) -> str:
        return "#29B890" if self.dark else "#009E73"

    @property
    def ramp(self) -> list[list[object]]:
        """From poor to good, by lightness as well as by hue (Cividis' ends)."""
        return [[0.0, "#8B2F00"], [0.5, "#F0E0B0"], [1.0, "#005A8C"]]

    def colours(self, count: int) -> list[str]:
        return list(islice(cycle(_DARK if self.dark else _LIGHT), count))

    def marks(self, names: Sequence[str]) -> dict[str, tuple[str, str]]:
        """A colour and a symbol for each name, always the same for the same names.

        Symbols have another period than colours, so 24 names have 24 pairs.
        """
        colours, symbols = self.colours(len(names)), islice(cycle(SYMBOLS), len(names))
        return dict(zip(names, zip(colours, symbols, strict=True), strict=True))


def figure(look: Look, x: str = "", y: str = "", height: int = 460) -> go.Figure:
    """An empty figure with axis titles; transparent, with its legend below."""
    chart = go.Figure()
    chart.update_layout(
        height=height,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"size": FONT, "color": look.ink},
        margin={"l": 8, "r": 8, "t": 16, "b": 8},
        legend={
            "orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom", "x": 0,
            "font": {"size": FONT, "color": look.ink}, "itemsizing": "constant",
        },
        hoverlabel={
            "font": {"size": FONT, "color": look.ink}, "bgcolor": look.ground,
            "bordercolor": look.muted, "align": "left",
        },
        dragmode=False,
    )  # fmt: skip
    style_axes(chart, look, x, y)
    return chart


def ring(look: Look, size: int = 22, width: float = 2.5, symbol: str = "circle") -> dict[str, Any]:
    """The marker around the pick; `size` and `width` in px."""
    line = {"width": width, "color": look.ink}
    return {"symbol": f"{symbol}-open", "size": size, "color": look.ink, "line": line}


def legend_height(names: Sequence[str]) -> int:
    """Px that a legend takes on a phone beyond its first line."""
    letters = max((len(name) for name in names), default=0)
    across = 2 if letters <= PHONE_LETTERS else 1
    return LEGEND_LINE * max(0, math.ceil(len(names) / across) - 1)


def style_axes(chart: go.Figure, look: Look, x: str, y: str) -> None:
    """Titles and lines of the axes."""
    common: dict[str, Any] = {
        "gridcolor": look.lines,
        "zeroline": False,
        "automargin": True,
        "tickfont": {"size": SMALL, "color": look.ink},
    }
    for update, title in ((chart.update_xaxes, x), (chart.update_yaxes, y)):
        update(title={"text": title, "font": {"size": FONT, "color": look.ink}}, **common)


def write_at(chart: go.Figure, texts: Iterable[Mapping[str, Any]], look: Look) -> None:
    """Small texts on a chart, each placed as Plotly's annotations are: all at once, for one by one
    Plotly would check each again with every later one."""
    font = {"size": SMALL, "color": look.ink}
    chart.layout.annotations = [{"showarrow": False, "font": font, **text} for text in texts]


def wide(values: Iterable[float]) -> bool:
    """True where values, all above 0, span so much that a logarithmic axis reads better."""
    numbers = list(values)
    return bool(numbers) and min(numbers) > 0 and max(numbers) / min(numbers) >= LOG_FROM


@dataclass(frozen=True, slots=True)
class Scale:
    """A unit that people read, and how many base units are one of it."""

    unit: str
    factor: float


def byte_scale(values: Iterable[float]) -> Scale:
    """GiB, MiB or KiB, so that the largest is above 1."""
    most = max(values, default=0.0)
    for unit, factor in (("GiB", GIB), ("MiB", MIB)):
        if most >= factor:
            return Scale(unit, float(factor))
    return Scale("KiB", float(KIB))


def time_scale(values: Iterable[float]) -> Scale:
    """Seconds, or milliseconds where all are below one."""
    return Scale("s", 1.0) if max(values, default=0.0) >= 1 else Scale("ms", 1e-3)


def nice_ticks(low: float, high: float) -> list[float]:
    """Values 1, 2 and 5 of each power of ten from low to high, for a logarithmic axis."""
    ticks = [base * 10.0**power for power in range(-12, 16) for base in (1, 2, 5)]
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]


def even_ticks(low: float, high: float) -> list[float]:
    """At most `MOST_TICKS` round values at even steps from low to high."""
    rough = (high - low) / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(base * power for base in (1, 2, 5, 10) if base * power >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(index * step, 12) for index in range(first, last + 1)]


def tick_text(value: float) -> str:
    """`5k` for 5000: short enough for a phone."""
    for scale, unit in ((1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:.10g}{unit}"
    return f"{value:.10g}"


def log_axis(chart: go.Figure, which: str, values: Sequence[float]) -> None:
    """Make an axis logarithmic with ticks at round numbers; `which` is x or y."""
    low, high = min(values) / 1.18, max(values) * 1.18
    ticks = nice_ticks(low, high)
    if len(ticks) > MOST_TICKS:
        tens = [tick for tick in ticks if f"{tick:e}"[0] == "1"]
        ticks = tens[:: 1 + len(tens) // (MOST_TICKS + 1)]
    chart.update_layout(
        {
            f"{which}axis": {
                "type": "log",
                "range": [math.log10(low), math.log10(high)],
                "tickvals": ticks,
                "ticktext": [tick_text(tick) for tick in ticks],
                "tickangle": 0,
            }
        }
    )
