"""A drawing as SVG that follows the reader's light or dark page."""

from __future__ import annotations

import math
from html import escape

from grid.app.charts.theme import Look
from grid.app.report.drawing import Area, Drawing, Line, Mark, Shape, Words, palette

CORNERS = {"square": (4, 45), "diamond": (4, 0), "triangle-up": (3, -90), "triangle-down": (3, 90)}
CORNERS |= {"hexagon": (6, 0)}
"""Symbols that are regular: how many corners, and at which angle in degrees the first is."""


def svg_text(drawing: Drawing, styled: bool = True) -> str:
    """The whole file. Colours are CSS variables, dark ones where the reader prefers dark; `styled`
    False leaves out the style, for a page that has it."""
    size = f'width="{drawing.width}" height="{drawing.height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawing.width} '
            f'{drawing.height}" {size} role="img" aria-label="{escape(drawing.text)}">',
            *([f"<style>{STYLE}</style>"] if styled else []),
            '<rect class="f-ground" width="100%" height="100%"/>',
            *map(_element, drawing.shapes),
            "</svg>",
            "",
        ]
    )


def _style() -> str:
    light, dark = palette(Look()), palette(Look(dark=True))
    rules = ["text{font-family:system-ui,sans-serif}"]
    rules += [
        f".f-{role}{{fill:var(--{role})}}.s-{role}{{stroke:var(--{role});fill:none}}"
        for role in light
    ]
    return "".join(
        [
            f"svg{{{_variables(light)}max-width:100%;height:auto}}",
            f"@media(prefers-color-scheme:dark){{svg{{{_variables(dark)}}}}}",
            *rules,
        ]
    )


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{role}:{colour};" for role, colour in colours.items())


def _element(shape: Shape) -> str:
    match shape:
        case Line():
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
            dashes = ' stroke-dasharray="2 4"' if shape.dashed else ""
            faint = ' opacity=".4"' if shape.faint else ""
            return (
                f'<polyline class="s-{shape.role}" stroke-width="{shape.width}"{dashes}{faint} '
                f'points="{points}"/>'
            )
        case Area():
            return (
                f'<rect class="f-{shape.role}" opacity=".14" x="{shape.x:.1f}" y="{shape.y:.1f}" '
                f'width="{shape.width:.1f}" height="{shape.height:.1f}"/>'
            )
        case Words():
            return _words(shape)
        case Mark():
            return _mark(shape)


def _words(words: Words) -> str:
    turned = f' transform="rotate(-90 {words.x:.1f} {words.y:.1f})"' if words.turned else ""
    weight = ' font-weight="600"' if words.bold else ""
    return (
        f'<text class="f-{words.role}" x="{words.x:.1f}" y="{words.y:.1f}" '
        f'text-anchor="{words.anchor}" font-size="{words.size}"{weight}{turned}>'
        f"{escape(words.text)}</text>"
    )


def _mark(mark: Mark) -> str:
    kind = f'class="s-{mark.role}" stroke-width="{mark.width}"'
    if mark.filled:
        kind = f'class="f-{mark.role}"'
    outline = outline_of(mark)
    if outline is None:
        return f'<circle {kind} cx="{mark.x:.1f}" cy="{mark.y:.1f}" r="{mark.radius}"/>'
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in outline)
    return f'<polygon {kind} points="{points}"/>'


def outline_of(mark: Mark) -> list[tuple[float, float]] | None:
    """Corners of a mark's symbol [(x, y)] in px; None for a circle."""
    if mark.symbol == "circle":
        return None
    if mark.symbol == "star":
        radii, count, first = (mark.radius * 1.3, mark.radius * 0.55), 10, -90.0
    elif mark.symbol == "cross":
        radii, count, first = (mark.radius * 1.2, mark.radius * 0.2), 8, 45.0
    else:
        count, first = CORNERS[mark.symbol]
        radii = (mark.radius * 1.25, mark.radius * 1.25)
    angles = [math.radians(first + 360 * i / count) for i in range(count)]
    return [
        (mark.x + radii[i % 2] * math.cos(angle), mark.y + radii[i % 2] * math.sin(angle))
        for i, angle in enumerate(angles)
    ]


STYLE = _style()
"""What the classes of its elements mean."""
