from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from grid_vllm import backend

from grid.hardware.node import Accelerator, Node
from grid.models.bundled import size_dir, tokenizer_path

Opener = Callable[..., AbstractContextManager[Any]]

NODE = Node(
    name="here",
    system="any",
    chip="any",
    cores=2,
    memory_bytes=2**34,
    bandwidth_bytes_s=1e10,
)
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
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUANTGRID_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def node() -> Node:
    return NODE


@pytest.fixture(scope="session")
def with_gpu() -> Node:
    return Node(
        name="there",
        system="Linux",
        chip="any",
        cores=16,
        memory_bytes=2**37,
        bandwidth_bytes_s=1e11,
        accelerators=(GPU,),
    )


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest model of the bundled family as a whole checkpoint folder."""
    target = tmp_path_factory.mktemp("models") / "small"
    shutil.copytree(size_dir("small"), target)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokenizer_path().with_name(name), target / name)
    return target


@pytest.fixture(scope="session")
def opened() -> Opener:
    def opener(path: Path, **given: Any) -> AbstractContextManager[Any]:
        return backend.load(path, "cpu", backend.options({"threads": 1, **given}, NODE))

    return opener
