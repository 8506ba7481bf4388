"""`python -m grid.cluster.remote COMMAND`: how a head is asked over ssh. Answers are JSON lines."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from importlib.metadata import version

import msgspec

from grid.cluster.config import ray_folder
from grid.cluster.remote import driver, runs
from grid.cluster.remote.head import FOLLOWING
from grid.cluster.ssh import ERROR_PREFIX
from grid.errors import ClusterLost, GridError

RAY_ANSWERS_S = 2.0


def main(words: list[str]) -> int:
    """Run a command; a GridError is one line on standard error and its exit code."""
    commands: dict[str, Callable[..., None]] = {
        "state": _state,
        "start": _start,
        "drive": driver.drive,
        "follow": _follow,
        "list": _list,
        "stop": lambda run_id: _print_answer(driver.stop(run_id)),
    }
    try:
        commands[words[0]](*words[1:])
    except GridError as error:
        sys.stderr.write(f"{ERROR_PREFIX}{error}\n")
        return error.exit_code
    except BrokenPipeError:  # whoever followed has gone
        sys.stderr.close()
        return 0
    except OSError as error:
        sys.stderr.write(f"{ERROR_PREFIX}{socket.gethostname()}: {error}\n")
        return ClusterLost.exit_code
    return 0


def _state() -> None:
    _print_answer(runs.HeadState(ray=_ray_answers(), quantgrid=version("quantgrid")))


def _ray_answers() -> bool:
    """Whether the Ray that `auto` stands for on this machine takes connections; found as Ray does,
    without importing it."""
    try:
        noted = (ray_folder() / "ray_current_cluster").read_text()
        host, _, port = noted.strip().rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=RAY_ANSWERS_S):
            return True
    except (OSError, ValueError):
        return False


def _start() -> None:
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=runs.Request)
    _print_answer(driver.start(request))


def _follow(run_id: str, first: str) -> None:
    sys.stdout.write(FOLLOWING + "\n")
    sys.stdout.flush()
    for line in driver.follow(run_id, int(first)):
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()


def _list() -> None:
    for run_status in runs.run_statuses():
        _print_answer(run_status)


def _print_answer(answer: msgspec.Struct) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
