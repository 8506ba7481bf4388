"""The command line: one module per command; `views/` prints their results.

Commands import what they need when they run, so that `grid --help` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli import (
    app,
    backends,
    cluster,
    compact,
    compare,
    diff,
    doctor,
    export,
    folklore,
    imports,
    load,
    merge,
    models,
    node,
    plan,
    predict,
    publish,
    recommend,
    report,
    results,
    show,
    sweep,
    tasks,
    weights,
)
from grid.cli.help_text import Commands

EXAMPLES = """
grid sweep                          measure the bundled models, in minutes
grid sweep hf:OWNER/NAME            measure a model of Hugging Face
grid recommend --memory 16          what to run in 16 GiB
grid app                            the results in the browser
grid COMMAND -h                     the options of a command, with examples
"""

MODULES = {
    "Start": (sweep, recommend, app),
    "Look": (show, report, compare, diff, results, load),
    "Data": (imports, export, merge, publish, weights, models, tasks),
    "Machine": (doctor, node, backends),
    "Rack": (cluster,),
    "Advanced": (plan, predict, folklore, compact),
}
"""The modules whose commands stand under each of `help_text.PANELS`."""

command_line = Commands(
    name="grid",
    help="Measure models at every quantization on your hardware, and say which to run.",
    epilog=EXAMPLES,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

for heading, modules in MODULES.items():
    command_line.panel = heading
    for module in modules:
        module.register(command_line)


def _print_version(wanted: bool) -> None:
    if wanted:
        from grid import __version__

        typer.echo(f"quantgrid {__version__}")
        raise typer.Exit


@command_line.callback()
def grid(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Measure models at every quantization on your hardware, and say which to run.

    Without a command: this machine, the store, and what to do next.
    """
    if context.invoked_subcommand is None:
        from grid.cli.views.overview import show_overview

        show_overview()
