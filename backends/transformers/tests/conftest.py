from __future__ import annotations

from pathlib import Path

import grid_transformers
import pytest

from grid.backend import Accelerator, Backend, Node
from grid.testing.fixtures import make_node, skip_unless_installed

GPU = Accelerator(name="NVIDIA X", kind="cuda-sm90", memory_bytes=2**35)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(own_cache: Path) -> None:
    """No test writes into the user's cache."""


@pytest.fixture(scope="session")
def backend() -> Backend:
    return grid_transformers.backend


@pytest.fixture(scope="session")
def node() -> Node:
    return make_node(cores=1)


@pytest.fixture(scope="session")
def with_gpu() -> Node:
    return make_node(name="gpu", cores=16, memory_bytes=2**36, accelerators=(GPU,))


@pytest.fixture(scope="session")
def stack() -> None:
    """The engine's packages; tests that compute ask for it."""
    skip_unless_installed("torch", "transformers", "bitsandbytes")


@pytest.fixture(scope="session")
def nf4(stack: None, folder: Path) -> Path:
    target = folder.parent / "small-nf4"
    grid_transformers.backend.quantize(folder, "bnb-nf4", target, 1)
    return target
