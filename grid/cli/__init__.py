"""The command line: each command is a list of steps that live elsewhere.

Imports stay inside the commands, so that `grid --help` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli import app as explorer
from grid.cli import compare, folklore
from grid.cli import imports as importing
from grid.cli import predict as prediction
from grid.cli import recommend as advice
from grid.cli.backends import backends_app
from grid.cli.cluster import cluster_app, runs_app
from grid.cli.options import Address, Changed, Fresh, Json, Nodes, StoreUri, SweepFile
from grid.cli.results import results_app
from grid.errors import InputError
from grid.sweep.executors.executor_name import ExecutorName

app = typer.Typer(
    name="grid",
    help="Measure models at every quantization on your hardware, and say which to run.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command()
def sweep(
    file: SweepFile = None,
    store: StoreUri = "results",
    executor: Annotated[
        ExecutorName, typer.Option(help="Drive engines from a local Ray's actor, or from here.")
    ] = ExecutorName.ray,
    address: Address = None,
    here: Annotated[
        bool,
        typer.Option("--here", help="This machine alone and without Ray, whatever is around it."),
    ] = False,
    nodes: Nodes = None,
    fresh: Fresh = False,
    changed: Changed = False,
    as_json: Json = False,
) -> None:
    """Measure what a sweep file asks for, and print the frontier.

    The same command again goes on where an earlier one stopped. Exit codes: 0 done, 1 done but some
    cells failed, 2 the input was wrong and nothing ran, 3 the store or the cluster was lost, 130
    interrupted.
    """
    from grid.cli.sweep import Asked, sweep_somewhere
    from grid.plan.named import asked_sweep, on_nodes

    if executor is ExecutorName.inline and address not in (None, "local"):
        raise InputError(f"--executor inline is for this machine alone, not --address {address}")
    here = here or executor is ExecutorName.inline
    asked = Asked(
        sweep=on_nodes(asked_sweep(file), nodes),
        store=store,
        executor=ExecutorName.inline if here else executor,
        fresh=fresh,
        changed=changed,
        as_json=as_json,
    )
    raise typer.Exit(sweep_somewhere(asked, address, here))


@app.command()
def plan(
    file: SweepFile = None,
    store: StoreUri = "results",
    fresh: Fresh = False,
    changed: Changed = False,
    as_json: Json = False,
) -> None:
    """Show what a sweep would do; runs nothing.

    Its cells, what is skipped and why, what is measured already, estimated time and memory.
    """
    from grid.cli.views.plan import show_plan
    from grid.hardware.probe import probe_node
    from grid.plan.estimate import estimate
    from grid.plan.named import asked_sweep
    from grid.sweep.node_report import report
    from grid.sweep.planner import Known, backends_of, plan_for

    asked = asked_sweep(file)
    known = Known(store, fresh, changed)
    node = known.settled(probe_node())
    planned = plan_for(asked, report(backends_of(asked), node=node), known)
    show_plan(planned, estimate(planned, known.seconds()), as_json=as_json)


@app.command()
def frontier(store: StoreUri = "results", as_json: Json = False) -> None:
    """Print each hardware class's frontier, and picks."""
    from grid.cli.views.frontier import show_frontier

    show_frontier(store, as_json=as_json)


@app.command()
def node(
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure the bandwidth again.")] = False,
    as_json: Json = False,
) -> None:
    """Show this machine as the grid sees it."""
    from grid.cli.views.inventory import show_node
    from grid.hardware.probe import probe_node

    show_node(probe_node(fresh), as_json=as_json)


@app.command("node-flags")
def node_flags(
    head: Annotated[bool, typer.Option("--head", help="For the cluster's head.")] = False,
) -> None:
    """Print the flags of `ray start` that make this machine a node.

    What a cluster file's start commands call.
    """
    from grid.cluster.node_flags import flags_here

    typer.echo(flags_here(head))


for more in (explorer, advice, folklore, prediction, compare, importing):
    more.register(app)
app.add_typer(runs_app)
app.add_typer(cluster_app, name="cluster")
app.add_typer(results_app, name="results")
app.add_typer(backends_app, name="backends")
