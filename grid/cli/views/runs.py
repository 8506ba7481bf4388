"""The sweeps on a cluster's head as a table."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from grid.cli.views.console import console, print_json, table
from grid.cluster.remote.runs import RunStatus
from grid.results.uris import without_credentials


def print_runs(statuses: Sequence[RunStatus], as_json: bool) -> None:
    """The runs in their order, without the credentials that their stores may be named with."""
    statuses = [_without_credentials(status) for status in statuses]
    if as_json:
        print_json(statuses)
    elif not statuses:
        console().print("no run yet; `grid sweep` starts one")
    else:
        heads = ("run", "sweep", "state", "cells", "asked on", "rows")
        rows = [_row(status) for status in statuses]
        layout = table(heads, rows, right=(3,), wrap=(2, 5), names=(1, 4), optional=(4,))
        console().print(layout)


def _without_credentials(status: RunStatus) -> RunStatus:
    run = status.run
    store, wanted = without_credentials(run.store), without_credentials(run.wanted)
    run = msgspec.structs.replace(run, store=store, wanted=wanted)
    return msgspec.structs.replace(status, run=run)


def _row(status: RunStatus) -> tuple[str, ...]:
    state = status.state if status.code is None else f"{status.state}, exit code {status.code}"
    run = status.run
    return run.id, run.sweep, state, f"{status.done}/{status.total}", run.machine, run.wanted
