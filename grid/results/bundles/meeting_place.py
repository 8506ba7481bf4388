"""A folder or URI where machines put bundles, and its page that lists them."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import PurePosixPath
from typing import NamedTuple

import pyarrow as pa

from grid.errors import InputError
from grid.models.display_names import visible
from grid.results.bundles.contents import ResultsBundle, read_bundle
from grid.results.location import Location, one_line

INDEX = "index.html"
ENDINGS = (".zip", ".tar")
MOST_BUNDLES = 500

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>quantgrid bundles</title>
<style>body{font:16px sans-serif;margin:2em}td,th{text-align:left;padding:.2em 1em .2em 0}</style>
</head><body><h1>quantgrid bundles</h1>
<p><code>grid compare-with PLACE</code> places a machine among these.</p>
<table><tr><th>bundle</th><th>published</th><th>cells</th><th>hardware</th><th>models</th></tr>
"""


class GatheredBundles(NamedTuple):
    """Bundles that could be read, and a line for each that was refused."""

    bundles: list[ResultsBundle]
    refused: list[str]


def gather(places: list[str]) -> GatheredBundles:
    """Bundles, and those of meeting places, by name. Raises InputError for a place without any."""
    bundles: list[ResultsBundle] = []
    refused: list[str] = []
    for place in places:
        names = _bundles_in(place)
        if not names:
            bundles.append(read_bundle(place))
        for name in names[:MOST_BUNDLES]:
            try:
                bundles.append(read_bundle(name))
            except InputError as error:
                refused.append(f"{visible(PurePosixPath(name).name)}: {error}")
        if len(names) > MOST_BUNDLES:
            refused.append(f"{len(names) - MOST_BUNDLES} bundles beyond the first {MOST_BUNDLES}")
    return GatheredBundles(bundles, refused)


def _bundles_in(place: str) -> list[str]:
    """Paths of the archives in a folder; none where it is itself a bundle."""
    if place.endswith(ENDINGS):
        return []
    location = Location(place)
    names = [e.name for e in location.entries() if e.is_file and e.name.endswith(ENDINGS)]
    base, question, query = place.partition("?")
    return [f"{base.rstrip('/')}/{name}{question}{query}" for name in names]


def new_place(folder: str, day: str) -> str:
    """A free name for a bundle in a meeting place: `2026-12-01-1a2b3c4d.zip`."""
    import secrets

    base, question, query = folder.partition("?")
    return f"{base.rstrip('/')}/{day}-{secrets.token_hex(4)}.zip{question}{query}"


def write_index(place: str) -> GatheredBundles:
    """Write the page of a meeting place, which needs no other file and runs no script.

    Raises InputError where it cannot be written.
    """
    gathered = gather([place])
    location = Location(place)
    try:
        location.write(INDEX, page(gathered.bundles).encode())
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"cannot write {location.display_path(INDEX)}: {one_line(error)}"
        ) from error
    return gathered


def page(bundles: list[ResultsBundle]) -> str:
    """The page; every text in it is escaped."""
    rows = []
    for bundle in bundles:
        name = PurePosixPath(bundle.name.partition("?")[0]).name
        attempts = bundle.tables["attempts"]
        models = sorted({str(model) for model in attempts["model"].to_pylist()})
        cells = [bundle.created, f"{attempts.num_rows:,}", ", ".join(bundle.hardware)]
        texts = [*cells, ", ".join(models)]
        link = f'<a href="./{escape(name, quote=True)}">{_text(name)}</a>'
        rows.append(f"<tr><td>{link}</td>{''.join(f'<td>{_text(t)}</td>' for t in texts)}</tr>\n")
    day = datetime.now(UTC).date().isoformat()
    return f"{_HEAD}{''.join(rows)}</table><p>Written on {day}.</p></body></html>\n"


def _text(text: str) -> str:
    return escape(visible(text))
