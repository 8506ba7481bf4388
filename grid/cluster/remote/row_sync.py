"""Fetching the rows of a run on a head into the store that it was started for on this machine."""

from __future__ import annotations

import os
import platform
import secrets
from pathlib import Path

from grid.cache import write_atomically
from grid.cluster.remote.mirror import Mirror
from grid.cluster.remote.runs import STATE, RemoteRun, private_folder, valid_run_id
from grid.cluster.ssh import CommandFailed, Host, HostSilent
from grid.errors import InputError, StoreError, StoreLost
from grid.results.uris import without_credentials

DEFAULT_STORE = "results"
"""Where rows go that nobody has named a store for."""


def remember_store(run: RemoteRun) -> None:
    """Keep on this machine where a run's rows are wanted: a head is not to say what is written
    here."""
    private_folder()
    write_atomically(_started_folder() / run.id, run.wanted.encode())


def remembered_store(run_id: str) -> str | None:
    """The store that a run was started for from this machine; None for another machine's."""
    try:
        return (_started_folder() / valid_run_id(run_id)).read_text()
    except OSError:
        return None


def machine_name() -> str:
    """This machine's name for people, without the network that it happens to be in."""
    return platform.node().partition(".")[0]


def machine_id() -> str:
    """16 hex digits that tell this machine from others of its name; made once."""
    path = private_folder() / "machine"
    try:
        return path.read_text()
    except FileNotFoundError:
        write_atomically(path, secrets.token_hex(8).encode())
        return path.read_text()


def _started_folder() -> Path:
    return Path(STATE).expanduser() / "started"


def fetch_rows(host: Host, run: RemoteRun, mirror: Mirror | None) -> int:
    """Fetch a run's new rows; returns the number of files with attempts. Raises StoreLost."""
    try:
        return mirror.pull() if mirror else 0
    except OSError as error:
        raise StoreLost(
            f"the rows of run {run.id} are safe on {host}, but cannot be kept here: {error}; "
            f"`grid cluster pull {run.id} --store FOLDER` brings them elsewhere"
        ) from None
    except (CommandFailed, HostSilent) as error:
        raise StoreLost(
            f"the rows of run {run.id} are safe on {host}, but cannot be fetched: {error}; "
            f"`grid cluster pull {run.id}` tries again"
        ) from None


def mirror_for(host: Host, run: RemoteRun, store: str | None = None) -> Mirror | None:
    """The mirror of a run's rows, whose folder here is `store` or the one that the run was started
    for; None for a store that both machines reach, for which naming a `store` is an InputError."""
    if "://" in run.store:
        if store is not None:
            raise InputError(
                f"run {run.id} writes to {without_credentials(run.store)} itself; leave --store "
                "out, or bring its rows over with `grid merge`"
            )
        return None
    folder = absolute_store(store or remembered_store(run.id) or DEFAULT_STORE)
    return Mirror(host, run.store, Path(folder))


def absolute_store(store: str) -> str:
    """A store's folder as an absolute path; a URI as it is. Raises InputError as a store does."""
    from grid.results.location import Location

    location = Location(store)
    return location.path if location.is_local else store


def prepare_store(store: str) -> str:
    """Make a store's folder; returns its place as `absolute_store`. Raises StoreError where it
    cannot be written to, as far as can be seen now."""
    from grid.results.location import Location, one_line

    where = absolute_store(store)
    if "://" in where:
        return where
    try:
        location = Location(where)
        location.entries()
        location.create_folder()
    except OSError as error:
        raise StoreError(f"cannot make the store {where}: {one_line(error)}") from None
    if not os.access(where, os.W_OK | os.X_OK):
        raise StoreError(f"the store {where} is not yours to write; give another with --store")
    return where
