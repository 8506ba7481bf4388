from __future__ import annotations

from pathlib import Path

import grid_gptqmodel
import pytest

from grid.backend import Accelerator, Calibration, Node
from grid.testing.fixtures import copy_folder, make_node, skip_unless_installed

CARD = Accelerator(name="card", kind="cuda-sm90", memory_bytes=2**36)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(own_cache: Path) -> None:
    """No test writes into the user's cache."""


@pytest.fixture(scope="session")
def gptqmodel_needed() -> None:
    skip_unless_installed("gptqmodel")


@pytest.fixture(scope="session")
def with_card() -> Node:
    return make_node(accelerators=(CARD,))


@pytest.fixture(scope="session")
def checkpoints(folder: Path, calibration: Calibration, gptqmodel_needed: None) -> dict[str, Path]:
    """One checkpoint of each method, by recipe."""
    paths = {}
    for recipe in ("gptq-w4g128", "awq-w4g128"):
        paths[recipe] = folder.with_name(recipe)
        backend = getattr(grid_gptqmodel, recipe.partition("-")[0])
        backend.quantize(folder, recipe, paths[recipe], 2, calibration)
    return paths


@pytest.fixture
def declaring(folder: Path, tmp_path: Path) -> Path:
    """A folder whose config.json says that it is quantized; its weights are not."""
    declared = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    return copy_folder(folder, tmp_path / "declaring", quantization_config=declared)
