"""Rules of loading: what an engine says of itself, and what it leaves behind."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from grid.backend import HasEndpoint
from grid.testing.case import Case
from grid.testing.resident_memory import resident_bytes
from grid.testing.rules import NonConforming, require, rule

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


@rule("endpoint")
def the_endpoint_is_where_the_engine_says(case: Case) -> None:
    """While the engine is loaded, something listens there."""
    with case.engine() as engine:
        require(isinstance(engine, HasEndpoint), "an engine with an endpoint says where it is")
        endpoint = engine.endpoint()
        parts = urlsplit(endpoint.url)
        require(not endpoint.url.endswith(("/", "/v1")), "the URL is the server's root")
        require(bool(endpoint.model), "the endpoint says the model that requests name")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname or "", port), timeout=10).close()
        except OSError as error:
            raise NonConforming(f"nothing listens at {endpoint.url}: {error}") from error


@rule()
def the_engine_describes_itself(case: Case) -> None:
    with case.engine() as engine:
        environment = engine.environment()
        require(bool(engine.version), "an engine has a version")
    require(all(type(v) is str for v in environment.values()), "the environment is text")
