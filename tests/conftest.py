"""Fixtures shared by all tests: a cache of their own, a fake model, and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

FAKE_SWEEP = """
name = "toy"
backends = ["fake"]
quants = ["F16", "Q8", "Q4", "Q2"]
[[models]]
source = "toy.fake"
[speed]
prompt = [64]
generate = [16]
[latency]
prompt = 16
generate = 16
[quality]
text = "ref:heldout"
context = 64
chunks = 4
[tasks]
source = "ref:items"
items = 20
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cache for the whole run, away from the user's."""
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A folder with a fake model and a sweep file over its quants."""
    import grid_fake

    grid_fake.write(tmp_path / "toy.fake")
    (tmp_path / "toy.toml").write_text(FAKE_SWEEP)
    return tmp_path


@pytest.fixture
def grid(tmp_path: Path) -> Run:
    """`grid(...)` runs the command line in the test's folder as a user would."""

    def run(
        *arguments: str, timeout: float = 120, **options: object
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "grid", *arguments],
            cwd=tmp_path,
            env=os.environ.copy(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **options,  # type: ignore[call-overload]
        )

    return run
