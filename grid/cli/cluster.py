"""`grid cluster`, and the sweeps that run on one: attach, pull, runs, stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grid.cli.options import Json

cluster_app = typer.Typer(
    help="Bring machines together, look at them, and let them go.",
    rich_markup_mode=None,
)
runs_app = typer.Typer()
"""Commands of the top level about sweeps that run on a cluster's head."""

ClusterFile = Annotated[
    Path, typer.Argument(metavar="[CLUSTER.yaml]", help="The cluster's file for `ray up`.")
]
RunId = Annotated[
    str | None,
    typer.Argument(
        metavar="[RUN]", help="A run, as `grid runs` lists them; default: the newest that runs."
    ),
]
Into = Annotated[
    str | None,
    typer.Option("--store", help="Folder for the rows; default: where the sweep was started for."),
]

DEFAULT = Path("cluster.yaml")


@cluster_app.command()
def up(file: ClusterFile = DEFAULT) -> None:
    """`ray up`, then wait for every host of the file, start those that are missing, and say whose
    versions differ. Exit codes: 0 all well, 1 not all, 2 the file is wrong, 3 no head."""
    from grid.cli.views import cluster

    raise typer.Exit(cluster.up(file))


@cluster_app.command()
def status(file: ClusterFile = DEFAULT, as_json: Json = False) -> None:
    """Show each host: whether it answers and is alive in Ray, its class, versions, clock and disk;
    and what is not as it should be. Exit codes: 0 all is well, 1 not all, 2 the file is
    wrong, 3 no head."""
    from grid.cli.views import cluster

    raise typer.Exit(cluster.status(file, as_json))


@cluster_app.command()
def down(file: ClusterFile = DEFAULT) -> None:
    """`ray down`, then stop what it leaves running on the hosts."""
    from grid.cli.views import cluster

    raise typer.Exit(cluster.down(file))


@runs_app.command()
def attach(run: RunId = None, store: Into = None) -> None:
    """Follow a sweep on the cluster's head again; fetch its rows.

    The head is that of ./cluster.yaml. Ctrl-C only stops following.
    """
    from grid.cli.runs import attach_to

    raise typer.Exit(attach_to(run, store))


@runs_app.command()
def pull(run: RunId = None, store: Into = None) -> None:
    """Fetch the rows that a sweep on the cluster's head has so far."""
    from grid.cli.runs import pull_rows

    pull_rows(run, store)


@runs_app.command()
def stop(run: RunId = None) -> None:
    """End a sweep on the cluster's head; its rows are kept.

    The same command resumes it.
    """
    from grid.cli.runs import stop_run

    stop_run(run)


@runs_app.command()
def runs(as_json: Json = False) -> None:
    """List the sweeps on the cluster's head."""
    from grid.cli.runs import show_runs

    show_runs(as_json)
