"""`grid merge`: rows of other stores."""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli.help_text import Commands
from grid.cli.options import Json, StoreUri

EXAMPLES = """
grid merge /media/stick/results
grid merge s3://bucket/rows desk/results --store all-machines
"""


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command(epilog=EXAMPLES)(merge)


def merge(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Stores to take rows from: folders or URIs."),
    ],
    store: StoreUri = "results",
    as_json: Json = False,
) -> None:
    """Add the rows of other stores.

    Such as one copied from another machine. Rows that are there already are left out: the same
    command again changes nothing.
    """
    from grid.cli.views.results import print_merges
    from grid.results.merge import merge as merge_stores

    print_merges(merge_stores(sources, store), as_json)
