"""`grid sweep`: measure on this machine, over the nodes of a Ray, or on a cluster's head."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from grid.cache import why_unwritable
from grid.cli.completion import DEFAULT_STORE
from grid.cli.help_text import Commands
from grid.cli.options import (
    WHERE_IT_RUNS,
    Address,
    Changed,
    Fresh,
    Json,
    Nodes,
    StoreUri,
    SweepFile,
    SweepQuant,
    Tasks,
    split_names,
)
from grid.cli.standard_streams import write_progress
from grid.errors import EngineError, InputError
from grid.sweep.executors.executor_name import ExecutorName

if TYPE_CHECKING:
    from grid.cluster.remote.choose_place import OnHead
    from grid.hardware.node import Node
    from grid.plan.sweep import Sweep
    from grid.sweep.executors.executor import Executor
    from grid.sweep.planner import Planner


class SweepArgs(NamedTuple):
    """A sweep and how it is to run, by the command line."""

    sweep: Sweep
    store: str
    executor: ExecutorName
    fresh: bool
    changed: bool
    as_json: bool
    command: str
    """What measures all of it again."""


EXAMPLES = """
grid sweep                                    the bundled models, in minutes
grid sweep smollm2                            a real model, without a hub
grid sweep hf:OWNER/NAME --quant Q4_K_M,Q8_0
grid sweep my-sweep.toml --tasks mmlu --store nas/results
"""


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command(epilog=EXAMPLES)(sweep)


def sweep(
    file: SweepFile = None,
    quant: SweepQuant = None,
    tasks: Tasks = None,
    store: StoreUri = "results",
    fresh: Fresh = False,
    changed: Changed = False,
    this_machine: Annotated[
        bool,
        typer.Option(
            "--here",
            rich_help_panel=WHERE_IT_RUNS,
            help="This machine alone and without Ray, whatever is around it.",
        ),
    ] = False,
    address: Address = None,
    nodes: Nodes = None,
    executor: Annotated[
        ExecutorName,
        typer.Option(
            metavar="ray | inline",
            rich_help_panel=WHERE_IT_RUNS,
            help="Drive engines from a local Ray, or from this process.",
        ),
    ] = ExecutorName.ray,
    as_json: Json = False,
) -> None:
    """Measure models at several quants, and say which to run.

    The same command again goes on where an earlier one stopped.

    Exit codes: 0 done, 1 some cells failed, 2 wrong input and nothing ran, 3 the store or the
    cluster was lost, 130 interrupted.
    """
    from grid.plan.model_sweep import load_requested_sweep, with_nodes

    if executor is ExecutorName.inline and address not in (None, "local"):
        raise InputError(f"--executor inline is for this machine alone, not --address {address}")
    this_machine = this_machine or executor is ExecutorName.inline
    args = SweepArgs(
        sweep=with_nodes(load_requested_sweep(file, tasks, split_names(quant)), nodes),
        store=store,
        executor=ExecutorName.inline if this_machine else executor,
        fresh=fresh,
        changed=changed,
        as_json=as_json,
        command=rerun_command(
            file, store, {"--quant": quant, "--tasks": tasks and [tasks], "--nodes": nodes}
        ),
    )
    raise typer.Exit(sweep_somewhere(args, address, this_machine))


def rerun_command(file: str | None, store: str, options: Mapping[str, Sequence[str] | None]) -> str:
    """The `grid sweep` that measures the same again into the same store."""
    words = ["grid", "sweep", *([] if file is None else [file])]
    words += [word for flag, values in options.items() for v in values or () for word in (flag, v)]
    words += [] if store == DEFAULT_STORE else ["--store", store]
    return shlex.join([*words, "--fresh"])


def sweep_somewhere(args: SweepArgs, address: str | None, this_machine: bool) -> int:
    """Run a sweep where its driver belongs; returns the exit code."""
    from grid.cluster.remote.choose_place import OnHead, OnThisMachine, choose_place
    from grid.plan.origin import fetch_packages
    from grid.sweep.planner import Planner
    from grid.sweep.task_sets import prepare_tasks

    place = choose_place(address, this_machine, os.environ)
    if isinstance(place, OnHead):
        write_progress(place.why)
        return _on_head(args, place)
    if reason := why_unwritable():
        raise InputError(reason)
    fetch_packages(args.sweep, write_progress)
    prepared = prepare_tasks(args.sweep, write_progress)
    planner = Planner(args.sweep, args.store, args.fresh, args.changed, prepared)
    if isinstance(place, OnThisMachine):
        return _run(args, planner, _local_executor(planner, args.executor, place.why))
    write_progress(place.why)
    return _on_nodes(args, planner, place.address)


def _on_nodes(args: SweepArgs, planner: Planner, address: str) -> int:
    from grid.cluster.demand import rent
    from grid.sweep.run import cluster_executor

    executor = cluster_executor(args.sweep, address)
    with closing(executor):
        rent(executor, write_progress)
        return _run(args, planner, executor)


def _run(args: SweepArgs, planner: Planner, executor: Executor) -> int:
    from grid.cli.views.summary import print_summary_json
    from grid.cli.views.sweep_end import scope_of_plans, show_sweep_end
    from grid.sweep.progress import progress_for
    from grid.sweep.run import run_sweep

    done = run_sweep(executor, planner, args.store, progress_for(args.as_json))
    if args.as_json:
        print_summary_json(done.summary, args.store)
    else:
        show_sweep_end(args.store, scope_of_plans(done.plans, args.command), done.summary)
    return 1 if done.summary.failed or done.broken else 0


def _local_executor(planner: Planner, executor: ExecutorName, why: str) -> Executor:
    """This machine, with the environments that the sweep takes; `why` it is this one."""
    from grid.hardware.probe import probe_node
    from grid.sweep.node_report import report
    from grid.sweep.planner import backends_of
    from grid.sweep.run import local_executor

    node = planner.recorded_node(probe_node())
    if not planner.wants(node):
        refused = planner.refusal([node])
        raise InputError(f"{refused}; {why}") if why else refused
    write_progress(why)  # before environments are made, which takes minutes
    backends = backends_of(planner.sweep)
    node_report = report(backends, ensure_environments(backends, node), node)
    planner.plan(node_report)  # what is wrong with the sweep is said before anything starts
    return local_executor(planner.sweep, node_report, executor)


def ensure_environments(backends: Iterable[str], node: Node) -> dict[str, str]:
    """Make the environments that are missing; returns why one could not be made, by backend.

    This comes before planning, since another engine has to give the reference where the usual one's
    environment cannot be made.
    """
    from grid.engine.environments import ensure_environment, find_interpreter
    from grid.engine.installer_lines import InstallerLines

    broken: dict[str, str] = {}
    for name in backends:
        if find_interpreter(name, node) is not None:
            continue
        sys.stderr.write(f"making the environment of {name}, once\n")
        try:
            ensure_environment(name, node, InstallerLines(write_progress))
        except EngineError as error:
            broken[name] = str(error)
            sys.stderr.write(f"{error}\n")
    return broken


def _on_head(args: SweepArgs, place: OnHead) -> int:
    from grid.cli.runs import show_outcome
    from grid.cluster.remote.client import launch, watch
    from grid.cluster.start import ensure_workers
    from grid.sweep.planner import backends_of
    from grid.sweep.progress import progress_for
    from grid.sweep.task_sets import own_tasks

    backends_of(args.sweep)  # what is wrong with the sweep is said here
    own_tasks(args.sweep)
    for address, reason in ensure_workers(place.cluster, write_progress).items():
        write_progress(f"{address} takes no part: {reason}")
    progress = progress_for(args.as_json)
    host = place.host
    run = launch(host, args.sweep, args.store, progress, fresh=args.fresh, changed=args.changed)
    return show_outcome(watch(host, run, progress), args.as_json)
