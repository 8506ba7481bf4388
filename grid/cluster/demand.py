"""Rented machines: a sweep asks for one of each kind, and says when it needs them no more.

A cluster's file marks a kind by a resource `machine-NAME` of its node types; a type and its spot
form share one. Everything here runs on the head, in the process that is connected to Ray.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from grid.cluster.node_flags import BOOTSTRAP

MARK = "machine-"
PATIENCE_S = 1200.0
"""Seconds until a rented machine is given up: it boots, is set up and compiles llama.cpp."""
LOOK_S = 2.0


class Renter(Protocol):
    """A sweep's crew, as far as it rents: the Ray module, connected, and what is done before it
    disconnects."""

    @property
    def ray(self) -> Any: ...

    def on_close(self, act: Callable[[], None]) -> None: ...


def kinds(file: str | Path = BOOTSTRAP) -> tuple[str, ...]:
    """Marks in a cluster's file; none where there is no file, or machines are not rented."""
    import yaml

    path = Path(file).expanduser()
    if not path.is_file():
        return ()
    types = (yaml.safe_load(path.read_text()) or {}).get("available_node_types") or {}
    marked = {name for one in types.values() for name in one.get("resources") or {}}
    return tuple(sorted(name for name in marked if name.startswith(MARK)))


def rent(
    crew: Renter,
    say: Callable[[str], None],
    file: str | Path = BOOTSTRAP,
    patience_s: float = PATIENCE_S,
) -> None:
    """Ask for one machine of each kind until the crew closes, and wait until they have joined. What
    does not come is said, and the work goes on without it. Nothing happens where machines are not
    rented."""
    asked = kinds(file)
    if not asked:
        return
    from ray.autoscaler.sdk import request_resources

    crew.on_close(withdraw)
    request_resources(bundles=[{name: 1} for name in asked])
    _wait(crew.ray, asked, say, patience_s)


def withdraw() -> None:
    """Ask for no machine any more, in a process connected to Ray: idle ones are given back after
    the file's idle time."""
    from ray.autoscaler.sdk import request_resources

    with suppress(Exception):  # the head may be gone; whoever waits for it says so
        request_resources(bundles=[])


def _wait(ray: Any, asked: tuple[str, ...], say: Callable[[str], None], patience_s: float) -> None:
    missing = _missing(ray, asked)
    if missing:
        say(f"waiting for rented machines: {_names(missing)}")
    deadline = time.monotonic() + patience_s
    while missing and time.monotonic() < deadline:
        time.sleep(LOOK_S)
        missing = _missing(ray, asked)
    if missing:
        say(f"going on without {_names(missing)}: not there after {patience_s / 60:.0f} min")


def _missing(ray: Any, asked: tuple[str, ...]) -> list[str]:
    there = ray.cluster_resources()
    return [name for name in asked if not there.get(name)]


def _names(marks: list[str]) -> str:
    return ", ".join(mark.removeprefix(MARK) for mark in marks)


def main() -> None:
    """Withdraws what a sweep asked for that was killed. Raises ClusterLost."""
    from grid.sweep.executors import ray_connect as ray_start

    if kinds():
        ray = ray_start.connect("auto")
        withdraw()
        ray_start.leave(ray)


if __name__ == "__main__":
    main()
