"""`grid compact`: few files in place of many."""

from __future__ import annotations

from grid.cli.help_text import Commands
from grid.cli.options import Json, StoreUri


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command()(compact)


def compact(store: StoreUri = "results", as_json: Json = False) -> None:
    """Merge a store's many small files into one for each table.

    Damaged files stay as they are.
    """
    from grid.cli.results import open_rows
    from grid.cli.views.results import print_compaction
    from grid.results.compact import compact as compact_files

    open_rows(store)
    print_compaction(compact_files(store), as_json)
