"""Making environments by hand: what the installer says, and how each backend is afterwards."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

from grid.backend.registry import backend, names
from grid.cli.views.console import console
from grid.engine.environments import HERE, availability, found, made
from grid.errors import EngineError, InputError
from grid.hardware.node import Node
from grid.units import format_seconds

ALL = "all"

SELDOM_S = 5.0


def install_backends(asked: Iterable[str], node: Node, again: bool = False) -> int:
    """Make the environment of each backend, going on after one that cannot be made; returns the
    exit code. Raises InputError for an unknown name before anything is made."""
    wanted = list(dict.fromkeys(asked))
    if wanted == [ALL]:
        wanted = list(names())
    else:
        for name in wanted:
            backend(name)
    failed = [name for name in wanted if not _install(name, node, again)]
    return 1 if failed else 0


def ready_environments(asked: Iterable[str], node: Node) -> dict[str, str]:
    """Make what is missing before a sweep is planned, since another engine has to give the
    reference where the usual one's environment cannot be made; returns why, by backend."""
    broken: dict[str, str] = {}
    for name in asked:
        if found(name, node) is not None:
            continue
        sys.stderr.write(f"making the environment of {name}, once\n")
        try:
            made(name, node, _Seldom())
        except EngineError as error:
            broken[name] = str(error)
            sys.stderr.write(f"{error}\n")
    return broken


class _Seldom:
    """Says an installer's newest line, a few seconds after the one before."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, line: str) -> None:
        if time.monotonic() - self._last >= SELDOM_S:
            self._last = time.monotonic()
            _say(line)


def _install(name: str, node: Node, again: bool) -> bool:
    start = time.monotonic()
    try:
        fresh = again or found(name, node) is None
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
    how = "ready, needs no environment of its own" if interpreter == HERE else "environment ready"
    took = f", made in {format_seconds(time.monotonic() - start)}" if fresh else ""
    console().print(f"{name}: {how}{took} ({state.version})", markup=False, soft_wrap=True)
    return True


def _say(line: str) -> None:
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()
