"""`grid backends`: engines and their environments."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.completion import complete_backend
from grid.cli.help_text import Commands
from grid.cli.options import Json
from grid.cli.standard_streams import write_progress
from grid.errors import EngineError, InputError
from grid.units import format_seconds

if TYPE_CHECKING:
    from grid.hardware.node import Node

ALL = "all"

EXAMPLES = """
grid backends                        what is installed
grid backends install vllm
grid backends new my_engine          a folder with a backend to fill in
"""

backends_app = Commands(
    help="Install backends, or begin one of your own.",
    invoke_without_command=True,
    epilog=EXAMPLES,
)


def register(app: Commands) -> None:
    """Add the commands to the command line."""
    app.add_typer(backends_app, name="backends")


@backends_app.callback()
def backends(context: typer.Context, as_json: Json = False) -> None:
    """Install backends, or begin one of your own.

    Alone it lists them: formats, version, devices, state. `grid doctor` says what to mend.
    """
    if context.invoked_subcommand is None:
        from grid.cli.views.backends import show_backends
        from grid.hardware.probe import probe_node

        show_backends(probe_node(), as_json=as_json)


@backends_app.command()
def install(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="Backends; or: all.", autocompletion=complete_backend
        ),
    ],
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make the environment again though it is there.")
    ] = False,
    former_rebuild: Annotated[bool, typer.Option("--again", hidden=True)] = False,
) -> None:
    """Make the environments that backends run in.

    A sweep does it by itself when it needs one.
    """
    from grid.hardware.probe import probe_node

    raise typer.Exit(install_backends(names, probe_node(), rebuild or former_rebuild))


@backends_app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the backend, such as my_engine.")],
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="To make. Default: ./quantgrid-NAME."),
    ] = None,
) -> None:
    """Begin a backend of your own.

    Makes a folder with a toy engine that passes its tests, to be filled in.
    """
    from grid.backend.new_backend import new_backend
    from grid.cli.views.console import console

    console().print(new_backend(name, folder))


def install_backends(wanted: Sequence[str], node: Node, rebuild: bool = False) -> int:
    """Make the environment of each backend, going on after one that cannot be made; returns the
    exit code. Raises InputError for an unknown name before anything is made."""
    from grid.backend.registry import backend, shown_names

    wanted = list(dict.fromkeys(wanted))
    if wanted == [ALL]:
        wanted = list(shown_names())
    else:
        for name in wanted:
            backend(name)
    failed = [name for name in wanted if not _install(name, node, rebuild)]
    return 1 if failed else 0


def _install(name: str, node: Node, rebuild: bool) -> bool:
    from grid.cli.views.console import console
    from grid.engine.environments import (
        THIS_INTERPRETER,
        availability,
        ensure_environment,
        find_interpreter,
    )

    def report(line: str) -> None:
        console().print(f"{name}: {line}")

    start = time.monotonic()
    try:
        missing = rebuild or find_interpreter(name, node) is None
        if missing:
            report("making its environment")
        interpreter = ensure_environment(
            name, node, lambda line: write_progress(f"  {line}"), rebuild
        )
        state = availability(name, node)
    except (EngineError, InputError) as error:
        report(str(error))
        return False
    if not state.ready:
        mend = f"; try: {state.mend}" if state.mend else ""
        report(f"does not run here: {state.reason}{mend}")
        return False
    how = "environment ready"
    if interpreter == THIS_INTERPRETER:
        how = "ready, needs no environment of its own"
    took = f", made in {format_seconds(time.monotonic() - start)}" if missing else ""
    report(f"{how}{took} ({state.version})")
    return True
