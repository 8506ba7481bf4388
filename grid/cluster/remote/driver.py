"""Drivers on the head: started apart from whoever asks, watched over, followed and stopped."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from grid.cache import write_atomically
from grid.cluster.remote.runs import (
    Driver,
    Exit,
    RemoteRun,
    Request,
    RunStatus,
    exit_code,
    folder_of,
    is_alive,
    keep_exit_code,
    load_run,
    make_run_folder,
    reserve_exit_code,
    run_status,
    run_statuses,
)
from grid.errors import ClusterLost, InputError
from grid.results.uris import without_credentials

SWEEP_MODULE = "grid.cli.driven_sweep"
"""What a driver's process runs: `grid sweep` in the run's folder. Named and not imported, since the
command line stands above this."""

START_S = 30.0
"""Seconds that a driver gets to begin."""

LOOK_S = 0.2
"""Seconds between looks at a log."""

HEARTBEAT_S = 10.0
"""Seconds without a line after which an empty one is sent: whoever follows is still there, or this
end finds that out."""

FULL_BYTES = 2**16
"""Free space below which a disk is full: a log's line or a file of rows does not fit."""

WITHDRAW_S = 60.0

INTERRUPTS = frozenset({signal.SIGINT})
"""Blocked until the driver listens; it inherits that."""


def start(request: Request) -> RunStatus:
    """Start a run's driver in a session of its own; returns when it runs.

    Raises InputError where another run writes the same store, ClusterLost where nothing starts.
    """
    for status in run_statuses():
        run = status.run
        if status.state == "running" and run.store == request.run.store:
            raise InputError(
                f"{without_credentials(run.wanted)} is being filled by the sweep {run.sweep}, run "
                f"{run.id}; `grid cluster attach {run.id}` follows it, "
                f"`grid cluster stop {run.id}` ends it"
            )
    folder = make_run_folder(request)
    words = [sys.executable, "-m", "grid.cluster.remote", "drive", request.run.id]
    with (folder / "log.jsonl").open("ab") as log:
        subprocess.Popen(
            words,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_S
    while not (is_alive(folder) or exit_code(folder) is not None):
        if time.monotonic() > deadline:
            raise ClusterLost(f"the driver did not start within {START_S:g} s; see {folder} there")
        time.sleep(0.02)
    return run_status(request.run.id)


def drive(run_id: str) -> None:
    """Run a run's driver to its end and keep its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored below a shell's background job
    run, folder = load_run(run_id), folder_of(run_id)
    environment = {"RAY_AUTH_MODE": "token", **os.environ}
    with (folder / "alive").open("wb") as lock, (folder / "log.jsonl").open("ab") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)
        reserve_exit_code(folder)
        signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)  # the driver inherits that
        driver = subprocess.Popen(
            [sys.executable, "-m", SWEEP_MODULE, run_id],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock.fileno()],  # the lock lasts as long as either of us
        )
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
        write_atomically(folder / "driver.json", msgspec.json.encode(Driver(pid=driver.pid)))
        keep_exit_code(folder, driver.wait())
    if driver.returncode < 0 and run.address:
        _withdraw()


def sweep_arguments(run: RemoteRun) -> list[str]:
    """Arguments of `grid` for a run. None stands in the process's own command line, which every
    user of the machine may read: a store may be named with its credentials."""
    words = ["sweep", "sweep.toml", "--json"]
    words += ["--store", run.store]
    words += ["--address", run.address] if run.address else ["--here"]
    words += ["--fresh"] if run.fresh else []
    words += ["--changed"] if run.changed else []
    return words


def follow(run_id: str, first: int) -> Iterator[bytes]:
    """The log's lines from number `first` on, as they come; empty ones meanwhile, `Exit` last."""
    folder = folder_of(run_id)
    load_run(run_id)
    sent_at, number = time.monotonic(), 0
    for line in _tail(folder):
        number += bool(line)
        wanted = number > first if line else time.monotonic() - sent_at >= HEARTBEAT_S
        if wanted:
            sent_at = time.monotonic()
            yield line
    full = shutil.disk_usage(folder).free < FULL_BYTES
    yield msgspec.json.encode(Exit(code=exit_code(folder), disk_full=full))


def stop(run_id: str) -> RunStatus:
    """Interrupt a run's driver, as Ctrl-C would: its rows are flushed. It may take a while to end.

    Raises InputError where it runs no more, ClusterLost where its process is not found.
    """
    now = run_status(run_id)
    if now.state != "running":
        raise InputError(f"run {run_id} has ended already")
    driver = _driver_process(run_id)
    if driver is None:
        raise ClusterLost(
            f"run {run_id} holds its folder, but the driver's process is not found; look there: "
            f"ps aux | grep {run_id}"
        )
    driver.send_signal(signal.SIGINT)
    return now


def _tail(folder: Path) -> Iterator[bytes]:
    """The log's whole lines, and empty ones while there is no new one, until the driver's end."""
    part = b""
    with (folder / "log.jsonl").open("rb") as file:
        while True:
            living = is_alive(folder)  # asked first: what is written before the end is still read
            *lines, part = (part + file.read()).split(b"\n")
            yield from (line for line in lines if line.strip())
            if not living:
                break
            yield b""
            time.sleep(LOOK_S)
    if part.strip() and not part.startswith(b"{"):  # a step that was cut off is none
        yield part


def _withdraw() -> None:
    """Ask for no rented machines any more, in place of a driver that was killed."""
    if any(status.state == "running" for status in run_statuses()):
        return  # what another run asks for takes its place
    with suppress(OSError, subprocess.TimeoutExpired):
        words = [sys.executable, "-m", "grid.cluster.demand"]
        quiet = subprocess.DEVNULL
        subprocess.run(
            words, stdin=quiet, stdout=quiet, stderr=quiet, timeout=WITHDRAW_S, check=False
        )


def _driver_process(run_id: str) -> psutil.Process | None:
    folder = folder_of(run_id)
    deadline = time.monotonic() + START_S
    while not (folder / "driver.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        driver = msgspec.json.decode((folder / "driver.json").read_bytes(), type=Driver)
        process = psutil.Process(driver.pid)
        same = run_id in process.cmdline()
    except (OSError, psutil.Error, msgspec.MsgspecError):
        return None
    return process if same else None
