"""Rules of loading: what an engine says of itself, and what it leaves behind."""

from __future__ import annotations

from grid.testing.case import Case
from grid.testing.resident_memory import resident_bytes
from grid.testing.rules import require, rule

GROWTH = 16 * 2**20
"""Bytes by which a process may grow over the loads that are watched."""

_SETTLING = 2


@rule()
def memory_is_given_back(case: Case) -> None:
    """Loading again and again does not grow the process."""

    def resident() -> int:
        with case.fresh() as engine:
            report = engine.memory_report()
        require(all(type(n) is int and n >= 0 for n in report.values()), "reports are bytes")
        del engine
        return resident_bytes()

    settled = [resident() for _ in range(_SETTLING)][-1]
    grown = [resident() for _ in range(case.loads)][-1] - settled
    require(grown < GROWTH, f"{case.loads} loads left {grown} bytes behind")


@rule()
def the_engine_describes_itself(case: Case) -> None:
    with case.engine() as engine:
        environment = engine.environment()
        require(bool(engine.version), "an engine has a version")
    require(all(type(v) is str for v in environment.values()), "the environment is text")
