"""`grid cluster attach`, `pull`, `stop` and `runs`: sweeps on a cluster's head."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.options import Json

if TYPE_CHECKING:
    from grid.cluster.remote.client import RunOutcome

INTERRUPTED = 130

RunId = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="A run, as `grid cluster runs` lists them. Default: the newest that runs.",
    ),
]
Into = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="FOLDER | URI",
        help="Where to put the rows. Default: where the sweep was started for.",
    ),
]


def attach(run: RunId = None, store: Into = None) -> None:
    """Follow a sweep on the cluster again and fetch its rows.

    The cluster is that of ./cluster.yaml. Ctrl-C only stops following.
    """
    from grid.cluster.remote.choose_place import cluster_head
    from grid.cluster.remote.client import choose_run, watch
    from grid.sweep.progress import progress_for

    host = cluster_head().host
    remote_run = choose_run(host, run).run
    sys.stderr.write(f"following run {remote_run.id}: {remote_run.sweep}\n")
    outcome = watch(host, remote_run, progress_for(as_json=False), store)
    raise typer.Exit(show_outcome(outcome, as_json=False))


def pull(run: RunId = None, store: Into = None) -> None:
    """Fetch the rows that a sweep on the cluster has so far."""
    from grid.cli.views.console import console
    from grid.cluster.remote.choose_place import cluster_head
    from grid.cluster.remote.client import choose_run, fetch
    from grid.cluster.remote.row_sync import DEFAULT_STORE, remembered_store

    host = cluster_head().host
    remote_run = choose_run(host, run).run
    count = fetch(host, remote_run, store)
    files = "file" if count == 1 else "files"
    folder = store or remembered_store(remote_run.id) or DEFAULT_STORE
    console().print(f"run {remote_run.id}: {count} new {files} of rows in {folder}", markup=False)


def stop(run: RunId = None) -> None:
    """End a sweep on the cluster; its rows are kept.

    The same `grid sweep` resumes it.
    """
    from grid.cli.views.console import console
    from grid.cluster.remote.choose_place import cluster_head
    from grid.cluster.remote.client import choose_run

    head = cluster_head()
    run_id = choose_run(head.host, run).run.id
    head.stop(run_id)
    console().print(f"run {run_id} is ending; `grid cluster pull {run_id}` fetches its rows")


def runs(as_json: Json = False) -> None:
    """List the sweeps on the cluster."""
    from grid.cli.views.runs import print_runs
    from grid.cluster.remote.choose_place import cluster_head

    print_runs(cluster_head().runs(), as_json)


def show_outcome(outcome: RunOutcome, as_json: bool) -> int:
    """Print what a run came to, as a local sweep would; returns its exit code."""
    import msgspec

    from grid.cli.views.console import console
    from grid.cli.views.summary import print_summary_json
    from grid.cli.views.sweep_end import scope_of_name, show_sweep_end, summary_text
    from grid.errors import GridError
    from grid.sweep.run import Summary

    if outcome.error and outcome.code != INTERRUPTED:  # that is said at the end
        _warn(outcome.error)
    if outcome.summary is None:
        return outcome.code
    try:
        summary = msgspec.convert(outcome.summary, Summary)
    except msgspec.ValidationError:
        _warn("the head's summary is unlike that of this version of quantgrid")
        return outcome.code
    if as_json:
        print_summary_json(summary, outcome.store)
        return outcome.code
    try:
        show_sweep_end(outcome.store, scope_of_name(outcome.run.sweep), summary)
    except GridError as error:  # a bucket that only the head may read, say
        console().print(summary_text(summary))
        _warn(f"{error}; the sweep itself has ended")
    return outcome.code


def _warn(line: str) -> None:
    sys.stderr.write(f"grid: {line}\n")
