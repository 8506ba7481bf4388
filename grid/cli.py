"""The command line: each command is a list of steps that live elsewhere.

Imports stay inside the commands, so that `grid --help` answers at once.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from grid.errors import InputError
from grid.schedule.kinds import ExecutorName

app = typer.Typer(
    name="grid",
    help="Measure models at every quantization on your hardware, and say which to run.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
results_app = typer.Typer(
    help="Look at the rows of a store, export them, merge its files.",
    rich_markup_mode=None,
    invoke_without_command=True,
)
app.add_typer(results_app, name="results")
backends_app = typer.Typer(
    help="List the backends, make their environments, begin one of your own.",
    rich_markup_mode=None,
    invoke_without_command=True,
)
app.add_typer(backends_app, name="backends")

SweepFile = Annotated[
    str | None,
    typer.Argument(
        metavar="[SWEEP.toml | MODEL]",
        help="Sweep file; or a model: hf:OWNER/NAME, ref:SIZE, a .gguf file, a folder with "
        "config.json. Without it the bundled quick.toml.",
    ),
]
StoreUri = Annotated[
    str,
    typer.Option(
        "--store", help="Where the rows are: a folder, or a URI such as s3://bucket/rows."
    ),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Measure again what is measured already.")]
Changed = Annotated[
    bool, typer.Option("--changed", help="Measure again what another engine version measured.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines for machines.")]
Where = Annotated[
    str | None,
    typer.Option(
        "--where", help="SQL condition, such as \"quant = 'Q4_K_M' AND decode_tps > 20\"."
    ),
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", help="Columns to show, separated by commas."),
]


@app.command()
def sweep(
    file: SweepFile = None,
    store: StoreUri = "results",
    executor: Annotated[
        ExecutorName, typer.Option(help="Drive engines from a local Ray's actor, or from here.")
    ] = ExecutorName.ray,
    fresh: Fresh = False,
    changed: Changed = False,
    as_json: Json = False,
) -> None:
    """Measure what a sweep file asks for, and print the frontier.

    The same command again goes on where an earlier one stopped. Exit codes: 0 done, 1 done but some
    cells failed, 2 the input was wrong and nothing ran, 3 the store or the cluster was lost, 130
    interrupted.
    """
    from grid.plan.named import asked_sweep
    from grid.probe import probe_node
    from grid.progress import progress_for
    from grid.show.environments import ready_environments
    from grid.show.frontier import show_frontier, show_summary
    from grid.sweep import backends_of, finished_ids, make_plan, run_sweep, settled

    asked = asked_sweep(file)
    node = settled(probe_node(), store)
    broken = ready_environments(backends_of(asked), node)
    plan = make_plan(asked, node, store, fresh, changed, broken)
    again = None if fresh else partial(finished_ids, asked, node, store, changed)
    summary = run_sweep(asked, plan, node, store, executor, progress_for(as_json), again)
    if as_json:
        show_summary(summary, store, as_json=True)
    else:
        show_frontier(store, only=plan)
        show_summary(summary, store, as_json=False)
    raise typer.Exit(1 if summary.failed or broken else 0)


@app.command()
def plan(
    file: SweepFile = None,
    store: StoreUri = "results",
    fresh: Fresh = False,
    changed: Changed = False,
    as_json: Json = False,
) -> None:
    """Show what a sweep would do; runs nothing.

    Its cells, what is skipped and why, what is measured already, estimated time and memory.
    """
    from grid.plan.estimate import estimate
    from grid.plan.named import asked_sweep
    from grid.probe import probe_node
    from grid.show.plan import show_plan
    from grid.sweep import make_plan, measured_seconds, settled

    node = settled(probe_node(), store)
    planned = make_plan(asked_sweep(file), node, store, fresh, changed)
    show_plan(planned, estimate(planned, measured_seconds(store)), as_json=as_json)


@app.command()
def frontier(store: StoreUri = "results", as_json: Json = False) -> None:
    """Print each hardware class's frontier, and picks."""
    from grid.show.frontier import show_frontier

    show_frontier(store, as_json=as_json)


@app.command()
def node(
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure the bandwidth again.")] = False,
    as_json: Json = False,
) -> None:
    """Show this machine as the grid sees it."""
    from grid.probe import probe_node
    from grid.show.inventory import show_node

    show_node(probe_node(fresh), as_json=as_json)


@results_app.callback()
def results(
    context: typer.Context,
    store: StoreUri = "results",
    where: Where = None,
    columns: Columns = None,
    sort: Annotated[
        str | None, typer.Option(help="Column to sort by; -column for the largest first.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 40,
) -> None:
    """Print a table of the newest final attempts, one row a cell."""
    if context.invoked_subcommand is None:
        from grid.show.results import show_results

        show_results(store, where, columns, sort, limit)
    elif where or columns or sort:
        command = context.invoked_subcommand
        raise InputError(f"--where, --columns and --sort go after `results {command}`, not before")


@results_app.command()
def export(
    target: Annotated[
        Path | None, typer.Argument(help="File to write; default: the terminal.")
    ] = None,
    store: StoreUri = "results",
    kind: Annotated[
        str | None,
        typer.Option("--format", help="csv, json, md or parquet; default: by the file's ending."),
    ] = None,
    where: Where = None,
    columns: Columns = None,
) -> None:
    """Write the table of final attempts, with a column for each metric and its interval."""
    from grid.show.results import export_results

    export_results(store, target, kind, where, columns)


@results_app.command()
def compact(store: StoreUri = "results") -> None:
    """Merge a store's many small files into one for each table; damaged files stay as they are."""
    from grid.show.results import compact_store

    compact_store(store)


@backends_app.callback()
def backends(context: typer.Context, as_json: Json = False) -> None:
    """List the installed backends: formats, capabilities, version, devices, state, and the command
    that mends what is missing."""
    if context.invoked_subcommand is None:
        from grid.probe import probe_node
        from grid.show.inventory import show_backends

        show_backends(probe_node(), as_json=as_json)


@backends_app.command()
def install(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Backends; or: all.")],
    again: Annotated[
        bool, typer.Option("--again", help="Make the environment anew, though one is there.")
    ] = False,
) -> None:
    """Make the environments that backends run in. A sweep does it by itself when it needs one."""
    from grid.probe import probe_node
    from grid.show.environments import install_backends

    raise typer.Exit(install_backends(names, probe_node(), again))


@backends_app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the backend, such as my_engine.")],
    folder: Annotated[
        Path | None, typer.Argument(help="Folder to make; default: ./quantgrid-NAME.")
    ] = None,
) -> None:
    """Begin a backend: a folder with a toy engine that passes its tests, to be filled in."""
    from grid.kit import new_backend

    new_backend(name, folder)
