from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grid_openai
import pytest
from openai_stand_ins import Attach, StandIn

from grid.backend import Backend, EndpointSettings
from grid.testing import local_node


@pytest.fixture(scope="session", autouse=True)
def _own_cache(own_cache: Path) -> None:
    """No test writes into the user's cache."""


@pytest.fixture(scope="session")
def backend() -> Backend:
    return grid_openai.backend


@pytest.fixture(scope="session")
def engine_options() -> Mapping[str, Any]:
    return {"threads": 1}


@pytest.fixture
def attach(tmp_path: Path) -> Attach:
    """Loads the engine of a stand-in as a sweep does: described first, then read from the file."""

    def load(server: StandIn, options: Mapping[str, Any] | None = None, **settings: Any) -> Any:
        named = EndpointSettings(url=server.url, **settings)
        path = tmp_path / "served.endpoint"
        path.write_bytes(grid_openai.backend.describe_endpoint(named))
        complete = grid_openai.backend.options(options or {}, local_node())
        return grid_openai.backend.load(path, "cpu", complete)

    return load
