"""`python -m grid.cli.driven_sweep RUN`: the driver of a run on a cluster's head."""

from __future__ import annotations

import runpy
import signal
import socket
import sys
from importlib import import_module

from grid.cluster.remote.driver import INTERRUPTS, sweep_arguments
from grid.cluster.remote.runs import load_run
from grid.engine import interrupts
from grid.errors import ClusterLost, GridError

_INTERRUPTED = 130


def main(run_id: str) -> None:
    """Be a run's driver; an error of the run or of its disk is one line and an exit code."""
    try:
        _drive(run_id)
    except GridError as error:
        sys.stderr.write(f"grid: {error}\n")
        sys.exit(error.exit_code)
    except OSError as error:
        sys.stderr.write(f"grid: {socket.gethostname()}: {error}\n")
        sys.exit(ClusterLost.exit_code)


def _drive(run_id: str) -> None:
    """The command line of `grid`, in the run's folder."""
    sys.argv = ["grid", *sweep_arguments(load_run(run_id))]
    import_module("grid.cli")  # an interrupt in the midst of imports may get lost, so it waits
    import_module("grid.sweep.run")
    interrupts.listen()
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
    except KeyboardInterrupt:
        sys.stderr.write("grid: interrupted before anything ran; the same command resumes\n")
        sys.exit(_INTERRUPTED)
    runpy.run_module("grid", run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1])
