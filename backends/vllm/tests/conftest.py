from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grid_vllm
import pytest

from grid.backend import Accelerator, Backend, Node
from grid.testing.fixtures import make_node

GPU = Accelerator(name="H200", kind="cuda-sm90", memory_bytes=140 * 2**30)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the engine run in its own environment."""
    if importlib.util.find_spec("vllm") is None:
        for item in items:
            if item.path.name in ("test_vllm_engine.py", "test_vllm_loading.py"):
                item.add_marker(
                    pytest.mark.skip(reason="vllm is not installed in this environment")
                )


@pytest.fixture(scope="session", autouse=True)
def _own_cache(own_cache: Path) -> None:
    """No test writes into the user's cache."""


@pytest.fixture(scope="session")
def backend() -> Backend:
    return grid_vllm.backend


@pytest.fixture(scope="session")
def engine_options() -> Mapping[str, Any]:
    return {"threads": 1}


@pytest.fixture(scope="session")
def with_gpu() -> Node:
    return make_node(name="gpu", cores=16, memory_bytes=2**37, accelerators=(GPU,))
