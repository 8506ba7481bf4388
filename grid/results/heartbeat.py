"""What a running sweep says of itself in its store: `running-<sweep id>.json`, beside the lock.

Readers of rows look at `.arrow` files only; merging, compacting and fetching leave it alone. It is
written whole every few seconds and removed at the end, so that one which is old, or whose writer no
longer holds the store, is of a sweep that died.
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
from grid.results.lock import NAME as LOCK
from grid.results.lock import Owner

EVERY_S = 5.0
"""Seconds between two writings."""

STALE_S = 60.0
"""Seconds without a word after which a sweep is taken to have died."""

_OURS = re.compile(r"running-[0-9A-Za-z_-]{1,64}\.json")


class Running(msgspec.Struct, frozen=True, kw_only=True):
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
    """Seconds until the end, as far as can be told."""
    nodes: tuple[str, ...] = ()
    now: str = ""
    """Label of the cell that began last."""


class Seen(NamedTuple):
    """A sweep's word, and why it cannot be running any more: empty for one that is."""

    running: Running
    dead: str

    @property
    def alive(self) -> bool:
        return not self.dead


def name_of(sweep_id: str) -> str:
    """The file's name."""
    return f"running-{sweep_id}.json"


class Sign:
    """Written by the one sweep that holds the store's lock.

    A store that takes no file is the rows' concern: here it is passed over in silence.
    """

    def __init__(
        self, location: Location, sweep: str, sweep_id: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._location = location
        self._clock = clock
        self._last: float | None = None
        self._running = Running(
            sweep=sweep,
            sweep_id=sweep_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            started=_iso(clock()),
        )

    def begin(self) -> None:
        """Remove what dead sweeps have left; the first `tell` then writes at once."""
        with suppress(OSError, pa.ArrowException):
            for entry in self._location.entries():
                whole = _OURS.match(entry.name)
                if entry.is_file and whole and entry.name.endswith((whole[0], PART)):
                    self._location.remove(entry.name)

    def tell(self, **state: object) -> None:
        """Write the fields of `Running` that changed, at most every 5 s."""
        now = self._clock()
        if self._last is not None and 0 <= now - self._last < EVERY_S:
            return
        self._last = now
        self._running = msgspec.structs.replace(self._running, updated=_iso(now), **state)
        with suppress(OSError, pa.ArrowException):
            content = msgspec.json.encode(self._running)
            self._location.write(name_of(self._running.sweep_id), content)

    def end(self) -> None:
        """The sweep is over, however it ended."""
        with suppress(OSError, pa.ArrowException):
            self._location.remove(name_of(self._running.sweep_id))


def running(store: str | Path, now: float | None = None) -> list[Seen]:
    """What sweeps say of themselves in a store, those that run first; `now` is in seconds since the
    epoch. Raises InputError where the place cannot be listed."""
    location = Location(store)
    names = [entry.name for entry in location.entries() if entry.is_file]
    told = [one for name in names if _OURS.fullmatch(name) if (one := _read(location, name))]
    if not told:
        return []
    holder = _holder(location)
    seen = [Seen(one, _dead(one, holder, time.time() if now is None else now)) for one in told]
    return sorted(seen, key=lambda one: (bool(one.dead), one.running.started))


def _read(location: Location, name: str) -> Running | None:
    """None where it went away meanwhile, or is none of ours."""
    try:
        return msgspec.json.decode(location.read(name), type=Running)
    except (OSError, pa.ArrowException, msgspec.MsgspecError):
        return None


def _holder(location: Location) -> Owner | None:
    try:
        return msgspec.json.decode(location.read(LOCK), type=Owner)
    except (OSError, pa.ArrowException, msgspec.MsgspecError):
        return None


def _dead(one: Running, holder: Owner | None, now: float) -> str:
    try:
        silent_s = now - datetime.fromisoformat(one.updated).timestamp()
    except ValueError:
        return "its last word has no time"
    if silent_s > STALE_S:
        return f"nothing was heard of it since {one.updated}"
    if holder is None or (holder.host, holder.pid) != (one.host, one.pid):
        return "it no longer holds the store"
    return ""


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
