"""`grid export`: rows of a store as a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from grid.cli.help_text import Commands
from grid.cli.options import Columns, Hardware, Model, Quant, StoreUri, Where, split_names
from grid.errors import InputError

EXAMPLES = """
grid export rows.csv
grid export small.parquet --model small --quant Q4_K_M,Q8_0
grid export --format md --columns model,quant,decode_tps
"""

FORMAT_OF_ENDING = {".csv": "csv", ".json": "json", ".md": "md", ".parquet": "parquet"}


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command(epilog=EXAMPLES)(export)


def export(
    target: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="File to write. Default: the terminal.")
    ] = None,
    store: StoreUri = "results",
    model: Model = None,
    quant: Quant = None,
    hardware: Hardware = None,
    where: Where = None,
    columns: Columns = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="csv, json, md or parquet. Default: by the file's ending, else csv.",
        ),
    ] = None,
) -> None:
    """Write the rows to a file: CSV, JSON, Markdown or Parquet.

    One row for each measured cell, a column for each metric and its interval.
    """
    from grid.cli.results import open_rows
    from grid.cli.selection import join_conditions, select
    from grid.results.export import export as write_rows

    kind = kind or (FORMAT_OF_ENDING.get(target.suffix) if target else "csv")
    if kind is None:
        raise InputError(
            f"{target}: no format for this ending; add --format csv, json, md or parquet"
        )
    results = open_rows(store)
    chosen = select(results.attempts(), model, quant, hardware).sql
    names = list(split_names([columns or ""])) or None
    count = write_rows(results, target, kind, join_conditions(chosen, where), names)
    sys.stderr.write(f"{count} rows written to {target or 'standard output'}\n")
