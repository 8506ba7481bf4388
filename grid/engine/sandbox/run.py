"""Runs programs in sandboxes, one after another or two at a time."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from importlib.resources import as_file, files
from io import FileIO
from pathlib import Path
from typing import Any

from grid.engine.sandbox.program import MIB, Outcome, Program, SandboxLimits, Status
from grid.engine.sandbox.syscalls import filter_here, why_no_filter
from grid.engine.sandbox.tree import PYTHON, interpreter, linker_environment, plan_tree

OLDEST_LINUX = 5, 14
"""From here on the kernel counts a user's processes in each user namespace by itself, and can make
a whole mount tree read-only at once."""

ENVIRONMENT = {
    "PATH": "/python/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "LD_LIBRARY_PATH": "/lib:/python/lib",
    "LD_ORIGIN_PATH": "/python/bin",  # what the linker would read in /proc, which is not mounted
    "PYTHONHASHSEED": "0",  # the same program has the same outcome each time
}
GRACE_S = 30.0
"""Seconds beyond `wall_s` after which even the sandbox's outer process is given up."""
LONGEST_REASON = 160
_SWITCHES = {
    "kernel/apparmor_restrict_unprivileged_userns": "1",
    "kernel/unprivileged_userns_clone": "0",
    "user/max_user_namespaces": "0",
}
"""Settings that keep ordinary users from namespaces, and the value that does."""


def run_programs(
    programs: Sequence[Program], limits: SandboxLimits | None = None, parallel: int = 1
) -> list[Outcome]:
    """Outcomes of the programs, each run in a sandbox of its own, `parallel` at a time.

    All are `refused`, with the reason, where this system offers no sandbox. Raises nothing for what
    a program does.
    """
    reason = sandbox_obstacle()
    if reason:
        return [Outcome("refused", reason) for _ in programs]
    limits = limits or SandboxLimits()
    pool = ThreadPoolExecutor(parallel)
    try:
        return list(pool.map(lambda program: _run(program, limits), programs))
    finally:
        pool.shutdown(cancel_futures=True)


def passed(sources: Iterable[str], limits: SandboxLimits | None = None) -> list[Outcome]:
    """Outcomes of program texts that test themselves, see `run_programs`."""
    return run_programs([Program(source) for source in sources], limits)


@cache
def sandbox_obstacle() -> str:
    """Why generated code cannot be run here and what to try, in a line; empty where it can.

    It runs a program of ours in a sandbox, once a process, and believes nothing else.
    """
    if sys.platform != "linux":
        return (
            "generated code runs only in a sandbox of Linux namespaces: leave out the tasks that "
            "run code, or run them on Linux (a virtual machine will do)"
        )
    release = os.uname().release
    if tuple(int(part) for part in re.findall(r"\d+", release)[:2]) < OLDEST_LINUX:
        return f"the sandbox for generated code takes Linux 5.14 or newer, this is {release}"
    if reason := why_no_filter():
        return f"no sandbox for generated code: {reason}"
    try:
        outcome = _run(Program(_SELF_TEST), SandboxLimits())
    except (OSError, subprocess.SubprocessError) as error:
        return f"no sandbox for generated code: {interpreter()}: {_one_line(str(error))}"
    return "" if outcome.status == "passed" else f"no sandbox for generated code: {outcome.reason}"


_SELF_TEST = """
import os, socket
assert os.getpid() == 1 and os.getuid() == os.getgid() == 65534, "it is not alone"
assert set(os.listdir("/dev")) == {"null", "zero", "random", "urandom"}, "it sees other files"
try:
    socket.socket()
except PermissionError:
    pass
else:
    assert False, "it can open a socket"
"""


def _run(program: Program, limits: SandboxLimits) -> Outcome:
    """One program in one sandbox; it and all it started are gone when this returns or raises."""
    began = time.perf_counter()
    token = secrets.token_hex(32).encode()
    with _pipe() as token_pipe, _pipe() as report_pipe, _pipe() as lifeline_pipe:
        token_pipe[1].write(token)
        token_pipe[1].close()
        given_away = token_pipe[0], report_pipe[1], lifeline_pipe[0]
        numbers = [file.fileno() for file in given_away]
        job = {
            **dict(zip(("token", "report", "lifeline"), numbers, strict=True)),
            **asdict(limits),
            **_surroundings(),
            "program": program.source,
        }
        with _start(numbers) as process:
            for file in given_away:
                file.close()
            try:
                answer, _ = process.communicate(json.dumps(job).encode(), limits.wall_s + GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            finally:
                lifeline_pipe[1].close()  # which ends a sandbox that still runs
        report = report_pipe[0].read(4096)
    seconds = time.perf_counter() - began
    return _outcome(json.loads(answer or "{}"), report, token, limits, seconds)


@contextmanager
def _pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """The reading and the writing end, both closed at the end."""
    reader, writer = os.pipe()
    with FileIO(reader, "rb") as reading, FileIO(writer, "wb") as writing:
        yield reading, writing


def _start(numbers: Sequence[int]) -> subprocess.Popen[bytes]:
    """The sandbox's outer process: no terminal, no files but these, and of the environment nothing
    but where this Python's own libraries are."""
    with as_file(files("grid.engine.sandbox") / "jail.py") as script:
        return subprocess.Popen(
            [str(interpreter()), "-I", "-S", "-B", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=numbers,
            env=linker_environment(),
            cwd="/",
            start_new_session=True,
        )


@cache
def _surroundings() -> dict[str, Any]:
    """What is the same in every job of this process."""
    runner = (files("grid.engine.sandbox") / "runner.py").read_text(encoding="utf-8")
    return {
        **plan_tree()._asdict(),
        "python": PYTHON,
        "environment": ENVIRONMENT,
        "filter": filter_here().hex(),
        "runner": runner,
    }


def _outcome(
    answer: dict[str, Any], report: bytes, token: bytes, limits: SandboxLimits, seconds: float
) -> Outcome:
    """What the outer process answered and what the program reported, as an Outcome."""
    setup = answer.get("setup", "its outer process died")
    if setup:
        return Outcome("refused", f"the sandbox could not be made: {_one_line(setup)}{_hint()}")
    cpu_s = answer["cpu_s"]
    status, reason = _verdict(answer, report, token, limits)
    return Outcome(status, reason, cpu_s, seconds)


def _verdict(
    answer: dict[str, Any], report: bytes, token: bytes, limits: SandboxLimits
) -> tuple[Status, str]:
    killed_by = os.WTERMSIG(answer["status"]) if os.WIFSIGNALED(answer["status"]) else 0
    if answer["timed_out"]:
        return "timeout", f"still running after {limits.wall_s:g} s"
    if killed_by and answer["cpu_s"] > limits.cpu_s - 0.5:
        return "timeout", f"computed for {limits.cpu_s} s without an end"
    if killed_by:
        return "failed", f"ended by {signal.Signals(killed_by).name}"
    if report == token:
        return "passed", ""
    kind, text = report[:1], _one_line(report[1:].decode("utf-8", "replace"))
    if kind == b"M":
        return "memory", f"took more than {limits.memory_bytes // MIB} MiB of memory"
    return "failed", text if kind == b"F" else "ended before its tests had"


def _one_line(text: str) -> str:
    """Text that a terminal can show: one line of printable characters, not too long."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:LONGEST_REASON]


def _hint() -> str:
    """What an administrator may have switched off, from the kernel's own settings."""
    for name, closed in _SWITCHES.items():
        path = Path("/proc/sys", name)
        if path.exists() and path.read_text().strip() == closed:
            return f" ({name.replace('/', '.')} is {closed} here; an administrator can change it)"
    return ""
