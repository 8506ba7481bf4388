"""`grid import`: rows out of what other tools wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grid.cli.options import StoreUri
from grid.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the command to `grid`."""
    app.command("import")(import_)


def import_(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE...]",
            help="Reports to import; with --published names of tables, all of them by default.",
        ),
    ] = None,
    store: StoreUri = "results",
    kind: Annotated[
        str | None, typer.Option("--format", help="Of the files; default: seen from the content.")
    ] = None,
    hardware: Annotated[
        str | None, typer.Option(help="Name of the machine, where the files do not say it.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Name of the model, where the files do not say it.")
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Import published tables that come with quantgrid.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be imported; write nothing.")
    ] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="List the formats and the published tables.")
    ] = False,
) -> None:
    """Bring in reports of other tools, and published tables.

    Of llama-bench, llama-perplexity, lm-evaluation-harness and optimum-benchmark. Imported rows
    name their origin and licence and stay apart from measured ones. The same file again adds
    nothing.
    """
    from grid.cli.views import imports as shown

    if listed:
        shown.list_formats()
    elif published:
        if kind or hardware or model:
            raise InputError("--format, --hardware and --model are for files, not --published")
        shown.import_published(files or [], store, dry_run=dry_run)
    elif files:
        paths = [Path(file) for file in files]
        shown.import_files(paths, store, kind, hardware, model, dry_run=dry_run)
    else:
        raise InputError("nothing to import; give a file, or --published; --list says what can be")
