"""`grid backends`: engines and their environments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grid.cli.options import Json

backends_app = typer.Typer(
    help="List backends, make their environments, begin your own.",
    rich_markup_mode=None,
    invoke_without_command=True,
)


@backends_app.callback()
def backends(context: typer.Context, as_json: Json = False) -> None:
    """List the installed backends: formats, capabilities, version, devices, state, and the command
    that mends what is missing."""
    if context.invoked_subcommand is None:
        from grid.cli.views.inventory import show_backends
        from grid.hardware.probe import probe_node

        show_backends(probe_node(), as_json=as_json)


@backends_app.command()
def install(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Backends; or: all.")],
    again: Annotated[
        bool, typer.Option("--again", help="Make the environment anew, though one is there.")
    ] = False,
) -> None:
    """Make the environments that backends run in. A sweep does it by itself when it needs one."""
    from grid.cli.install import install_backends
    from grid.hardware.probe import probe_node

    raise typer.Exit(install_backends(names, probe_node(), again))


@backends_app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the backend, such as my_engine.")],
    folder: Annotated[
        Path | None, typer.Argument(help="Folder to make; default: ./quantgrid-NAME.")
    ] = None,
) -> None:
    """Begin a backend: a folder with a toy engine that passes its tests, to be filled in."""
    from grid.backend.new_backend import new_backend

    new_backend(name, folder)
