"""What is run in a sandbox, within which limits, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MIB = 1 << 20

Status = Literal["passed", "failed", "timeout", "memory", "refused"]


@dataclass(frozen=True)
class Program:
    """Python source text that tests itself: a prompt, what a model wrote, and the tests.

    It passes where it runs to its last line without an exception.
    """

    source: str


@dataclass(frozen=True)
class SandboxLimits:
    """What a program may use. Standard output and error are dropped, so they need no limit.

    `cpu_s` and `wall_s` are seconds of computing and of time; `memory_bytes` is address space of a
    process, of which the filter of system calls allows one; `disk_bytes` bounds its scratch folder,
    which is memory, and each file in it; `threads` counts its own first one.
    """

    cpu_s: int = 10
    wall_s: float = 30.0
    memory_bytes: int = 1024 * MIB
    disk_bytes: int = 16 * MIB
    open_files: int = 64
    threads: int = 16


@dataclass(frozen=True)
class Outcome:
    """What came of a program.

    `failed`: a test failed, it raised, or it ended before its tests did. `refused`: it was not run,
    because the system offers no sandbox; such an outcome is no score. `reason` is one short line,
    empty where it passed. `cpu_s` is its computing time in seconds, `seconds` the whole time with
    the sandbox's own.
    """

    status: Status
    reason: str = ""
    cpu_s: float = 0.0
    seconds: float = 0.0
