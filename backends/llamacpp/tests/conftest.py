from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from grid_llamacpp import backend
from grid_llamacpp.engine import LlamaEngine
from llamacpp_random import write_folder

from grid.hardware.node import Node

Opener = Callable[..., AbstractContextManager[LlamaEngine]]

NODE = Node(
    name="here",
    system="any",
    chip="any",
    cores=2,
    memory_bytes=2**34,
    bandwidth_bytes_s=1e10,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("llama_cpp") is None:
        for item in items:
            if item.get_closest_marker("engine"):
                item.add_marker(pytest.mark.skip(reason="llama-cpp-python is not installed"))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUANTGRID_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def node() -> Node:
    return NODE


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def f16(folder: Path) -> Path:
    target = folder.parent / "tiny-F16.gguf"
    backend.quantize(folder, "F16", target, 2)
    return target


@pytest.fixture(scope="session")
def q8(f16: Path) -> Path:
    target = f16.with_name("tiny-Q8_0.gguf")
    backend.quantize(f16, "Q8_0", target, 2)
    return target


@pytest.fixture(scope="session")
def opened() -> Opener:
    """Opens a model with one thread and the options given."""

    def opener(path: Path, **given: Any) -> AbstractContextManager[LlamaEngine]:
        options = backend.options({"threads": 1, **given}, NODE)
        found: Any = backend.load(path, "cpu", options)
        return found  # type: ignore[no-any-return]

    return opener
