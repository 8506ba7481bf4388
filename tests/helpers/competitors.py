"""Processes that compete for cores, and are no children of the one that is measured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_COMPUTE = "print(flush=True)\nwhile True: pass"


@contextmanager
def competitor(core: int) -> Iterator[int]:
    """The id of a process that computes on a core. Its parent has ended, so that it is nobody's
    child."""
    code = f"import os\nos.sched_setaffinity(0, {{{core}}})\n{_COMPUTE}"
    launch = [sys.executable, "-c", f"import subprocess, sys\n{_LAUNCH}", code]
    launcher = subprocess.run(launch, capture_output=True, text=True, check=True, timeout=60)
    process = int(launcher.stdout)
    try:
        yield process
    finally:
        os.kill(process, signal.SIGKILL)


_LAUNCH = """
command = [sys.executable, "-c", sys.argv[1]]
process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
process.stdout.readline()
print(process.pid)
"""
"""Ends once the process computes."""
