"""Following a run on a head from this machine, over as many connections as it takes."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import msgspec

from grid.cluster.remote.head import Head
from grid.cluster.remote.mirror import Mirror
from grid.cluster.remote.row_sync import fetch_rows, mirror_for
from grid.cluster.remote.runs import Exit, RemoteRun
from grid.cluster.ssh import ERROR_PREFIX, Host, HostSilent
from grid.errors import ClusterLost, GridError, StoreLost
from grid.sweep.events import Event, Notice, SweepEnded
from grid.sweep.progress import Progress, replay

FETCH_S = 30.0
"""Seconds between two fetches of new rows while a run is followed."""

SILENT_S = 300.0
"""Seconds without an answer after which a head is no longer waited for."""

_RETRY_S = (1.0, 2.0, 5.0, 10.0)

_EXIT = msgspec.json.Decoder(Exit)


class Detached(GridError):
    """The user stopped following a run, which goes on."""

    exit_code: ClassVar[int] = 130


class RunOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended: the driver's exit code, its summary as the `done` line of its JSON has it
    (None where it did not come to that), its error line (empty for none), and the store that has
    its rows."""

    run: RemoteRun
    code: int
    summary: dict[str, Any] | None
    error: str
    store: str


def watch(host: Host, run: RemoteRun, progress: Progress, store: str | None = None) -> RunOutcome:
    """Follow a run to its end, fetching its rows as they are made; `store` overrules where to.

    Raises Detached on Ctrl-C, HostSilent where the head does not answer for minutes, ClusterLost
    where the driver ended without a word, StoreLost where its rows cannot be fetched.
    """
    output = _FollowedOutput(progress)
    mirror = mirror_for(host, run, store)
    try:
        with _fetch_meanwhile(mirror):
            for line in replay(_lines(Head(host), run.id, progress), _WithoutEnd(progress)):
                output.take(line)
    except KeyboardInterrupt:
        raise Detached(
            f"no longer following; the sweep goes on on {host}: `grid cluster attach {run.id}` "
            f"comes back, `grid cluster stop {run.id}` ends it"
        ) from None
    finally:
        progress.tell(SweepEnded())
    fetch_rows(host, run, mirror)
    if output.disk_full and output.summary is None and not output.error:
        raise StoreLost(
            f"the disk of {host} is full; rows so far are fetched. Make room there, and the same "
            "command resumes"
        )
    if output.code is None or output.code < 0:
        raise ClusterLost(
            f"the driver on {host} ended without a word (run {run.id}); rows so far are fetched, "
            "and the same command resumes"
        )
    return RunOutcome(
        run=run,
        code=output.code,
        summary=output.summary,
        error=output.error.replace(run.store, f"{host}:{run.store}") if mirror else output.error,
        store=str(mirror.folder) if mirror else run.store,
    )


def _lines(head: Head, run_id: str, progress: Progress) -> Iterator[str]:
    """The lines of a run from its first, over as many connections as it takes."""
    received = failures = 0
    heard_at = time.monotonic()
    while True:
        try:
            with head.follow(run_id, received) as lines:
                for line in lines:
                    heard_at, failures = time.monotonic(), 0
                    if line:
                        received += 1
                        yield line
            return
        except HostSilent as error:
            if time.monotonic() - heard_at > SILENT_S:
                raise HostSilent(
                    f"{error}; the sweep goes on there, and `grid cluster attach {run_id}` comes "
                    "back to it"
                ) from None
            if not failures:
                progress.tell(Notice(text=f"{error}; the sweep goes on there, trying again"))
            time.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
            failures += 1


@contextmanager
def _fetch_meanwhile(mirror: Mirror | None) -> Iterator[None]:
    """Fetch new rows every `FETCH_S` seconds while the block runs."""
    done = threading.Event()

    def fetch_often(mirror: Mirror) -> None:
        while not done.wait(FETCH_S):
            with suppress(GridError):  # the next time, or the last, says what is wrong
                mirror.pull()

    thread = threading.Thread(target=fetch_often, args=(mirror,), daemon=True) if mirror else None
    if thread:
        thread.start()
    try:
        yield
    finally:
        done.set()
        if thread and sys.exc_info()[0] is not KeyboardInterrupt:
            thread.join()


class _WithoutEnd:
    """Passes on every step but the end, which `watch` tells: a driver may die without a word."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def tell(self, event: Event) -> None:
        if not isinstance(event, SweepEnded):
            self._progress.tell(event)


class _FollowedOutput:
    """Reads what a followed run says beside its steps: its summary, its error, its end."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.summary: dict[str, Any] | None = None
        self.error = ""
        self.code: int | None = None
        self.disk_full = False

    def take(self, line: str) -> None:
        event = _decode_event(line)
        if event.get("event") == "done":
            self.summary = event
        elif event.get("event") == "exit":
            last = _EXIT.decode(line)
            self.code, self.disk_full = last.code, last.disk_full
        elif line.startswith(ERROR_PREFIX):
            self.error = line.removeprefix(ERROR_PREFIX)
        else:
            self._progress.tell(Notice(text=line))


def _decode_event(line: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(line)
    except msgspec.MsgspecError:
        return {}
    return value if isinstance(value, dict) else {}
