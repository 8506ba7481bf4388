"""`grid import`: rows out of what other tools wrote."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from grid.cli.help_text import Commands
from grid.cli.options import Json, StoreUri
from grid.errors import InputError

if TYPE_CHECKING:
    from grid.results.imports import ImportedReport
    from grid.results.imports.mapped.column_map import ColumnMap


ColumnsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="MAP",
        help="Columns of a table, as COLUMN=NAME[:UNIT][@TOKENS], or a map that was saved.",
    ),
]
OverrideOption = Annotated[
    bool,
    typer.Option("--override", help="--model and --hardware count before what the files say."),
]
SavedMapOption = Annotated[
    str | None,
    typer.Option("--save-map", metavar="NAME", help="Save the map of --map under a name."),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Write nothing, show what would be imported.")
]
ListOption = Annotated[
    bool, typer.Option("--list", help="List the formats and the published tables.")
]

EXAMPLES = """
grid import llama-bench.json
grid import lm-eval.json --hardware 'RTX 4090' --model Llama-3.1-8B
grid import logs/ --dry-run          all files of a folder, nothing written
grid import quants.md --map 'Quant=quant,KLD=kld_mean' --save-map mine
grid import next.csv --map mine      any table, by its columns
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
            help="Reports, or folders of them; with --published names of tables, by default all.",
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
    override: OverrideOption = False,
    columns: ColumnsOption = None,
    saved_name: SavedMapOption = None,
    published: Annotated[
        bool, typer.Option("--published", help="Import the tables that come with quantgrid.")
    ] = False,
    dry_run: DryRunOption = False,
    listed: ListOption = False,
    as_json: Json = False,
) -> None:
    """Add reports of other tools, and published tables.

    Reads llama-bench, llama-perplexity, lm-evaluation-harness, optimum-benchmark and those of
    --list, and any markdown or CSV table by --map. What cannot be read is said line by line, the
    others are added, and the exit code is 1; it is 2 where nothing could be read. Imported rows
    name their origin and licence, and never mix with measured ones. The same file again adds
    nothing.
    """
    if listed:
        from grid.cli.views.imports import print_formats

        print_formats(as_json)
    elif published:
        if kind or hardware or model or columns or saved_name:
            raise InputError(
                "--format, --hardware, --model, --map and --save-map are for files, not --published"
            )
        _add(_published_reports(files or []), store, dry_run, as_json)
    elif files:
        mapped = _column_map(columns or [], saved_name, kind)
        if override and not (hardware or model):
            raise InputError("--override is for --model and --hardware; give one of them")
        batch = _read_files(files, kind, hardware, model, mapped, override)
        _add(batch.reports, store, dry_run, as_json, batch.failures)
        if mapped is not None and saved_name and not dry_run:
            _save(saved_name, mapped)
        if batch.failures or any(report.refused for report in batch.reports):
            raise typer.Exit(1)
    else:
        raise InputError("nothing to import; give a file, or --published; --list says what can be")


def _column_map(texts: Sequence[str], saved_name: str | None, kind: str | None) -> ColumnMap | None:
    """The map of --map, checked before a file is read; None without one."""
    from grid.results.imports.mapped.map_files import requested_map, require_map_name

    if saved_name is not None:
        require_map_name(saved_name)
        if not texts:
            raise InputError("--save-map saves what --map gives; give --map too")
    if texts and kind:
        raise InputError("--format and --map exclude each other; --map reads tables by columns")
    return requested_map(texts) if texts else None


def _save(name: str, columns: ColumnMap) -> None:
    from grid.results.imports.mapped.map_files import save_map

    _write_lines([f"saved the map as {save_map(name, columns)}; `--map {name}` reads with it"])


def _published_reports(names: Sequence[str]) -> Sequence[ImportedReport]:
    """Published tables by name; all of them for `all` or none."""
    from grid.results.imports.publications import all_publications, publication

    if not names or "all" in names:
        return all_publications()
    return [publication(name) for name in dict.fromkeys(names)]


class _Batch(NamedTuple):
    """What was read of files, and a line for each that could not be."""

    reports: list[ImportedReport]
    failures: list[str]


def _read_files(
    files: Sequence[str],
    kind: str | None,
    hardware: str | None,
    model: str | None,
    columns: ColumnMap | None = None,
    override: bool = False,
) -> _Batch:
    """Read files and those of folders. What of them cannot be read is printed on standard error, a
    line each. Raises InputError where nothing can be imported."""
    from grid.results.imports import read_report, require_format
    from grid.results.imports.folders import files_in

    require_format(kind)
    batch = _Batch([], [])
    for path in files_in(files):
        try:
            if isinstance(path, InputError):
                raise path
            batch.reports.append(read_report(path, kind, hardware, model, columns, override))
        except InputError as error:
            batch.failures.append(str(error))
    if not any(report.count for report in batch.reports):
        raise _nothing(batch)
    refused = [line for report in batch.reports for line in report.refused]
    _write_lines([*batch.failures, *refused])
    return batch


def _nothing(batch: _Batch) -> InputError:
    """The error of files without an attempt, which names what was not understood."""
    notes = [line for report in batch.reports for line in report.skipped]
    *others, last = [*notes, *batch.failures] or ["nothing to import"]
    _write_lines(others)
    return InputError(last if batch.failures else f"{last}; nothing is left to import")


def _write_lines(lines: Sequence[str]) -> None:
    from grid.models.display_names import visible

    for line in lines:
        sys.stderr.write(f"grid: {visible(line, prose=True)}\n")


def _add(
    reports: Sequence[ImportedReport],
    store: str,
    dry_run: bool,
    as_json: bool = False,
    failures: Sequence[str] = (),
) -> None:
    """Add reports to a store and print what is new; all have been read before one is written."""
    from grid.cli.views.imports import print_conflicts, print_report, print_reports_json
    from grid.results.imports.writing import add_reports, conflicts_of

    conflicts = conflicts_of(reports, store)
    counts = [report.count for report in reports] if dry_run else add_reports(reports, store)
    if as_json:
        print_reports_json(reports, counts, dry_run, failures, conflicts)
        return
    for report, count in zip(reports, counts, strict=True):
        print_report(report, count, dry_run)
    print_conflicts(conflicts)
