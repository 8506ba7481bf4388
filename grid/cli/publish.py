"""`grid publish` and `grid compare-with`: results shared between machines."""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli.help_text import Commands
from grid.cli.options import Hardware, Json, Model, Quant, StoreUri

EXAMPLES = """
grid publish mine.zip
grid publish --to /mnt/share/bundles
"""
COMPARE_EXAMPLES = """
grid compare-with theirs.zip
grid compare-with /mnt/share/bundles --model Qwen3-8B
"""


def register(app: Commands) -> None:
    """Add both commands to the command line."""
    app.command(epilog=EXAMPLES)(publish)
    app.command("compare-with", epilog=COMPARE_EXAMPLES)(compare_with)


def publish(
    target: Annotated[
        str,
        typer.Argument(metavar="BUNDLE", help="A .zip, a .tar or a folder to write. Or give --to."),
    ] = "",
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="PLACE",
            help="A meeting place: a folder or URI. Its page index.html is written anew.",
        ),
    ] = "",
    store: StoreUri = "results",
    as_json: Json = False,
) -> None:
    """Write results as a bundle to share.

    A bundle has no paths, no names of machines or users, and no times of day. Figures that cannot
    be true are refused and named.
    """
    from datetime import UTC, datetime

    from grid.cli.views.bundles import print_published
    from grid.errors import InputError
    from grid.results.bundles.contents import publish as publish_rows
    from grid.results.bundles.meeting_place import new_place, write_index
    from grid.results.bundles.private_words import private_words
    from grid.results.reader import Results, require_rows

    if bool(target) == bool(to):
        raise InputError("give a bundle to write, such as mine.zip, or --to and a meeting place")
    results = require_rows(Results(store, exact=True))
    place = target or new_place(to, datetime.now(UTC).date().isoformat())
    bundle = publish_rows(results, place, private_words())
    listed = write_index(to) if to else None
    print_published(bundle, listed, as_json)


def compare_with(
    places: Annotated[
        list[str], typer.Argument(metavar="BUNDLE...", help="Bundles, or meeting places of them.")
    ],
    store: StoreUri = "results",
    model: Model = None,
    quant: Quant = None,
    hardware: Hardware = None,
    as_json: Json = False,
) -> None:
    """Place a machine among others of its hardware class.

    Each rate of the store is compared with that of the same model, quant, engine version and
    options in bundles. A bundle is checked as an import is; what it says is never run or followed.
    """
    from grid.analysis.among_others import place
    from grid.cli.selection import filter_of
    from grid.cli.views.bundles import print_comparisons
    from grid.results.bundles.meeting_place import gather
    from grid.results.reader import Results, require_rows

    results = require_rows(Results(store))
    gathered = gather(places)
    attempts = filter_of(model, quant, hardware)(results.final())
    metrics = results.metrics()
    comparisons = place(attempts, metrics, [bundle.tables for bundle in gathered.bundles])
    print_comparisons(comparisons, gathered, as_json)
