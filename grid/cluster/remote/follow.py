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
from grid.cluster.remote.runs import Exit, Run
from grid.cluster.ssh import Host, HostSilent
from grid.errors import ClusterLost, GridError, StoreLost
from grid.sweep.progress import Ended, Note, Progress, Step, replay

FETCH_S = 30.0
"""Seconds between two fetches of new rows while a run is followed."""

SILENT_S = 300.0
"""Seconds without an answer after which a head is no longer waited for."""

_RETRY_S = (1.0, 2.0, 5.0, 10.0)

_ERROR = "grid: "
"""Begins the line that the command line ends with where something is wrong."""

_EXIT = msgspec.json.Decoder(Exit)


class Detached(GridError):
    """The user stopped following a run, which goes on."""

    exit_code: ClassVar[int] = 130


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended: the driver's exit code, its summary as the `done` line of its JSON has it
    (None where it did not come to that), its error line (empty for none), and the store that has
    its rows."""

    run: Run
    code: int
    summary: dict[str, Any] | None
    error: str
    store: str


def watch(host: Host, run: Run, progress: Progress, store: str | None = None) -> Outcome:
    """Follow a run to its end, fetching its rows as they are made; `store` overrules where to.

    Raises Detached on Ctrl-C, HostSilent where the head does not answer for minutes, ClusterLost
    where the driver ended without a word, StoreLost where its rows cannot be fetched.
    """
    heard = _Heard(progress)
    mirror = mirror_for(host, run, store)
    try:
        with _fetching(mirror):
            for line in replay(_lines(Head(host), run.id, progress), _UntilEnded(progress)):
                heard.take(line)
    except KeyboardInterrupt:
        raise Detached(
            f"no longer following; the sweep goes on on {host}: `grid attach {run.id}` comes back, "
            f"`grid stop {run.id}` ends it"
        ) from None
    finally:
        progress.tell(Ended())
    fetch_rows(host, run, mirror)
    if heard.disk_full and heard.summary is None and not heard.error:
        raise StoreLost(
            f"the disk of {host} is full; rows so far are fetched. Make room there, and the same "
            "command resumes"
        )
    if heard.code is None or heard.code < 0:
        raise ClusterLost(
            f"the driver on {host} ended without a word (run {run.id}); rows so far are fetched, "
            "and the same command resumes"
        )
    return Outcome(
        run=run,
        code=heard.code,
        summary=heard.summary,
        error=heard.error.replace(run.store, f"{host}:{run.store}") if mirror else heard.error,
        store=str(mirror.here) if mirror else run.store,
    )


def _lines(head: Head, run_id: str, progress: Progress) -> Iterator[str]:
    """The lines of a run from its first, over as many connections as it takes."""
    seen = failures = 0
    heard = time.monotonic()
    while True:
        try:
            with head.follow(run_id, seen) as lines:
                for line in lines:
                    heard, failures = time.monotonic(), 0
                    if line:
                        seen += 1
                        yield line
            return
        except HostSilent as error:
            if time.monotonic() - heard > SILENT_S:
                raise HostSilent(
                    f"{error}; the sweep goes on there, and `grid attach {run_id}` comes back to it"
                ) from None
            if not failures:
                progress.tell(Note(text=f"{error}; the sweep goes on there, trying again"))
            time.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
            failures += 1


@contextmanager
def _fetching(mirror: Mirror | None) -> Iterator[None]:
    """Rows are fetched now and then, beside what the block does."""
    done = threading.Event()

    def fetch_often(one: Mirror) -> None:
        while not done.wait(FETCH_S):
            with suppress(GridError):  # the next time, or the last, says what is wrong
                one.pull()

    thread = threading.Thread(target=fetch_often, args=(mirror,), daemon=True) if mirror else None
    if thread:
        thread.start()
    try:
        yield
    finally:
        done.set()
        if thread and sys.exc_info()[0] is not KeyboardInterrupt:
            thread.join()


class _UntilEnded:
    """A progress that hears of the end from whoever follows: the driver may die without a word."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def tell(self, step: Step) -> None:
        if not isinstance(step, Ended):
            self._progress.tell(step)


class _Heard:
    """What a followed run says beside its steps: its summary, its error, its end."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.summary: dict[str, Any] | None = None
        self.error = ""
        self.code: int | None = None
        self.disk_full = False

    def take(self, line: str) -> None:
        told = _decoded(line)
        if told.get("event") == "done":
            self.summary = told
        elif told.get("event") == "exit":
            last = _EXIT.decode(line)
            self.code, self.disk_full = last.code, last.disk_full
        elif line.startswith(_ERROR):
            self.error = line.removeprefix(_ERROR)
        else:
            self._progress.tell(Note(text=line))


def _decoded(line: str) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(line)
    except msgspec.MsgspecError:
        return {}
    return told if isinstance(told, dict) else {}
