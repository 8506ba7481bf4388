"""The command line: one module per command; `views/` prints their results.

Commands import what they need when they run, so that `grid --help` answers at once.
"""

from __future__ import annotations

import typer

from grid.cli import (
    app,
    backends,
    cluster,
    compare,
    folklore,
    frontier,
    imports,
    node,
    plan,
    predict,
    recommend,
    results,
    runs,
    sweep,
    tasks,
    weights,
)

command_line = typer.Typer(
    name="grid",
    help="Measure models at every quantization on your hardware, and say which to run.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

for command in (
    *(sweep, plan, frontier, node, app, recommend, folklore, predict, compare, imports, runs),
    *(cluster, results, weights, backends, tasks),
):
    command.register(command_line)
