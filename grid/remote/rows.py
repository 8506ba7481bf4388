"""Where the rows of a run on a head are wanted on this machine, and fetching them."""

from __future__ import annotations

import platform
from pathlib import Path

from grid.cache import write_whole
from grid.cluster.ssh import CommandFailed, Host, HostSilent
from grid.errors import StoreLost
from grid.remote.mirror import Mirror
from grid.remote.runs import STATE, Run, checked


def remember(run: Run) -> None:
    """Keep here where a run's rows are wanted: a head is not to say what is written on this
    machine."""
    write_whole(_started() / run.id, run.wanted.encode())


def remembered(run_id: str) -> str | None:
    """The store that a run was started for from this machine; None for another machine's."""
    try:
        return (_started() / checked(run_id)).read_text()
    except OSError:
        return None


def machine() -> str:
    """This machine's name without the network that it happens to be in."""
    return platform.node().partition(".")[0]


def _started() -> Path:
    return Path(STATE).expanduser() / "started"


def fetch_rows(host: Host, run: Run, mirror: Mirror | None) -> int:
    """Files with attempts that came. Raises StoreLost."""
    try:
        return mirror.pull() if mirror else 0
    except (CommandFailed, HostSilent) as error:
        raise StoreLost(
            f"the rows of run {run.id} are safe on {host}, but cannot be fetched: {error}; "
            f"`grid pull {run.id}` tries again"
        ) from None


def mirror_for(host: Host, run: Run, store: str | None = None) -> Mirror | None:
    """Where a run's rows are, there and here; None for a store that both reach."""
    if "://" in run.store:
        return None
    return Mirror(host, run.store, Path(absolute(store or remembered(run.id) or "results")))


def absolute(store: str) -> str:
    """A store's folder as an absolute path; a URI as it is. Raises InputError as a store does."""
    from grid.results.location import Location

    location = Location(store)
    return location.path if location.local else store
