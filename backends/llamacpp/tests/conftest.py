from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grid_llamacpp
import pytest
from llamacpp_random import write_folder

from grid.backend import Backend


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("llama_cpp") is None:
        for item in items:
            if item.get_closest_marker("engine"):
                item.add_marker(pytest.mark.skip(reason="llama-cpp-python is not installed"))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(own_cache: Path) -> None:
    """No test writes into the user's cache."""


@pytest.fixture(scope="session")
def backend() -> Backend:
    return grid_llamacpp.backend


@pytest.fixture(scope="session")
def engine_options() -> Mapping[str, Any]:
    return {"threads": 1}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with seeded weights, of which every number can be computed here."""
    return write_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def f16(folder: Path) -> Path:
    target = folder.parent / "tiny-F16.gguf"
    grid_llamacpp.backend.quantize(folder, "F16", target, 2)
    return target


@pytest.fixture(scope="session")
def q8(f16: Path) -> Path:
    target = f16.with_name("tiny-Q8_0.gguf")
    grid_llamacpp.backend.quantize(f16, "Q8_0", target, 2)
    return target
