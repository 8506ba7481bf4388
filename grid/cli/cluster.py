"""`grid cluster`: bring machines together, look at them, and let them go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.help_text import Commands, print_help
from grid.cli.options import Json
from grid.cli.runs import attach, pull, runs, stop
from grid.cli.standard_streams import write_progress

if TYPE_CHECKING:
    from grid.cluster.config import Cluster
    from grid.cluster.remote.runs import RemoteRun

ClusterFile = Annotated[
    Path, typer.Argument(metavar="CLUSTER.yaml", help="The cluster's file, as for `ray up`.")
]

DEFAULT = Path("cluster.yaml")

EXAMPLES = """
grid cluster up              start the machines of ./cluster.yaml
grid sweep my-sweep.toml     measures on them
grid cluster attach          follow it again after leaving
grid cluster pull            fetch the rows so far
grid cluster down
"""


def register(app: Commands) -> None:
    """Add the commands to the command line; those of runs also by their short names."""
    group = Commands(
        help="Run sweeps on several machines.",
        invoke_without_command=True,
        epilog=EXAMPLES,
    )
    group.callback()(print_help)
    for command in (up, status, runs, attach, pull, stop, down):
        group.command()(command)
    app.add_typer(group, name="cluster")
    for command in (runs, attach, pull, stop):
        app.command(hidden=True)(command)


def up(file: ClusterFile = DEFAULT) -> None:
    """Start the machines of a cluster file and wait for them.

    Runs `ray up`, starts the hosts that are missing, and says whose versions differ. Exit codes:
    0 all well, 1 not all, 2 the file is wrong, 3 no head.
    """
    from grid.cli.views.cluster import print_facts
    from grid.cluster import commands
    from grid.cluster.config import load

    result = commands.up(load(file), write_progress)
    print_facts(result.facts)
    for address, why in result.missing.items():
        write_progress(f"{address}: missing: {why}")
    for line in result.differing:
        write_progress(line)
    raise typer.Exit(0 if result.complete else 1)


def status(file: ClusterFile = DEFAULT, as_json: Json = False) -> None:
    """Show each machine: whether it runs, what it is, what is wrong.

    Its hardware class, versions, clock and disk. Exit codes: 0 all well, 1 not all, 2 the file is
    wrong, 3 no head.
    """
    from grid.cli.views.cluster import print_status
    from grid.cluster.config import load
    from grid.cluster.status import status_of

    cluster_status = status_of(load(file))
    print_status(cluster_status, as_json)
    raise typer.Exit(cluster_status.exit_code)


def down(file: ClusterFile = DEFAULT) -> None:
    """Stop the machines of a cluster file.

    Runs `ray down`, then stops what that leaves running.
    """
    from grid.cluster import commands
    from grid.cluster.config import load

    cluster = load(file)
    commands.require_filled_in(cluster)
    for run in running_sweeps(cluster):
        write_progress(
            f"run {run.id}, {run.sweep} of {run.machine}, ends with it; the same sweep resumes"
        )
    raise typer.Exit(1 if commands.down(cluster, write_progress) else 0)


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
