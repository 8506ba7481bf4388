"""`grid results`: rows of a store."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from grid.cli import compact, export, merge
from grid.cli.help_text import Commands
from grid.cli.options import Columns, Hardware, Json, Model, Quant, StoreUri, Where, split_names
from grid.errors import InputError

if TYPE_CHECKING:
    from grid.results.reader import Results

EXAMPLES = """
grid results --quant Q4_K_M --sort -decode_tps
grid results --columns model,quant,artifact_bytes,kld_mean
grid results --where "decode_tps > 20 AND quant LIKE 'Q4%'" --json
"""


ROWS_SHOWN = 40


class RowsArgs(NamedTuple):
    """Which rows and columns to show, by the command line; `where` is SQL."""

    where: str | None = None
    columns: tuple[str, ...] = ()
    sort: str | None = None
    limit: int | None = None


def register(app: Commands) -> None:
    """Add the command to the command line; `results export` and the like stay as they were."""
    results_app = Commands(invoke_without_command=True, epilog=EXAMPLES)
    results_app.callback()(results)
    for command in (export.export, merge.merge, compact.compact):
        results_app.command(hidden=True)(command)
    app.add_typer(results_app, name="results")


def results(
    context: typer.Context,
    store: StoreUri = "results",
    model: Model = None,
    quant: Quant = None,
    hardware: Hardware = None,
    where: Where = None,
    columns: Columns = None,
    sort: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Sort by a column; -COLUMN: the largest first."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="COUNT", help=f"Rows at most. Default: {ROWS_SHOWN}; with --json all."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the rows of a store.

    One row for each cell, which is one measurement of one variant; its newest attempt counts.
    """
    from grid.cli.selection import join_conditions, select

    command = context.invoked_subcommand
    if command is not None:
        if where or columns or sort:
            raise InputError(f"--where, --columns and --sort go after `results {command}`")
        return
    rows = open_rows(store)
    chosen = select(rows.attempts(), model, quant, hardware).sql
    args = RowsArgs(join_conditions(chosen, where), split_names([columns or ""]), sort, limit)
    show_results(rows, args, as_json=as_json)


def show_results(results: Results, args: RowsArgs, as_json: bool = False) -> None:
    """Print one row a cell: what it was and its main figures, or the columns asked for. JSON has
    every column, or those."""
    import msgspec

    from grid.cli.views.console import print_json
    from grid.cli.views.results import SOURCE_COLUMNS, headline_columns, print_rows
    from grid.results.export import FORMATS, table

    names = list(args.columns)
    stored = results.wide().column_names
    if as_json:
        rows = table(results, args.where, names or stored, args.sort, args.limit)
        print_json(msgspec.json.decode(FORMATS["json"](rows)))
        return
    optional = [*(() if names else headline_columns()), *SOURCE_COLUMNS]
    wanted = dict.fromkeys([*names, *(name for name in optional if name in stored)])
    rows = table(results, args.where, list(wanted), args.sort, args.limit or ROWS_SHOWN)
    print_rows(rows.to_pylist(), names or None, results.final().num_rows)


def open_rows(store: str) -> Results:
    """A store that has rows; files in it that cannot be read are named on standard error."""
    from grid.cli.without_pandas import leave_pandas_out
    from grid.results import open_store
    from grid.results.reader import require_rows

    leave_pandas_out()
    results = require_rows(open_store(store))
    for problem in results.problems:
        sys.stderr.write(f"skipped {problem.file}: {problem.reason}\n")
    return results
