"""Where the rows of a run on a head are wanted on this machine, and fetching them."""

from __future__ import annotations

import os
import platform
import secrets
from pathlib import Path

from grid.cache import write_whole
from grid.cluster.remote.mirror import Mirror
from grid.cluster.remote.runs import STATE, Run, checked, private_folder
from grid.cluster.ssh import CommandFailed, Host, HostSilent
from grid.errors import InputError, StoreError, StoreLost
from grid.results.uris import shown

DEFAULT_STORE = "results"
"""Where rows go that nobody has named a store for."""


def remember(run: Run) -> None:
    """Keep here where a run's rows are wanted: a head is not to say what is written on this
    machine."""
    private_folder()
    write_whole(_started() / run.id, run.wanted.encode())


def remembered(run_id: str) -> str | None:
    """The store that a run was started for from this machine; None for another machine's."""
    try:
        return (_started() / checked(run_id)).read_text()
    except OSError:
        return None


def machine() -> str:
    """This machine's name for people, without the network that it happens to be in."""
    return platform.node().partition(".")[0]


def machine_id() -> str:
    """What tells this machine from others of its name, on every head; made once."""
    path = private_folder() / "machine"
    try:
        return path.read_text()
    except FileNotFoundError:
        write_whole(path, secrets.token_hex(8).encode())
        return path.read_text()


def _started() -> Path:
    return Path(STATE).expanduser() / "started"


def fetch_rows(host: Host, run: Run, mirror: Mirror | None) -> int:
    """Files with attempts that came. Raises StoreLost."""
    try:
        return mirror.pull() if mirror else 0
    except OSError as error:
        raise StoreLost(
            f"the rows of run {run.id} are safe on {host}, but cannot be kept here: {error}; "
            f"`grid pull {run.id} --store FOLDER` brings them elsewhere"
        ) from None
    except (CommandFailed, HostSilent) as error:
        raise StoreLost(
            f"the rows of run {run.id} are safe on {host}, but cannot be fetched: {error}; "
            f"`grid pull {run.id}` tries again"
        ) from None


def mirror_for(host: Host, run: Run, store: str | None = None) -> Mirror | None:
    """Where a run's rows are, there and here; None for a store that both reach, for which no
    `store` can be named: that is an InputError."""
    if "://" in run.store:
        if store is not None:
            raise InputError(
                f"run {run.id} writes to {shown(run.store)} itself; leave --store out, or bring "
                "its rows over with `grid results merge`"
            )
        return None
    return Mirror(host, run.store, Path(absolute(store or remembered(run.id) or DEFAULT_STORE)))


def absolute(store: str) -> str:
    """A store's folder as an absolute path; a URI as it is. Raises InputError as a store does."""
    from grid.results.location import Location

    location = Location(store)
    return location.path if location.local else store


def ready(store: str) -> str:
    """A store's place as `absolute`, which can be written to as far as can be seen now. Raises
    StoreError."""
    from grid.results.location import Location, one_line

    where = absolute(store)
    if "://" in where:
        return where
    try:
        location = Location(where)
        location.entries()
        location.make()
    except OSError as error:
        raise StoreError(f"cannot make the store {where}: {one_line(error)}") from None
    if not os.access(where, os.W_OK | os.X_OK):
        raise StoreError(f"the store {where} is not yours to write; give another with --store")
    return where
