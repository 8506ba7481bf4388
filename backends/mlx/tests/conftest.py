from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from grid_mlx import backend

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
GPU = Accelerator(name="Apple M4", kind="metal-m4", memory_bytes=2**34)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUANTGRID_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def node() -> Node:
    return NODE


@pytest.fixture(scope="session")
def apple() -> Node:
    return Node(
        name="mac",
        system="Darwin arm64",
        chip="Apple M4",
        cores=10,
        memory_bytes=2**34,
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
def four_bits(folder: Path) -> Path:
    target = folder.with_name("small-4bit")
    backend.quantize(folder, "mlx-4bit-g64", target, 1)
    return target


@pytest.fixture(scope="session")
def opened() -> Opener:
    def opener(path: Path, **given: Any) -> AbstractContextManager[Any]:
        return backend.load(path, "cpu", backend.options(given, NODE))

    return opener
