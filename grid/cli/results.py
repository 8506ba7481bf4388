"""`grid results`: rows of a store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.options import Columns, StoreUri, Where
from grid.errors import InputError

if TYPE_CHECKING:
    from grid.results.reader import Results

_FORMATS = {".csv": "csv", ".json": "json", ".md": "md", ".parquet": "parquet"}

results_app = typer.Typer(
    help="Look at a store's rows, export, merge and compact them.",
    rich_markup_mode=None,
    invoke_without_command=True,
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(results_app, name="results")


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
    from grid.results.export import export as write_rows

    kind = kind or (_FORMATS.get(target.suffix) if target else "csv")
    if kind is None:
        raise InputError(
            f"{target}: no format for this ending; add --format csv, json, md or parquet"
        )
    count = write_rows(_open(store), target, kind, where, _names(columns))
    sys.stderr.write(f"{count} rows written to {target or 'standard output'}\n")


@results_app.command()
def compact(store: StoreUri = "results") -> None:
    """Merge a store's many small files into one for each table; damaged files stay as they are."""
    from grid.cli.views.results import print_compaction
    from grid.results.compact import compact as compact_files

    _open(store)
    print_compaction(compact_files(store))


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
    from grid.cli.views.results import print_merge
    from grid.results.merge import merge as merge_stores

    for merged in merge_stores(sources, store):
        print_merge(merged)


def show_results(
    store: str, where: str | None, columns: str | None, sort: str | None, limit: int
) -> None:
    """Print one row a cell: what it was and its main figures, or the columns asked for."""
    from grid.cli.views.results import SOURCE_COLUMNS, headline_columns, print_rows
    from grid.results.export import table

    results = _open(store)
    names = _names(columns)
    stored = results.wide().column_names
    optional = [*(() if names else headline_columns()), *SOURCE_COLUMNS]
    wanted = dict.fromkeys([*(names or ()), *(name for name in optional if name in stored)])
    rows = table(results, where, list(wanted), sort, limit).to_pylist()
    print_rows(rows, names, results.final().num_rows)


def _open(store: str) -> Results:
    """A store that has rows; files in it that cannot be read are named on standard error."""
    from grid.results import open_store
    from grid.results.reader import require_rows

    results = require_rows(open_store(store))
    for problem in results.problems:
        sys.stderr.write(f"skipped {problem.file}: {problem.reason}\n")
    return results


def _names(columns: str | None) -> list[str] | None:
    return [name.strip() for name in columns.split(",") if name.strip()] if columns else None
