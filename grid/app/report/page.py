"""A report as files: one HTML page that needs nothing else, and its charts as SVG and PNG."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from grid.advice import PickCard
from grid.app.report.content import ClassReport
from grid.app.report.png import png_bytes
from grid.app.report.svg import STYLE, svg_text
from grid.errors import InputError


def write_report(target: Path, store: str, classes: Sequence[ClassReport]) -> list[Path]:
    """Write `target` and beside it NAME-chart.svg and .png for each chart; gives all paths.

    Raises InputError where a file cannot be written.
    """
    contents: dict[Path, bytes] = {target: page_text(store, classes).encode()}
    for number, of_class in enumerate(classes, 1):
        for name, drawing in of_class.charts:
            stem = (
                f"{target.stem}-{name}" if len(classes) == 1 else f"{target.stem}-{number}-{name}"
            )
            contents[target.with_name(f"{stem}.svg")] = svg_text(drawing).encode()
            contents[target.with_name(f"{stem}.png")] = png_bytes(drawing)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            path.write_bytes(content)
    except OSError as error:
        raise InputError(
            f"{error.filename or target}: cannot be written ({error.strerror}); name another file"
        ) from error
    return list(contents)


def page_text(store: str, classes: Sequence[ClassReport]) -> str:
    """The HTML page. All texts of rows are escaped; no script but its own runs in it."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(
        files("grid.app.report").joinpath("page.html").read_text(encoding="utf-8")
    )
    charts = [
        [Markup(svg_text(drawing, styled=False)) for _, drawing in of_class.charts]
        for of_class in classes
    ]
    return template.render(
        store=store,
        classes=classes,
        charts=charts,
        chart_style=Markup(STYLE),
        rows_of=_card_rows,
        when=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        version=version("quantgrid"),
    )


def _card_rows(card: PickCard) -> list[tuple[str, str]]:
    """A line for each question that a card answers."""
    rows = [
        ("why", card.reason),
        ("size", card.size),
        ("quality", card.closeness),
        ("capability", card.capability),
        ("speed", card.speed),
        ("memory", card.fits),
        ("sure", card.sure),
        ("smaller", card.smaller),
        ("faster", card.faster),
        ("the command sets", card.assumed),
    ]
    return [(name, text) for name, text in rows if text]
