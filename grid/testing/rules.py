"""Rules by name: how one is written, tried, and what it says where it is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grid.backend import Backend, Capability
from grid.testing.case import NEAR, Case

RAN = "ran"
SKIPPED = "skipped: "


class NonConforming(AssertionError):
    """A backend broke a rule of the contract."""


class NotTried(Exception):
    """A rule cannot be tried on a case; the message says what it takes."""


class Check(NamedTuple):
    """One rule: the capabilities it takes, what tries it, whether that takes the engine, and
    whether it shows that the capabilities work."""

    needs: frozenset[Capability]
    run: Callable[[Case], None]
    loads: bool
    shows: bool


CHECKS: dict[str, Check] = {}


def check(name: str, case: Case) -> str:
    """Run one check: `ran`, or `skipped: ...` for a capability that is not declared, an engine that
    is not there, or a case that lacks what the rule takes. Raises NonConforming where the rule is
    broken."""
    rule = CHECKS[name]
    missing = sorted(rule.needs - case.backend.capabilities)
    if missing:
        return f"{SKIPPED}{case.backend.name} does not declare {', '.join(missing)}"
    if rule.loads and (obstacle := case.obstacle()):
        return SKIPPED + obstacle
    try:
        rule.run(case)
    except NotTried as why:
        return f"{SKIPPED}{why}"
    return RAN


def declared_rules(backend: Backend) -> list[str]:
    """Names of the checks of what a backend declares, in order: none is skipped for want of a
    capability, also as rules of new ones are added."""
    return [name for name, rule in CHECKS.items() if rule.needs <= backend.capabilities]


def rule(
    *needs: Capability, loads: bool = True, shows: bool = True
) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Adds a function to CHECKS under its name. `loads`: it takes the engine; `shows`: what it
    needs has worked where it ran, which no rule shows without the engine."""

    def register(run: Callable[[Case], None]) -> Callable[[Case], None]:
        CHECKS[run.__name__] = Check(frozenset(needs), run, loads, loads and shows)
        return run

    return register


def require(holds: bool, what: str) -> None:
    if not holds:
        raise NonConforming(what)


def near(first: npt.ArrayLike, second: npt.ArrayLike, what: str, limit: float = NEAR) -> None:
    distance = float(np.max(np.abs(np.subtract(first, second)), initial=0.0))
    require(distance <= limit, f"{what}: {distance:.3g} nats apart")


@contextmanager
def raises(kind: type[Exception], what: str) -> Iterator[None]:
    try:
        yield
    except kind as error:
        require("\n" not in str(error) and str(error) != "", f"{what}: not one line: {error}")
        return
    raise NonConforming(f"{what}: no {kind.__name__}")
