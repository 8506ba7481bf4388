"""Each wall is tested with all the others, and with the filter of system calls taken away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from grid.engine.sandbox import run, sandbox_obstacle


@pytest.fixture(autouse=True)
def _sandbox() -> None:
    reason = sandbox_obstacle()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def without_filter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The kernel allows every system call: namespaces and limits must hold by themselves."""
    run._surroundings.cache_clear()
    monkeypatch.setattr(run, "filter_here", lambda: b"")
    yield
    run._surroundings.cache_clear()


@pytest.fixture(params=["with_filter", "without_filter"])
def walls(request: pytest.FixtureRequest) -> None:
    """Two runs of a test: one as it is, one without the filter."""
    if request.param == "without_filter":
        request.getfixturevalue("without_filter")
