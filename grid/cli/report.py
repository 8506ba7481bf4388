"""`grid report`: the answer of a store as one HTML file, with its charts beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grid.cli.help_text import Commands
from grid.cli.options import Hardware, Json, Model, Quant, StoreUri
from grid.errors import InputError

EXAMPLES = """
grid report
grid report qwen3.html --model Qwen3-8B --hardware 4090
"""


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command(epilog=EXAMPLES)(report)


def report(
    target: Annotated[
        Path, typer.Argument(metavar="FILE", help="HTML file to write.", show_default=True)
    ] = Path("report.html"),
    store: StoreUri = "results",
    model: Model = None,
    quant: Quant = None,
    hardware: Hardware = None,
    as_json: Json = False,
) -> None:
    """Write what to run, all figures and charts as one HTML file.

    The file needs no other and no network. Each chart is also written beside it as SVG and PNG.
    """
    from grid.advice.offered_rows import offered_rows
    from grid.analysis.dataset import Dataset
    from grid.app.report.content import class_report
    from grid.app.report.page import write_report
    from grid.cli.selection import matching_classes, select_dataset
    from grid.cli.views.class_warnings import class_warnings
    from grid.cli.views.console import console, print_json, say, warn
    from grid.results.problems import explain_no_results, missing_rows_note

    if target.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{target}: a report is an HTML file; name it {target.stem}.html")
    dataset = Dataset(store)
    if dataset.is_empty:
        raise InputError(explain_no_results(dataset.display_name, dataset.problems))
    warn(missing_rows_note(dataset.problems))
    dataset = offered_rows(select_dataset(dataset, model, quant, None))
    names = sorted(hardware_class.name for hardware_class in dataset.classes)
    if hardware is not None:
        names = matching_classes(hardware, names)
    names = [name for name in names if dataset.variants(name)]
    if not names:
        raise InputError(
            f"{dataset.display_name}: no hardware class has a measured variant; see grid results"
        )
    reports = [class_report(dataset, name, class_warnings(dataset, name)) for name in names]
    paths = write_report(target, dataset.display_name, reports)
    lines = [answer.line for of_class in reports for answer in of_class.answers if answer.line]
    if as_json:
        print_json({"files": [str(path) for path in paths], "cards": lines})
        return
    for line in lines:
        console().print(line)  # whole, to be pasted, in the file and in JSON
    charts = sum(path.suffix == ".svg" for path in paths)
    say(f"{target} written, and {charts} charts beside it as SVG and PNG")
