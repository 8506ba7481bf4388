"""Status of a running sweep in its store: `running-<sweep id>.json`, beside the lock.

Readers of rows look at `.arrow` files only; merging, compacting and fetching leave it alone. It is
written whole every few seconds and removed at the end: an old file, or one whose writer no longer
holds the store, is of a sweep that died.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa

from grid.results.location import PART, Location
from grid.results.lock import LOCK_FILE, LockOwner

EVERY_S = 5.0
"""Seconds between two writings."""

STALE_S = 60.0
"""Seconds without a write after which a sweep counts as dead."""

_FILE_NAME = re.compile(r"running-[0-9A-Za-z_-]{1,64}\.json")


class SweepStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far a sweep is. `cells` are those to run, of which `done` ended, `failed` and `skipped`
    among them; `measured` had a result from before. Times are ISO 8601, UTC, by the writer's
    clock."""

    sweep: str
    sweep_id: str
    host: str = ""
    pid: int = 0
    started: str = ""
    updated: str = ""
    cells: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    measured: int = 0
    eta_s: float | None = None
    """Estimated seconds until the end."""
    nodes: tuple[str, ...] = ()
    now: str = ""
    """Label of the cell that began last."""


class RunningSweep(NamedTuple):
    """A sweep's status, and why it cannot be running any more; empty for one that runs."""

    status: SweepStatus
    why_dead: str

    @property
    def is_alive(self) -> bool:
        return not self.why_dead


def heartbeat_file(sweep_id: str) -> str:
    """Name of a sweep's status file in its store."""
    return f"running-{sweep_id}.json"


class Heartbeat:
    """Writes the status of the one sweep that holds the store's lock.

    A store that takes no file is an error of the writer of rows; here it is ignored.
    """

    def __init__(
        self, location: Location, sweep: str, sweep_id: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._location = location
        self._clock = clock
        self._last: float | None = None
        self._status = SweepStatus(
            sweep=sweep,
            sweep_id=sweep_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            started=_iso(clock()),
        )

    def begin(self) -> None:
        """Remove the files of dead sweeps; the first `update` then writes at once."""
        with suppress(OSError, pa.ArrowException):
            for entry in self._location.entries():
                match = _FILE_NAME.match(entry.name)
                if entry.is_file and match and entry.name.endswith((match[0], PART)):
                    self._location.remove(entry.name)

    def update(self, **state: object) -> None:
        """Write the fields of `SweepStatus` that changed, at most every 5 s."""
        now = self._clock()
        if self._last is not None and 0 <= now - self._last < EVERY_S:
            return
        self._last = now
        self._status = msgspec.structs.replace(self._status, updated=_iso(now), **state)
        with suppress(OSError, pa.ArrowException):
            content = msgspec.json.encode(self._status)
            self._location.write(heartbeat_file(self._status.sweep_id), content)

    def end(self) -> None:
        """Remove the file: the sweep is over, however it ended."""
        with suppress(OSError, pa.ArrowException):
            self._location.remove(heartbeat_file(self._status.sweep_id))


def running_sweeps(store: str | Path, now: float | None = None) -> list[RunningSweep]:
    """Sweeps with a status file in a store, those that run first; `now` is in seconds since the
    epoch. Raises InputError where the place cannot be listed."""
    location = Location(store)
    names = [entry.name for entry in location.entries() if entry.is_file]
    statuses = [
        status for name in names if _FILE_NAME.fullmatch(name) if (status := _read(location, name))
    ]
    if not statuses:
        return []
    holder = _holder(location)
    sweeps = [
        RunningSweep(status, _why_dead(status, holder, time.time() if now is None else now))
        for status in statuses
    ]
    return sorted(sweeps, key=lambda sweep: (bool(sweep.why_dead), sweep.status.started))


def _read(location: Location, name: str) -> SweepStatus | None:
    """The status in a file; None where it is gone by now, or is not one."""
    try:
        return msgspec.json.decode(location.read(name), type=SweepStatus)
    except (OSError, pa.ArrowException, msgspec.MsgspecError):
        return None


def _holder(location: Location) -> LockOwner | None:
    try:
        return msgspec.json.decode(location.read(LOCK_FILE), type=LockOwner)
    except (OSError, pa.ArrowException, msgspec.MsgspecError):
        return None


def _why_dead(status: SweepStatus, holder: LockOwner | None, now: float) -> str:
    try:
        silent_s = now - datetime.fromisoformat(status.updated).timestamp()
    except ValueError:
        return "its last word has no time"
    if silent_s > STALE_S:
        return f"nothing was heard of it since {status.updated}"
    if holder is None or (holder.host, holder.pid) != (status.host, status.pid):
        return "it no longer holds the store"
    return ""


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
