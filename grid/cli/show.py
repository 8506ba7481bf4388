"""`grid show`: what to run on each hardware class, and all tables behind that."""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli.help_text import Commands
from grid.cli.options import Hardware, Json, Model, Quant, StoreUri
from grid.errors import InputError

EXAMPLES = """
grid show
grid show --model Qwen3-8B --hardware 4090
grid show --x s_per_right_answer
grid show --store nas/results --json
"""


X_HELP = (
    "Set quality against this alone instead of size and speed, such as `s_per_right_answer`, "
    "`decode_net_j_per_token` or `peak_rss_bytes` (docs/frontier.md lists the axes)"
)


def register(app: Commands) -> None:
    """Add the command to the command line; `frontier` is its former name."""
    app.command(epilog=EXAMPLES)(show)
    app.command("frontier", hidden=True)(show)


def show(
    store: StoreUri = "results",
    model: Model = None,
    quant: Quant = None,
    hardware: Hardware = None,
    x: Annotated[str | None, typer.Option(metavar="AXIS", help=X_HELP)] = None,
    as_json: Json = False,
) -> None:
    """Print everything that was measured on each machine.

    What to run, also within common limits; quality against size and speed; and what to know of the
    figures.
    """
    from grid.cli.without_pandas import leave_pandas_out

    leave_pandas_out()
    from grid.advice.offered_rows import offered_rows
    from grid.analysis.dataset import Dataset
    from grid.cli.selection import matching_classes, select_dataset
    from grid.cli.views.console import console, print_json, warn
    from grid.cli.views.frontier_json import VIEWS, class_json, cost_view
    from grid.cli.views.show import print_class
    from grid.results.problems import explain_no_results, missing_rows_note

    costs = VIEWS if x is None else (cost_view(x),)
    dataset = Dataset(store)
    if dataset.is_empty:
        raise InputError(explain_no_results(dataset.display_name, dataset.problems))
    warn(missing_rows_note(dataset.problems))
    dataset = offered_rows(select_dataset(dataset, model, quant, None))
    names = sorted(hardware_class.name for hardware_class in dataset.classes)
    if hardware is not None:
        names = matching_classes(hardware, names)
    names = [name for name in names if dataset.variants(name)]
    if as_json:
        print_json({name: class_json(dataset, name, costs) for name in names})
        return
    if not names:
        console().print("no hardware class has a measured variant yet; see `grid results`")
    for name in names:
        print_class(dataset, name, costs)
