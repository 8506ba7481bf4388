from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from grid_transformers import backend

from grid.hardware.node import Accelerator, Node
from grid.models.bundled import size_dir, tokenizer_path

Opener = Callable[..., AbstractContextManager[Any]]

NODE = Node(
    name="here",
    system="any",
    chip="any",
    cores=1,
    memory_bytes=2**34,
    bandwidth_bytes_s=1e10,
)
GPU = Accelerator(name="NVIDIA X", kind="cuda-sm90", memory_bytes=2**35)


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
        name="gpu",
        system="any",
        chip="any",
        cores=16,
        memory_bytes=2**36,
        bandwidth_bytes_s=1e11,
        accelerators=(GPU,),
    )


@pytest.fixture(scope="session")
def stack() -> None:
    """The engine's packages; tests that compute ask for it."""
    for name in ("torch", "transformers", "bitsandbytes"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed in this interpreter; run in the backend's own")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest model of the bundled family as a whole checkpoint folder."""
    target = tmp_path_factory.mktemp("models") / "small"
    shutil.copytree(size_dir("small"), target)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokenizer_path().with_name(name), target / name)
    return target


@pytest.fixture(scope="session")
def nf4(stack: None, folder: Path) -> Path:
    target = folder.parent / "small-nf4"
    backend.quantize(folder, "bnb-nf4", target, 1)
    return target


@pytest.fixture(scope="session")
def opened(stack: None) -> Opener:
    """Opens a folder with the options given, on the CPU."""

    def opener(path: Path, **given: Any) -> AbstractContextManager[Any]:
        options = backend.options(given, NODE)
        found: Any = backend.load(path, "cpu", options)
        return found  # type: ignore[no-any-return]

    return opener
