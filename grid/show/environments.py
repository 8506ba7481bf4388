"""Making environments by hand: what the installer says, and how each backend is afterwards."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

from grid.environments import HERE, availability, found, made
from grid.errors import EngineError, InputError
from grid.node import Node
from grid.registry import backend, names
from grid.show.console import console
from grid.units import format_seconds

ALL = "all"


def install_backends(asked: Iterable[str], node: Node, again: bool = False) -> int:
    """Make the environment of each backend, going on after one that cannot be made; returns the
    exit code. Raises InputError for an unknown name before anything is made."""
    wanted = list(dict.fromkeys(asked))
    wanted = list(names()) if wanted == [ALL] else wanted
    for name in wanted:
        backend(name)
    failed = [name for name in wanted if not _install(name, node, again)]
    return 1 if failed else 0


def _install(name: str, node: Node, again: bool) -> bool:
    start = time.monotonic()
    there = found(name, node)
    fresh = again or there is None
    try:
        if fresh:
            console().print(f"{name}: making its environment", markup=False)
        interpreter = made(name, node, _say, again)
        state = availability(name, node)
    except (EngineError, InputError) as error:
        console().print(f"{name}: {error}", markup=False, soft_wrap=True)
        return False
    if not state.ready:
        mend = f"; {state.mend}" if state.mend else ""
        console().print(f"{name}: not ready: {state.reason}{mend}", markup=False, soft_wrap=True)
        return False
    how = "needs no environment of its own" if interpreter == HERE else "environment ready"
    took = f", made in {format_seconds(time.monotonic() - start)}" if fresh else ""
    console().print(f"{name}: {how}{took}: {state.version}", markup=False, soft_wrap=True)
    return True


def _say(line: str) -> None:
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()
