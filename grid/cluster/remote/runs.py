"""The runs of a head: a folder each, and what it says about the driver that it belongs to.

~/.local/state/quantgrid/runs/20260131-235959-1a2b/
    run.json sweep.toml     what was asked
    log.jsonl               what the driver said: its progress as JSON lines, errors as text
    alive                   locked by the driver as long as it lives
    driver.json             its process
    exit                    its exit code
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from grid.cache import write_atomically
from grid.errors import InputError

STATE = "~/.local/state/quantgrid"
"""Folder of all that follows, on the head; the same on every one, so that it need not be asked."""

RUNS_KEPT = 50
"""Runs of which the log stays; those before are forgotten when another starts."""

_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")

_CODE_LETTERS = 8

_TAIL_BYTES = 2**16

State = Literal["running", "ended", "vanished"]


class RemoteRun(msgspec.Struct, frozen=True, kw_only=True):
    """One sweep to run on a head. `store` is where the driver writes, on the head or a URI;
    `machine` asked for it, and wants the rows in `wanted`. `address` is the Ray that the driver
    joins; empty: none, it runs the sweep on its own machine."""

    id: str
    sweep: str
    store: str
    machine: str
    wanted: str
    fresh: bool = False
    changed: bool = False
    address: str = "auto"
    at: float = msgspec.field(default_factory=time.time)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A run to be started, with the text of its sweep file."""

    run: RemoteRun
    sweep: str


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The status of a run: `code` is the driver's exit code, None where it left none or still runs;
    `done` of `total` cells have ended."""

    run: RemoteRun
    state: State
    code: int | None = None
    done: int = 0
    total: int = 0


class HeadState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether Ray's head runs on a machine, and what is installed there."""

    ray: bool
    quantgrid: str


class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """The driver's process. That its command line names the run tells it from a later one with the
    same number."""

    pid: int


def new_id() -> str:
    """`20260131-235959-1a2b`: sorts by time (UTC), and is unlike any other's."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"


def valid_run_id(run_id: str) -> str:
    """The id itself. Raises InputError for a text that is no run's id, such as a path."""
    if not _ID.fullmatch(run_id):
        raise InputError(f"{run_id!r} is not a run; `grid cluster runs` lists them")
    return run_id


def private_folder() -> Path:
    """STATE, made so that only its owner reads it: stores may be named with their credentials."""
    folder = Path(STATE).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def runs_folder() -> Path:
    return Path(STATE).expanduser() / "runs"


def folder_of(run_id: str) -> Path:
    """The folder of a run of this machine. Raises InputError for a name that is none."""
    return runs_folder() / valid_run_id(run_id)


def make_run_folder(request: Request) -> Path:
    """Make a run's folder, and forget the oldest ones."""
    folder = folder_of(request.run.id)
    private_folder()
    folder.mkdir(parents=True)
    write_atomically(folder / "sweep.toml", request.sweep.encode())
    write_atomically(folder / "run.json", msgspec.json.encode(request.run))
    _forget_old()
    return folder


def load_run(run_id: str) -> RemoteRun:
    """The run of an id on this machine. Raises InputError where there is no such run."""
    try:
        return msgspec.json.decode((folder_of(run_id) / "run.json").read_bytes(), type=RemoteRun)
    except (OSError, msgspec.MsgspecError):
        raise InputError(f"no run {run_id} on the head; `grid cluster runs` lists them") from None


def run_status(run_id: str) -> RunStatus:
    """The status of a run now. Raises InputError where there is no such run."""
    run = load_run(run_id)
    folder = folder_of(run_id)
    done, total = _cell_counts(folder / "log.jsonl")
    if is_alive(folder):
        return RunStatus(run=run, state="running", done=done, total=total)
    code = exit_code(folder)
    state: State = "vanished" if code is None else "ended"
    return RunStatus(run=run, state=state, code=code, done=done, total=total)


def run_statuses() -> list[RunStatus]:
    """Every run of this machine, the newest first."""
    statuses = []
    for name in sorted(os.listdir(runs_folder()) if runs_folder().is_dir() else (), reverse=True):
        with contextlib.suppress(InputError):
            statuses.append(run_status(name))
    return statuses


def is_alive(folder: Path) -> bool:
    """Whether the run's driver, or what watches over it, lives."""
    try:
        with (folder / "alive").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def reserve_exit_code(folder: Path) -> None:
    """Make room for a driver's exit code, which is to be kept also when the disk is full."""
    (folder / "exit").write_text(" " * _CODE_LETTERS)


def keep_exit_code(folder: Path, code: int) -> None:
    with (folder / "exit").open("r+") as file:
        file.write(f"{code:<{_CODE_LETTERS}}")


def exit_code(folder: Path) -> int | None:
    """The driver's exit code; None where it left none."""
    try:
        return int((folder / "exit").read_text())
    except (OSError, ValueError):
        return None


def _cell_counts(log: Path) -> tuple[int, int]:
    """Cells done and in all, by the log's last lines; all of it is read only where they do not say
    so."""
    counts = (0, 0)
    for most in (_TAIL_BYTES, None):
        with contextlib.suppress(OSError), log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most) if most else 0)
            counts = _counts(file)
            if counts[0]:
                return counts
    return counts


def _counts(lines: Iterable[bytes]) -> tuple[int, int]:
    done = total = 0
    for line in lines:
        if line.startswith(b'{"event":"planned"'):
            total = _number(line, "cells", total)
        elif line.startswith(b'{"event":"finished"'):
            done, total = _number(line, "done", done), _number(line, "total", total)
    return done, total


def _number(line: bytes, key: str, otherwise: int) -> int:
    match = re.search(rb'"%s":(\d+)' % key.encode(), line)
    return int(match[1]) if match else otherwise


def _forget_old() -> None:
    names = sorted((n for n in os.listdir(runs_folder()) if _ID.fullmatch(n)), reverse=True)
    for name in names[RUNS_KEPT:]:
        if not is_alive(runs_folder() / name):
            shutil.rmtree(runs_folder() / name, ignore_errors=True)


class Exit(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="exit"):
    """The last line of a run that is followed: the exit code, None where its driver ended without a
    word; and whether the disk has no room left for what it had to say."""

    code: int | None
    disk_full: bool = False
