"""`grid node` and `grid node-flags`: this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli.options import Json


def register(app: typer.Typer) -> None:
    """Add both commands to the command line."""
    app.command()(node)
    app.command("node-flags")(node_flags)


def node(
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure the bandwidth again.")] = False,
    as_json: Json = False,
) -> None:
    """Show this machine as the grid sees it."""
    from grid.cli.views.node import show_node
    from grid.hardware.probe import probe_node

    show_node(probe_node(fresh), as_json=as_json)


def node_flags(
    head: Annotated[bool, typer.Option("--head", help="For the cluster's head.")] = False,
) -> None:
    """Print the flags of `ray start` that make this machine a node.

    What a cluster file's start commands call.
    """
    from grid.cluster.node_flags import flags_here

    typer.echo(flags_here(head))
