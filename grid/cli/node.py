"""`grid node` and `grid node-flags`, which `grid --help` does not list: `grid doctor` has what the
first shows, cluster files call the second."""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli.help_text import Commands
from grid.cli.options import FreshProbe, Json


def register(app: Commands) -> None:
    """Add both commands to the command line."""
    app.command(hidden=True)(node)
    app.command("node-flags", hidden=True)(node_flags)


def node(fresh: FreshProbe = False, as_json: Json = False) -> None:
    """Show this machine as results name it."""
    from grid.cli.views.node import show_node
    from grid.hardware.probe import probe_node

    show_node(probe_node(fresh), as_json=as_json)


def node_flags(
    head: Annotated[bool, typer.Option("--head", help="For the cluster's head.")] = False,
) -> None:
    """Print the flags of `ray start` that make this machine a node.

    The start commands of a cluster file call it.
    """
    from grid.cluster.node_flags import flags_here

    typer.echo(flags_here(head))
