"""Fixtures shared by all tests: a cache of their own, a fake model, and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_sweep import FAKE_SWEEP, Run

# Ray reads it once, at its import. Under `uv run pytest` its workers would start through uv, in an
# environment without Ray.
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"


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
