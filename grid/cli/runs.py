"""Sweeps on a cluster's head: followed, fetched, listed, ended."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from grid.cli.views.console import console, print_json, table
from grid.cli.views.frontier import show_frontier, show_summary
from grid.cluster.remote.choose_place import cluster_head
from grid.cluster.remote.client import Outcome, chosen, fetch, watch
from grid.cluster.remote.row_sync import DEFAULT_STORE, remembered
from grid.cluster.remote.runs import Status
from grid.errors import GridError
from grid.results.uris import shown
from grid.sweep.progress import progress_for
from grid.sweep.run import Summary

INTERRUPTED = 130


def attach_to(run_id: str | None, store: str | None) -> int:
    """Follow a run to its end and show its answer; returns its exit code."""
    host = cluster_head().host
    run = chosen(host, run_id).run
    sys.stderr.write(f"following run {run.id}: {run.sweep}\n")
    return show_outcome(watch(host, run, progress_for(as_json=False), store), as_json=False)


def pull_rows(run_id: str | None, store: str | None) -> None:
    """Fetch the rows so far."""
    host = cluster_head().host
    run = chosen(host, run_id).run
    count = fetch(host, run, store)
    files = "file" if count == 1 else "files"
    where = store or remembered(run.id) or DEFAULT_STORE
    console().print(f"run {run.id}: {count} new {files} of rows in {where}", markup=False)


def stop_run(run_id: str | None) -> None:
    """Interrupt a run's driver."""
    head = cluster_head()
    run = chosen(head.host, run_id).run
    head.stop(run.id)
    console().print(f"run {run.id} is ending; `grid pull {run.id}` fetches its rows")


def show_runs(as_json: bool) -> None:
    """The runs that the head knows, the newest first."""
    found = cluster_head().runs()
    if as_json:
        print_json([_public(one) for one in found])
    elif not found:
        console().print("no run yet; `grid sweep` starts one")
    else:
        heads = ("run", "sweep", "state", "cells", "asked on", "rows")
        console().print(table(heads, [_row(one) for one in found], right=(3,), wrap=(5,)))


def show_outcome(ended: Outcome, as_json: bool) -> int:
    """What a run came to, as a local sweep would show it; returns its exit code."""
    if ended.error and ended.code != INTERRUPTED:  # that is said at the end
        _warn(ended.error)
    if ended.summary is None:
        return ended.code
    try:
        summary = msgspec.convert(ended.summary, Summary)
    except msgspec.ValidationError:
        _warn("the head's summary is unlike that of this version of quantgrid")
        return ended.code
    if not as_json:
        try:
            show_frontier(ended.store, sweep=ended.run.sweep)
        except GridError as error:  # a bucket that only the head may read, say
            _warn(f"{error}; the sweep itself has ended")
    show_summary(summary, shown(ended.store), as_json)
    return ended.code


def _warn(line: str) -> None:
    sys.stderr.write(f"grid: {line}\n")


def _public(one: Status) -> dict[str, Any]:
    run = one.run
    run = msgspec.structs.replace(run, store=shown(run.store), wanted=shown(run.wanted))
    found: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(one, run=run))
    return found


def _row(one: Status) -> tuple[str, ...]:
    state = one.state if one.code is None else f"{one.state}, exit code {one.code}"
    run = one.run
    return run.id, run.sweep, state, f"{one.done}/{one.total}", run.machine, shown(run.wanted)
