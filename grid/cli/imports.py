"""`grid import`: rows out of what other tools wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.help_text import Commands
from grid.cli.options import Json, StoreUri
from grid.errors import InputError

if TYPE_CHECKING:
    from grid.results.imports import ImportedReport


EXAMPLES = """
grid import llama-bench.json
grid import lm-eval.json --hardware 'RTX 4090' --model Llama-3.1-8B
grid import --published              tables that come with quantgrid
grid import --list                   formats and tables
"""


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command("import", epilog=EXAMPLES)(import_)


def import_(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE...",
            help="Reports; with --published names of tables. Default: all tables.",
        ),
    ] = None,
    store: StoreUri = "results",
    kind: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="Of the files. Default: by their content."),
    ] = None,
    hardware: Annotated[
        str | None, typer.Option(metavar="NAME", help="The machine, where the files do not say it.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model, where the files do not say it.")
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Import the tables that come with quantgrid.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing, show what would be imported.")
    ] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="List the formats and the published tables.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Add reports of other tools, and published tables.

    Reads llama-bench, llama-perplexity, lm-evaluation-harness and optimum-benchmark. Imported rows
    name their origin and licence, and never mix with measured ones. The same file again adds
    nothing.
    """
    if listed:
        from grid.cli.views.imports import print_formats

        print_formats(as_json)
    elif published:
        if kind or hardware or model:
            raise InputError("--format, --hardware and --model are for files, not --published")
        _add(_published_reports(files or []), store, dry_run, as_json)
    elif files:
        from grid.results.imports import read_report

        _add(
            [read_report(Path(file), kind, hardware, model) for file in files],
            store,
            dry_run,
            as_json,
        )
    else:
        raise InputError("nothing to import; give a file, or --published; --list says what can be")


def _published_reports(names: Sequence[str]) -> Sequence[ImportedReport]:
    """Published tables by name; all of them for `all` or none."""
    from grid.results.imports.publications import all_publications, publication

    if not names or "all" in names:
        return all_publications()
    return [publication(name) for name in dict.fromkeys(names)]


def _add(
    reports: Sequence[ImportedReport], store: str, dry_run: bool, as_json: bool = False
) -> None:
    """Add reports to a store and print what is new; all have been read before one is written."""
    from grid.cli.views.imports import print_report, print_reports_json
    from grid.results.imports.writing import add_reports

    counts = [report.count for report in reports] if dry_run else add_reports(reports, store)
    if as_json:
        print_reports_json(reports, counts, dry_run)
        return
    for report, count in zip(reports, counts, strict=True):
        print_report(report, count, dry_run)
