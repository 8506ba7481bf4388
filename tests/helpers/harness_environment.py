"""The environment of lm-evaluation-harness for tests: made once, in a cache outside the repository.

Tests skip with a message where it cannot be made, which takes the package index.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest
from filelock import FileLock

from grid.engine.harness import task_names
from grid.engine.harness.process import install
from grid.errors import EngineError


@pytest.fixture(scope="session")
def shared_harness() -> Path:
    """A cache folder with the harness's environment and its list of names."""
    folder = Path(platformdirs.user_cache_dir("quantgrid-tests")) / "harness"
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch, FileLock(folder / "made.lock"):
        patch.setenv("QUANTGRID_CACHE", str(folder))
        try:
            install()
            task_names()
        except EngineError as error:
            pytest.skip(f"no environment of lm-evaluation-harness here: {error}")
    return folder


@pytest.fixture(scope="module")
def harness_cache(shared_harness: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of the module's own, in which only that environment is there already."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "environments").symlink_to(shared_harness / "environments")
    (folder / "tasks").mkdir()
    for names in (shared_harness / "tasks").glob("names-*.json"):
        shutil.copy(names, folder / "tasks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUANTGRID_CACHE", str(folder))
        yield folder
