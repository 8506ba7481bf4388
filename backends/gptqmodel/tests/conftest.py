from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import grid_gptqmodel
import pytest

from grid.backend import Calibration
from grid.hardware.node import Accelerator, Node
from grid.models.bundled import heldout_text, size_dir, tokenizer_path

NODE = Node(
    name="here",
    system="any",
    chip="any",
    cores=2,
    memory_bytes=2**34,
    bandwidth_bytes_s=1e10,
)
CARD = Accelerator(name="card", kind="cuda-sm90", memory_bytes=2**36)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUANTGRID_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def gptqmodel_needed() -> None:
    if importlib.util.find_spec("gptqmodel") is None:
        pytest.skip("gptqmodel is not installed in this interpreter")


@pytest.fixture(scope="session")
def node() -> Node:
    return NODE


@pytest.fixture(scope="session")
def with_card() -> Node:
    return Node(
        name="here",
        system="any",
        chip="any",
        cores=2,
        memory_bytes=2**34,
        bandwidth_bytes_s=1e10,
        accelerators=(CARD,),
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
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Calibration:
    """Few and short pieces: enough to make files, too little to judge them."""
    path = tmp_path_factory.mktemp("texts") / "calibration.txt"
    path.write_text(heldout_text()[:20_000], encoding="utf-8")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Calibration(path=str(path), sha256=sha256, samples=16, tokens=128)


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
    target = tmp_path / "declaring"
    shutil.copytree(folder, target)
    config = json.loads((target / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    (target / "config.json").write_text(json.dumps(config))
    return target
