"""`grid sweep`: where it runs, what is said of that, and its answer."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from grid.cli.views.frontier import show_frontier, show_summary
from grid.errors import InputError
from grid.plan.sweep import Sweep
from grid.sweep.executors.executor_name import ExecutorName
from grid.sweep.planner import Planner, backends_of
from grid.sweep.progress import progress_for

if TYPE_CHECKING:
    from grid.cluster.remote.choose_place import OnHead
    from grid.sweep.executors.executor import Crew


class Asked(NamedTuple):
    """A sweep as the command line asks for it."""

    sweep: Sweep
    store: str
    executor: ExecutorName
    fresh: bool
    changed: bool
    as_json: bool


def sweep_somewhere(asked: Asked, address: str | None, here: bool) -> int:
    """Run a sweep here, over the nodes of a Ray, or on a cluster's head; returns the exit code."""
    from grid.cluster.remote.choose_place import At, Here, where

    place = where(address, here, os.environ)
    if not isinstance(place, At | Here):
        _say(place.why)
        return _on_head(asked, place)
    planner = Planner(asked.sweep, asked.store, asked.fresh, asked.changed)
    if isinstance(place, Here):
        return _run(asked, planner, _crew_here(planner, asked.executor, place.why))
    _say(place.why)
    return _on_nodes(asked, planner, place.address)


def _on_nodes(asked: Asked, planner: Planner, address: str) -> int:
    from grid.cluster.demand import rent
    from grid.sweep.run import crew_at

    crew = crew_at(asked.sweep, address)
    with closing(crew):
        rent(crew, _say)
        return _run(asked, planner, crew)


def _run(asked: Asked, planner: Planner, crew: Crew) -> int:
    from grid.sweep.run import run_sweep

    done = run_sweep(crew, planner, asked.store, progress_for(asked.as_json))
    if not asked.as_json:
        show_frontier(asked.store, only=done.plans)
    show_summary(done.summary, asked.store, as_json=asked.as_json)
    return 1 if done.summary.failed or done.broken else 0


def _crew_here(planner: Planner, executor: ExecutorName, why: str) -> Crew:
    """This machine, with the environments that the sweep takes; `why` it is this one."""
    from grid.cli.install import ready_environments
    from grid.hardware.probe import probe_node
    from grid.sweep.node_report import report
    from grid.sweep.run import crew_here

    node = planner.settled_node(probe_node())
    if not planner.wants(node):
        refused = planner.refuse([node])
        raise InputError(f"{refused}; {why}") if why else refused
    _say(why)  # before environments are made, which takes minutes
    broken = ready_environments(backends_of(planner.sweep), node)
    seen = report(backends_of(planner.sweep), broken, node)
    planner.plan(seen)  # what is wrong with the sweep is said before anything starts
    return crew_here(planner.sweep, seen, executor)


def _on_head(asked: Asked, place: OnHead) -> int:
    from grid.cli.runs import show_outcome
    from grid.cluster.remote.client import launch, watch
    from grid.cluster.start import ensure_workers

    backends_of(asked.sweep)  # what is wrong with the sweep is said here
    for address, reason in ensure_workers(place.cluster, _say).items():
        _say(f"{address} takes no part: {reason}")
    progress = progress_for(asked.as_json)
    host = place.host
    run = launch(host, asked.sweep, asked.store, progress, fresh=asked.fresh, changed=asked.changed)
    return show_outcome(watch(host, run, progress), asked.as_json)


def _say(line: str) -> None:
    if line:
        sys.stderr.write(line + "\n")
