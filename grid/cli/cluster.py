"""`grid cluster`: bring machines together, look at them, and let them go."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.options import Json

if TYPE_CHECKING:
    from grid.cluster.config import Cluster
    from grid.cluster.remote.runs import RemoteRun

cluster_app = typer.Typer(
    help="Bring machines together, look at them, and let them go.",
    rich_markup_mode=None,
)

ClusterFile = Annotated[
    Path, typer.Argument(metavar="[CLUSTER.yaml]", help="The cluster's file for `ray up`.")
]

DEFAULT = Path("cluster.yaml")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(cluster_app, name="cluster")


@cluster_app.command()
def up(file: ClusterFile = DEFAULT) -> None:
    """`ray up`, then wait for every host of the file, start those that are missing, and say whose
    versions differ. Exit codes: 0 all well, 1 not all, 2 the file is wrong, 3 no head."""
    from grid.cli.views.cluster import print_facts
    from grid.cluster import commands
    from grid.cluster.config import load

    result = commands.up(load(file), _say)
    print_facts(result.facts)
    for address, why in result.missing.items():
        _say(f"{address}: missing: {why}")
    for line in result.differing:
        _say(line)
    raise typer.Exit(0 if result.complete else 1)


@cluster_app.command()
def status(file: ClusterFile = DEFAULT, as_json: Json = False) -> None:
    """Show each host: whether it answers and is alive in Ray, its class, versions, clock and disk;
    and what is not as it should be. Exit codes: 0 all is well, 1 not all, 2 the file is
    wrong, 3 no head."""
    from grid.cli.views.cluster import print_status
    from grid.cluster.config import load
    from grid.cluster.status import status_of

    cluster_status = status_of(load(file))
    print_status(cluster_status, as_json)
    raise typer.Exit(cluster_status.exit_code)


@cluster_app.command()
def down(file: ClusterFile = DEFAULT) -> None:
    """`ray down`, then stop what it leaves running on the hosts."""
    from grid.cluster import commands
    from grid.cluster.config import load

    cluster = load(file)
    commands.require_filled_in(cluster)
    for run in running_sweeps(cluster):
        _say(f"run {run.id}, {run.sweep} of {run.machine}, ends with it; the same sweep resumes")
    raise typer.Exit(1 if commands.down(cluster, _say) else 0)


def running_sweeps(cluster: Cluster) -> list[RemoteRun]:
    """The runs on a cluster's head; none where it cannot be asked."""
    from grid.cluster.commands import locate_head
    from grid.cluster.remote.head import Head
    from grid.errors import GridError

    try:
        statuses = Head(locate_head(cluster).head).runs()
    except GridError:
        return []
    return [status.run for status in statuses if status.state == "running"]


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
