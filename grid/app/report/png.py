"""A drawing as PNG in light colours, twice its size in pixels, through Pillow."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from grid.app.charts.theme import Look
from grid.app.report.drawing import Area, Drawing, Line, Mark, Shape, Words, palette
from grid.app.report.svg import outline_of

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

SCALE = 2
FINE = 2
"""Drawn this many times larger still, and made smaller: edges come out smooth."""
ZOOM = SCALE * FINE
DASH, GAP = 3.0, 4.0

_FONTS = (("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"), ("arial.ttf", "arialbd.ttf"))
"""Fonts of Linux, Windows and macOS with letters of many scripts; Pillow's own has Latin ones."""


def png_bytes(drawing: Drawing) -> bytes:
    """The whole file."""
    from PIL import Image, ImageDraw

    colours = palette(Look())
    size = (drawing.width * ZOOM, drawing.height * ZOOM)
    image = Image.new("RGB", size, colours["ground"])
    canvas = ImageDraw.Draw(image, "RGBA")
    for shape in drawing.shapes:
        _draw(canvas, image, shape, colours)
    final_size = (drawing.width * SCALE, drawing.height * SCALE)
    smaller = image.resize(final_size, Image.Resampling.LANCZOS)
    target = BytesIO()
    smaller.save(target, "PNG", optimize=True, dpi=(96 * SCALE, 96 * SCALE))
    return target.getvalue()


def _draw(canvas: ImageDraw, image: Any, shape: Shape, colours: dict[str, str]) -> None:
    colour = colours[shape.role]
    match shape:
        case Line():
            _draw_line(canvas, shape, colour + ("66" if shape.faint else "ff"))
        case Area():
            corners = (shape.x, shape.y, shape.x + shape.width, shape.y + shape.height)
            canvas.rectangle([ZOOM * c for c in corners], fill=f"{colour}24")
        case Mark():
            _draw_mark(canvas, shape, colour)
        case Words():
            _draw_words(canvas, image, shape, colour)


def _draw_line(canvas: ImageDraw, line: Line, colour: str) -> None:
    points = [(ZOOM * x, ZOOM * y) for x, y in line.points]
    width = max(1, round(ZOOM * line.width))
    if not line.dashed:
        canvas.line(points, fill=colour, width=width)
        return
    for (x0, y0), (x1, y1) in pairwise(points):
        length = max(abs(x1 - x0), abs(y1 - y0)) or 1.0
        at = 0.0
        while at < length:
            share = at / length, min(at + ZOOM * DASH, length) / length
            ends = [(x0 + (x1 - x0) * s, y0 + (y1 - y0) * s) for s in share]
            canvas.line(ends, fill=colour, width=width)
            at += ZOOM * (DASH + GAP)


def _draw_mark(canvas: ImageDraw, mark: Mark, colour: str) -> None:
    width = max(1, round(ZOOM * mark.width))
    outline = outline_of(mark)
    fill = colour if mark.filled else None
    if outline is not None:
        points = [(ZOOM * x, ZOOM * y) for x, y in outline]
        canvas.polygon(points, fill=fill, outline=colour, width=1 if mark.filled else width)
        return
    upper_left, lower_right = (
        (ZOOM * (mark.x + side), ZOOM * (mark.y + side)) for side in (-mark.radius, mark.radius)
    )
    box = (upper_left, lower_right)
    canvas.ellipse(box, fill=fill, outline=colour, width=1 if mark.filled else width)


def _draw_words(canvas: ImageDraw, image: Any, words: Words, colour: str) -> None:
    font = _font(words.size * ZOOM, words.bold)
    anchor = {"start": "ls", "middle": "ms", "end": "rs"}[words.anchor]
    if not words.turned:
        canvas.text((ZOOM * words.x, ZOOM * words.y), words.text, colour, font, anchor=anchor)
        return
    from PIL import Image, ImageDraw

    length = round(canvas.textlength(words.text, font)) + 2 * ZOOM
    height = round(1.5 * words.size * ZOOM)
    strip = Image.new("RGBA", (length, height))
    ImageDraw.Draw(strip).text((length / 2, height * 0.75), words.text, colour, font, anchor="ms")
    turned = strip.rotate(90, expand=True)
    corner = (round(ZOOM * words.x - height * 0.75), round(ZOOM * words.y - length / 2))
    image.paste(turned, corner, turned)


def _font(size: int, bold: bool) -> Any:
    from PIL import ImageFont

    for names in _FONTS:
        try:
            return ImageFont.truetype(names[bold], size)
        except OSError:
            continue
    return ImageFont.load_default(size)
