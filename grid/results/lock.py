"""The lock that keeps two sweeps from writing one store.

`writer.lock` is a JSON file: host, pid, the process's start time, when it was made and last
refreshed, and a random token. On a local file system it is created exclusively, so one of two
sweeps that start together gets it. Not all object stores can do that, so there it is read, written
and read again: two sweeps that start within the same instant may both believe they have it, until
one finds the other's token at its next flush. Rows are safe even then: every file's name is unique.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from datetime import UTC, datetime

import msgspec
import psutil

from grid.errors import StoreError, StoreLost
from grid.results.location import Location, one_line

LOCK_FILE = "writer.lock"
_START_TOLERANCE_S = 2.0
"""A process's start time is derived from the boot time, which shifts when a clock is set."""


class LockOwner(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a store. `process_start` is in seconds since the epoch, the times ISO 8601 UTC."""

    host: str
    pid: int
    process_start: float
    since: str
    refreshed: str
    token: str


class Lock:
    """Held from `acquire` to `release`; `note` says whose stale lock was taken over, if any."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self.owner = _this_process()
        self.note = ""

    def acquire(self) -> None:
        """Raises StoreError where the store is in use or cannot be written."""
        holder = self._holder()
        if holder is not None:
            if not _has_ended(holder):
                raise self._in_use(holder)
            self._clear(holder)
        try:
            self._create()
        except FileExistsError:
            raise self._in_use(self._holder()) from None
        except OSError as error:
            raise StoreError(
                f"cannot write to the store {self.location.display_name}: {one_line(error)}; "
                "choose another store"
            ) from error

    def refresh(self) -> None:
        """Renew the time. Raises StoreLost where another sweep has taken the store, or OSError."""
        try:
            holder = self._holder()
        except StoreError as error:
            raise StoreLost(str(error)) from error
        if holder is not None and holder.token != self.owner.token:
            raise StoreLost(
                f"{self.location.display_name} was taken over by another sweep on {holder.host} "
                f"(pid {holder.pid}); rows so far are safe"
            )
        self.owner = msgspec.structs.replace(self.owner, refreshed=_now())
        self.location.write(LOCK_FILE, msgspec.json.encode(self.owner))

    def release(self) -> None:
        """Remove the lock if it is still ours; on a lost store it stays, and is stale by itself."""
        with contextlib.suppress(OSError, StoreError):
            holder = self._holder()
            if holder is not None and holder.token == self.owner.token:
                self.location.remove(LOCK_FILE)

    def _create(self) -> None:
        content = msgspec.json.encode(self.owner)
        if self.location.is_local:
            self.location.create(LOCK_FILE, content)
            return
        self.location.write(LOCK_FILE, content)
        if (holder := self._holder()) is None or holder.token != self.owner.token:
            raise FileExistsError(LOCK_FILE)

    def _holder(self) -> LockOwner | None:
        """The owner of the store's lock, if any. Raises StoreError where the lock is unreadable."""
        path = self.location.display_path(LOCK_FILE)
        try:
            return msgspec.json.decode(self.location.read(LOCK_FILE), type=LockOwner)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise StoreError(
                f"{path} cannot be read as a lock; remove it if no sweep is running"
            ) from error
        except OSError as error:
            raise StoreError(f"cannot read {path}: {one_line(error)}") from error

    def _clear(self, stale: LockOwner) -> None:
        """Remove a stale lock, unless another sweep has just put its own in its place."""
        now = self._holder()
        if now is not None and now.token == stale.token:
            with contextlib.suppress(OSError):  # `_create` then says what is wrong
                self.location.remove(LOCK_FILE)
        self.note = (
            f"took over {self.location.display_path(LOCK_FILE)} of a sweep that ended "
            f"without releasing it (pid {stale.pid}, since {stale.since})"
        )

    def _in_use(self, holder: LockOwner | None) -> StoreError:
        who = (
            f"on {holder.host} (pid {holder.pid}) since {holder.since}"
            if holder
            else "just started"
        )
        return StoreError(
            f"{self.location.display_name} is in use by another sweep {who}; wait for it, or "
            f"remove {self.location.display_path(LOCK_FILE)} if that machine is gone"
        )


def _this_process() -> LockOwner:
    return LockOwner(
        host=socket.gethostname(),
        pid=os.getpid(),
        process_start=psutil.Process().create_time(),
        since=_now(),
        refreshed=_now(),
        token=secrets.token_hex(8),
    )


def _has_ended(owner: LockOwner) -> bool:
    """True where the owner ran on this host and certainly runs no more."""
    if owner.host != socket.gethostname():
        return False
    try:
        started = psutil.Process(owner.pid).create_time()
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return True
    except psutil.AccessDenied:
        return False
    return abs(started - owner.process_start) > _START_TOLERANCE_S


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
