"""A cache folder for each test alone: what one test hashes is not remembered in the next.

A module uses it by `from own_cache import own_cache as own_cache`.
"""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder `cache` in the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("QUANTGRID_CACHE", str(folder))
    return folder
