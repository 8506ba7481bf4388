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
    """What renting needs of an executor: the Ray module, connected, and acts before it
    disconnects."""

    @property
    def ray(self) -> Any: ...

    def on_close(self, act: Callable[[], None]) -> None: ...


def machine_kinds(file: str | Path = BOOTSTRAP) -> tuple[str, ...]:
    """Marks of the kinds in a cluster's file; none where there is no file or nothing is rented."""
    import yaml

    path = Path(file).expanduser()
    if not path.is_file():
        return ()
    types = (yaml.safe_load(path.read_text()) or {}).get("available_node_types") or {}
    marked = {name for node_type in types.values() for name in node_type.get("resources") or {}}
    return tuple(sorted(name for name in marked if name.startswith(MARK)))


def rent(
    executor: Renter,
    say: Callable[[str], None],
    file: str | Path = BOOTSTRAP,
    patience_s: float = PATIENCE_S,
) -> None:
    """Ask for one machine of each kind until the executor closes, and wait until they have joined.
    The work goes on without those that do not come, which is said. Nothing happens where machines
    are not rented."""
    kinds = machine_kinds(file)
    if not kinds:
        return
    from ray.autoscaler.sdk import request_resources

    executor.on_close(withdraw)
    request_resources(bundles=[{name: 1} for name in kinds])
    _wait(executor.ray, kinds, say, patience_s)


def withdraw() -> None:
    """Ask for no machine any more, in a process connected to Ray: idle ones are given back after
    the file's idle time."""
    from ray.autoscaler.sdk import request_resources

    with suppress(Exception):  # the head may be gone; whoever waits for it says so
        request_resources(bundles=[])


def _wait(ray: Any, kinds: tuple[str, ...], say: Callable[[str], None], patience_s: float) -> None:
    missing = _missing(ray, kinds)
    if missing:
        say(f"waiting for rented machines: {_names(missing)}")
    deadline = time.monotonic() + patience_s
    while missing and time.monotonic() < deadline:
        time.sleep(LOOK_S)
        missing = _missing(ray, kinds)
    if missing:
        say(f"going on without {_names(missing)}: not there after {patience_s / 60:.0f} min")


def _missing(ray: Any, kinds: tuple[str, ...]) -> list[str]:
    resources = ray.cluster_resources()
    return [name for name in kinds if not resources.get(name)]


def _names(marks: list[str]) -> str:
    return ", ".join(mark.removeprefix(MARK) for mark in marks)


def main() -> None:
    """Withdraw what a killed sweep asked for. Raises ClusterLost."""
    from grid.sweep.executors import ray_connect

    if machine_kinds():
        ray = ray_connect.connect("auto")
        withdraw()
        ray_connect.leave(ray)


if __name__ == "__main__":
    main()
