"""Getting to Ray: one of this machine's own, or a cluster that runs already.

Every `ray.init` argument and variable has a reason in its comment.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from grid.errors import ClusterLost

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_ENABLE_AUTO_CONNECT": "0",  # else a question after the end starts Ray anew
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # else every worker of `uv run grid` starts through uv
}

_LOCAL_ENVIRONMENT = {
    "RAY_memory_monitor_refresh_ms": "0",  # it would end the actor; the system ends the engine
    "RAY_worker_niceness": "0",  # else engines run at the lowest priority, behind anything else
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # leave the accelerators visible to our children
}

OBJECT_STORE_BYTES = 80 * 2**20
"""Results are a few hundred kilobytes each; Ray's least size is 75 MiB."""

CHECK_S = 5.0
CONNECT_S = 60.0

SHUTDOWN_S = 10.0
"""Seconds that leaving Ray may take: with a dead head it would hang."""


def start_local(cores: int) -> Any:
    """Start a Ray on this machine and return the module. Raises ClusterLost."""
    _prepare(_ENVIRONMENT | _LOCAL_ENVIRONMENT)
    return _init(
        "Ray does not start: {}; --executor inline does without it",
        address="local",
        num_cpus=max(1, cores),
        include_dashboard=False,  # 200 MB less
        object_store_memory=OBJECT_STORE_BYTES,
        _node_ip_address="127.0.0.1",  # else Ray asks the network for its own address
    )


def connect(address: str) -> Any:
    """Join the cluster at `address` (`auto`, or host:port of its head) as a driver and return the
    module. This machine must be one of its nodes. Raises ClusterLost."""
    # What its native code warns of while it tries is said in one line in the end.
    quiet = {"RAY_BACKEND_LOG_LEVEL": "error"}
    _prepare(_ENVIRONMENT | quiet | {"RAY_AUTH_MODE": "token"})
    _check_listening(address)
    with _exit_after(CONNECT_S, f"the Ray cluster at {address} does not answer"):
        return _init(f"no Ray cluster at {address}: {{}}", address=address)


def _check_listening(address: str) -> None:
    """Raises ClusterLost where nothing listens: Ray itself would try for many minutes."""
    if address == "auto":
        from ray._private.utils import read_ray_address

        address = read_ray_address() or ""  # of the cluster that was started here last
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return  # Ray knows at once that there is none
    try:
        socket.create_connection((host, int(port)), CHECK_S).close()
    except OSError as error:
        reason = error.strerror or error
        raise ClusterLost(f"no Ray cluster at {address}: {reason}; `grid cluster status`") from None


@contextmanager
def _exit_after(seconds: float, message: str) -> Iterator[None]:
    """Ends this process, which has done nothing yet, where the block takes longer: what hangs is in
    Ray's native code, which no exception reaches."""

    def end() -> None:
        sys.stderr.write(f"grid: {message} for {seconds:.0f} s; `grid cluster status`\n")
        sys.stderr.flush()
        os._exit(ClusterLost.exit_code)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def leave(ray: Any) -> None:
    """Shut Ray down, unless that takes too long: its head may be gone."""
    thread = threading.Thread(target=ray.shutdown, daemon=True)
    thread.start()
    thread.join(SHUTDOWN_S)


def _prepare(variables: dict[str, str]) -> None:
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def _init(message: str, **arguments: Any) -> Any:
    import ray

    on_term = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **arguments)
    except Exception as error:  # Ray raises bare ones, such as where a node starts too slowly
        raise ClusterLost(message.format(_first_line(error))) from error
    # What workers print goes to standard output, whatever log_to_driver says: pages of it where a
    # node dies.
    ray._private.worker.print_to_stdstream = lambda *_, **__: None
    signal.signal(signal.SIGTERM, on_term)  # Ray's own would exit before rows are flushed
    return ray


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0].rstrip(".")
