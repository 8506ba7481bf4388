"""This side of a run on a head: start it, follow it, come back to it, fetch its rows."""

from __future__ import annotations

from pathlib import Path

from grid.cluster.remote.bundle import bundle
from grid.cluster.remote.follow import Detached, RunOutcome, watch
from grid.cluster.remote.head import Head
from grid.cluster.remote.mirror import mirror_of
from grid.cluster.remote.row_sync import (
    fetch_rows,
    machine_id,
    machine_name,
    mirror_for,
    prepare_store,
    remember_store,
    remembered_store,
)
from grid.cluster.remote.runs import RemoteRun, Request, RunStatus, new_id
from grid.cluster.ssh import CommandFailed, Host
from grid.errors import ClusterLost, InputError
from grid.plan.sweep import Sweep
from grid.results.uris import without_credentials
from grid.sweep.events import Notice
from grid.sweep.progress import Progress
from grid.units import format_bytes

__all__ = ["Detached", "RunOutcome", "choose_run", "fetch", "launch", "watch"]


def launch(
    host: Host,
    sweep: Sweep,
    store: str,
    progress: Progress,
    *,
    fresh: bool = False,
    changed: bool = False,
    address: str = "auto",
) -> RemoteRun:
    """Start a sweep's driver on a head, with the files that it names and the rows in the store.

    Raises InputError where the sweep or the store cannot be used, HostSilent, ClusterLost.
    """
    packed = bundle(sweep, machine_id())
    wanted = prepare_store(store)
    run = RemoteRun(
        id=new_id(),
        sweep=sweep.name,
        store=wanted if "://" in wanted else mirror_of(machine_id(), Path(wanted)),
        machine=machine_name(),
        wanted=wanted,
        fresh=fresh,
        changed=changed,
        address=address,
    )
    remember_store(run)
    try:
        if packed.uploads:
            size = format_bytes(packed.bytes)
            progress.tell(Notice(text=f"bringing the sweep's files to {host}: {size} or less"))
            packed.push(host)
        if mirror := mirror_for(host, run):
            mirror.push()
    except CommandFailed as error:
        raise ClusterLost(f"{error}; nothing was started") from None
    Head(host).start(Request(run=run, sweep=packed.sweep))
    text = f"run {run.id} on {host}: it needs this machine no more; grid cluster attach follows it"
    progress.tell(Notice(text=text))
    return run


def fetch(host: Host, run: RemoteRun, store: str | None = None) -> int:
    """Fetch a run's rows so far; returns how many new files with attempts came. Raises InputError
    where the run writes to a place that both machines reach."""
    mirror = mirror_for(host, run, store)
    if mirror is None:
        store = without_credentials(run.store)
        raise InputError(f"run {run.id} writes to {store} itself; there is nothing to fetch")
    return fetch_rows(host, run, mirror)


def choose_run(host: Host, run_id: str | None) -> RunStatus:
    """The run with an id; without one the newest running one that this machine started, else the
    newest that it started. Raises InputError."""
    runs = Head(host).runs()
    if run_id is not None:
        matching = [status for status in runs if status.run.id == run_id]
        if not matching:
            raise InputError(f"no run {run_id} on {host}; `grid cluster runs` lists them")
        return matching[0]
    if not runs:
        raise InputError(f"no sweep was started on {host} yet; `grid sweep` does it")
    ours = [status for status in runs if remembered_store(status.run.id) is not None]
    if not ours:
        raise InputError(
            f"no sweep on {host} was started from this machine; name another's run, as "
            "`grid cluster runs` lists them"
        )
    return next((status for status in ours if status.state == "running"), ours[0])
