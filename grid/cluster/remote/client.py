"""This side of a run on a head: start it, follow it, come back to it, fetch its rows."""

from __future__ import annotations

from pathlib import Path

from grid.cluster.remote.bundle import bundle
from grid.cluster.remote.follow import Detached, Outcome, watch
from grid.cluster.remote.head import Head
from grid.cluster.remote.mirror import mirror_of
from grid.cluster.remote.row_sync import (
    fetch_rows,
    machine,
    machine_id,
    mirror_for,
    ready,
    remember,
    remembered,
)
from grid.cluster.remote.runs import Request, Run, Status, new_id
from grid.cluster.ssh import CommandFailed, Host
from grid.errors import ClusterLost, InputError
from grid.plan.sweep import Sweep
from grid.results.uris import shown
from grid.sweep.progress import Note, Progress
from grid.units import format_bytes

__all__ = ["Detached", "Outcome", "chosen", "fetch", "launch", "watch"]


def launch(
    host: Host,
    sweep: Sweep,
    store: str,
    progress: Progress,
    *,
    fresh: bool = False,
    changed: bool = False,
    address: str = "auto",
) -> Run:
    """Start a sweep's driver on a head, with the files that it names and the rows in the store.

    Raises InputError where the sweep or the store cannot be used, HostSilent, ClusterLost.
    """
    packed = bundle(sweep, machine_id())
    wanted = ready(store)
    run = Run(
        id=new_id(),
        sweep=sweep.name,
        store=wanted if "://" in wanted else mirror_of(machine_id(), Path(wanted)),
        machine=machine(),
        wanted=wanted,
        fresh=fresh,
        changed=changed,
        address=address,
    )
    remember(run)
    try:
        if packed.uploads:
            size = format_bytes(packed.bytes)
            progress.tell(Note(text=f"bringing the sweep's files to {host}: {size} or less"))
            packed.push(host)
        if mirror := mirror_for(host, run):
            mirror.push()
    except CommandFailed as error:
        raise ClusterLost(f"{error}; nothing was started") from None
    Head(host).start(Request(run=run, sweep=packed.sweep))
    progress.tell(
        Note(text=f"run {run.id} on {host}: it needs this machine no more; grid attach follows it")
    )
    return run


def fetch(host: Host, run: Run, store: str | None = None) -> int:
    """Fetch a run's rows so far; returns how many new files with attempts came. Raises InputError
    where the run writes to a place that both machines reach."""
    mirror = mirror_for(host, run, store)
    if mirror is None:
        raise InputError(
            f"run {run.id} writes to {shown(run.store)} itself; there is nothing to fetch"
        )
    return fetch_rows(host, run, mirror)


def chosen(host: Host, run_id: str | None) -> Status:
    """The run with an id; without one, of those that this machine started the newest that runs,
    else the newest. Raises InputError."""
    known = Head(host).runs()
    if run_id is not None:
        matching = [one for one in known if one.run.id == run_id]
        if not matching:
            raise InputError(f"no run {run_id} on {host}; `grid runs` lists them")
        return matching[0]
    if not known:
        raise InputError(f"no sweep was started on {host} yet; `grid sweep` does it")
    ours = [one for one in known if remembered(one.run.id) is not None]
    if not ours:
        raise InputError(
            f"no sweep on {host} was started from this machine; name another's run, as `grid runs` "
            "lists them"
        )
    return next((one for one in ours if one.state == "running"), ours[0])
