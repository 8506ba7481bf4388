"""`grid plan`: what a sweep would do."""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli.help_text import Commands
from grid.cli.options import (
    Changed,
    Fresh,
    Json,
    StoreUri,
    SweepFile,
    SweepQuant,
    Tasks,
    split_names,
)
from grid.cli.standard_streams import write_progress

EXAMPLES = """
grid plan                                 what `grid sweep` would do
grid plan my-sweep.toml --json
grid plan ref:small --quant Q4_K_M,Q8_0
"""


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command(epilog=EXAMPLES)(plan)


def plan(
    file: SweepFile = None,
    quant: SweepQuant = None,
    tasks: Tasks = None,
    store: StoreUri = "results",
    fresh: Fresh = False,
    changed: Changed = False,
    full: Annotated[
        bool, typer.Option("--all", help="List every session and every skipped cell.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what a sweep would do, without running it.

    How many cells, how long, memory and disk, and what is skipped and why. Output that is no
    terminal has all of --all.
    """
    from grid.cli.views.plan import show_plan
    from grid.hardware.probe import probe_node
    from grid.plan.estimate import estimate
    from grid.plan.model_sweep import load_requested_sweep
    from grid.plan.origin import fetch_packages
    from grid.sweep.node_report import report
    from grid.sweep.planner import StoreSnapshot, backends_of, plan_for_node
    from grid.sweep.task_sets import prepare_tasks

    sweep = load_requested_sweep(file, tasks, split_names(quant))
    fetch_packages(sweep, write_progress)
    prepared = prepare_tasks(sweep, write_progress)
    snapshot = StoreSnapshot(store, fresh, changed)
    node = snapshot.recorded_node(probe_node())
    node_report = report(backends_of(sweep), node=node)
    cells = plan_for_node(sweep, node_report, snapshot, prepared=prepared)
    show_plan(cells, estimate(cells, snapshot.measured_seconds()), as_json=as_json, full=full)
