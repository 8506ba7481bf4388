from __future__ import annotations

from pathlib import Path

import grid_mlx
import pytest

from grid.backend import Accelerator, Backend, Node
from grid.testing.fixtures import make_node

GPU = Accelerator(name="Apple M4", kind="metal-m4", memory_bytes=2**34)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(own_cache: Path) -> None:
    """No test writes into the user's cache."""


@pytest.fixture(scope="session")
def backend() -> Backend:
    return grid_mlx.backend


@pytest.fixture(scope="session")
def apple() -> Node:
    return make_node(
        name="mac", system="Darwin arm64", chip="Apple M4", cores=10, accelerators=(GPU,)
    )


@pytest.fixture(scope="session")
def four_bits(folder: Path) -> Path:
    target = folder.with_name("small-4bit")
    grid_mlx.backend.quantize(folder, "mlx-4bit-g64", target, 1)
    return target
