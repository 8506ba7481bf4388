"""Sandbox: runs programs that a model wrote, where they can reach nothing of this machine.

Linux only. A program gets namespaces of its own (users, processes, mounts, network, IPC, names), a
small file tree of a read-only Python and one scratch folder in memory, the user `nobody` without
any capability, a filter of system calls, and limits on time, memory, disk, files and threads. All
its processes end with it. It needs nothing but the standard library, as root or as anybody.

Off unless the sweep file says `tasks.run_code = true`. Where `sandbox_obstacle()` is not empty such
tasks are refused; nothing falls back to running a program unconfined.
"""

from grid.engine.sandbox.benchmarks import humaneval_program, mbpp_program, read_rows
from grid.engine.sandbox.program import Outcome, Program, SandboxLimits
from grid.engine.sandbox.run import passed, run_programs, sandbox_obstacle

__all__ = [
    "Outcome",
    "Program",
    "SandboxLimits",
    "humaneval_program",
    "mbpp_program",
    "passed",
    "read_rows",
    "run_programs",
    "sandbox_obstacle",
]
