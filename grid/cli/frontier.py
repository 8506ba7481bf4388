"""`grid frontier`: each hardware class's frontiers and picks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from grid.cli.options import Json, StoreUri
from grid.errors import InputError

if TYPE_CHECKING:
    import pyarrow.compute as pc

    from grid.plan.plan import Plan


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(frontier)


def frontier(store: StoreUri = "results", as_json: Json = False) -> None:
    """Print each hardware class's frontier, and picks."""
    show_frontier(store, as_json=as_json)


def show_frontier(
    store: str, as_json: bool = False, plans: Sequence[Plan] = (), sweep: str = ""
) -> None:
    """Print the frontiers and the picks for typical limits of each hardware class.

    With `plans` only of their artifacts, on their nodes' classes; with the name of a `sweep` of its
    artifacts, wherever they ran. Raises InputError for a store without rows.
    """
    import pyarrow.compute as pc

    from grid.analysis.dataset import Dataset
    from grid.cli.views.console import console, print_json, warn
    from grid.cli.views.frontier import print_class
    from grid.cli.views.frontier_json import class_json
    from grid.results.problems import explain_no_results, missing_rows_note

    dataset = Dataset(store)
    if dataset.is_empty:
        raise InputError(explain_no_results(dataset.display_name, dataset.problems))
    warn(missing_rows_note(dataset.problems))
    if plans:
        dataset = dataset.filter(_attempts_of(plans))
    if sweep:
        attempts = dataset.overview.attempts
        artifacts = pc.unique(attempts.filter(pc.field("sweep") == sweep)["artifact_id"])
        dataset = dataset.filter(pc.field("artifact_id").isin(artifacts.to_pylist()))
    names = sorted(hardware.name for hardware in dataset.classes)
    posteriors = {name: dataset.posterior(name) for name in names if dataset.variants(name)}
    if as_json:
        print_json({name: class_json(posterior) for name, posterior in posteriors.items()})
        return
    if not posteriors:
        console().print("no hardware class has a measured variant yet; see `grid results`")
    for name, posterior in posteriors.items():
        print_class(dataset, name, posterior)


def _attempts_of(plans: Sequence[Plan]) -> pc.Expression:
    """The attempts at the artifacts of plans: on their nodes' classes, and wherever else their
    engines' arithmetic computed."""
    import pyarrow.compute as pc

    cells = [cell for plan in plans for cell in (*plan.cells, *plan.measured)]
    cells += [skip.cell for plan in plans for skip in plan.skipped]
    in_scope = pc.field("scope").isin(sorted({cell.scope for cell in cells}))
    return in_scope & pc.field("artifact_id").isin(sorted({cell.artifact.id for cell in cells}))
