"""`grid results`: rows of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grid.cli.options import Columns, StoreUri, Where
from grid.errors import InputError

results_app = typer.Typer(
    help="Look at a store's rows, export, merge and compact them.",
    rich_markup_mode=None,
    invoke_without_command=True,
)


@results_app.callback()
def results(
    context: typer.Context,
    store: StoreUri = "results",
    where: Where = None,
    columns: Columns = None,
    sort: Annotated[
        str | None, typer.Option(help="Column to sort by; -column for the largest first.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 40,
) -> None:
    """Print a table of the newest final attempts, one row a cell."""
    if context.invoked_subcommand is None:
        from grid.cli.views.results import show_results

        show_results(store, where, columns, sort, limit)
    elif where or columns or sort:
        command = context.invoked_subcommand
        raise InputError(f"--where, --columns and --sort go after `results {command}`, not before")


@results_app.command()
def export(
    target: Annotated[
        Path | None, typer.Argument(help="File to write; default: the terminal.")
    ] = None,
    store: StoreUri = "results",
    kind: Annotated[
        str | None,
        typer.Option("--format", help="csv, json, md or parquet; default: by the file's ending."),
    ] = None,
    where: Where = None,
    columns: Columns = None,
) -> None:
    """Write the table of final attempts, with a column for each metric and its interval."""
    from grid.cli.views.results import export_results

    export_results(store, target, kind, where, columns)


@results_app.command()
def compact(store: StoreUri = "results") -> None:
    """Merge a store's many small files into one for each table; damaged files stay as they are."""
    from grid.cli.views.results import compact_store

    compact_store(store)


@results_app.command()
def merge(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Stores to bring rows from: folders or URIs."),
    ],
    store: StoreUri = "results",
) -> None:
    """Add the rows of other stores, such as one copied from a machine that is in no cluster.

    What is there already is left out, so the same again changes nothing.
    """
    from grid.cli.views.merge import merge_stores

    merge_stores(sources, store)
