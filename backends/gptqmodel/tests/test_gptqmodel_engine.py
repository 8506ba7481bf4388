"""GPTQModel itself: makes checkpoints, and runs them. Takes its own environment."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grid_gptqmodel
import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from grid_gptqmodel import awq, gptq

from grid.backend import Calibration
from grid.errors import EngineError, Unsupported
from grid.hardware.node import Node
from grid.models.bundled import heldout_text
from grid.testing import Case, check, declared_rules

pytestmark = pytest.mark.usefixtures("gptqmodel_needed")
METHODS = ("gptq-w4g128", "awq-w4g128")

Logits = npt.NDArray[np.float32]


def backend_of(recipe: str) -> Any:
    return getattr(grid_gptqmodel, recipe.partition("-")[0])


def logits(
    backend: Any, path: Path, node: Node, **requested: Any
) -> tuple[Logits, Mapping[str, str]]:
    with backend.load(path, "cpu", backend.options(requested, node)) as engine:
        engine.resize(256)
        ids = [engine.bos, *engine.encode(heldout_text()[-2000:])][:256]
        return engine.logits(ids, 128), engine.environment()


def log_softmax(rows: Logits) -> npt.NDArray[np.float64]:
    wide = rows.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    shifted: npt.NDArray[np.float64] = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
    return shifted


def kld(reference: Logits, approximation: Logits) -> float:
    """Mean over rows of sum p (ln p - ln q), nats."""
    p, q = log_softmax(reference), log_softmax(approximation)
    return float((np.exp(p) * (p - q)).sum(axis=1).mean())


@pytest.fixture(scope="module")
def sixteen(folder: Path, node: Node) -> Logits:
    rows, environment = logits(gptq, folder, node)
    assert environment["activations"] == "stay at float32"
    return rows


@pytest.mark.parametrize("recipe", METHODS)
def test_a_recipe_makes_the_quant_that_it_names(checkpoints: dict[str, Path], recipe: str) -> None:
    inspection = backend_of(recipe).inspect(checkpoints[recipe])
    assert inspection.quant == recipe
    # Beside the nominal bits stands GPTQ's index of groups: 32 bits an input column.
    assert backend_of(recipe).recipes()[recipe].bits <= inspection.facts.bpw_layer < 4.3


@pytest.mark.parametrize("recipe", METHODS)
def test_nothing_of_the_machine_or_the_run_stays_in_it(
    checkpoints: dict[str, Path], folder: Path, recipe: str
) -> None:
    names = sorted(path.name for path in checkpoints[recipe].iterdir())
    assert "quant_log.csv" not in names
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (checkpoints[recipe] / name).read_bytes() == (folder / name).read_bytes()
    assert "offload_to_disk_path" not in (checkpoints[recipe] / "config.json").read_text()


def test_the_same_calibration_makes_the_same_bytes(
    checkpoints: dict[str, Path], folder: Path, calibration: Calibration
) -> None:
    second = checkpoints["gptq-w4g128"].with_name("again")
    gptq.quantize(folder, "gptq-w4g128", second, 2, calibration)
    assert gptq.inspect(second).facts == gptq.inspect(checkpoints["gptq-w4g128"]).facts


@pytest.mark.parametrize("recipe", METHODS)
def test_four_bits_cost_little_and_not_nothing(
    checkpoints: dict[str, Path], sixteen: Logits, node: Node, recipe: str
) -> None:
    rows, environment = logits(backend_of(recipe), checkpoints[recipe], node)
    assert 1e-4 < kld(sixteen, rows) < 0.2
    assert environment["activations"] == "are rounded in quantized layers to bfloat16"


@pytest.mark.parametrize("recipe", METHODS)
def test_kernels_differ_by_far_less_than_quantization_costs(
    checkpoints: dict[str, Path], sixteen: Logits, node: Node, recipe: str
) -> None:
    packed, first = logits(backend_of(recipe), checkpoints[recipe], node)
    plain, second = logits(backend_of(recipe), checkpoints[recipe], node, kernel="torch")
    assert first["kernel"] != second["kernel"]
    assert kld(packed, plain) < 0.05 * kld(sixteen, plain)


@pytest.mark.parametrize("recipe", ["gptq-w2g32", "gptq-w3g128", "gptq-w8g64-act-asym"])
def test_other_widths_are_made_and_run(
    folder: Path, calibration: Calibration, sixteen: Logits, node: Node, recipe: str
) -> None:
    target = folder.with_name(recipe)
    gptq.quantize(folder, recipe, target, 2, calibration)
    rows, environment = logits(gptq, target, node)
    assert environment["kernel"] == "TorchLinear"
    assert kld(sixteen, rows) < {"2": 4.0, "3": 0.5, "8": 1e-3}[recipe[6]]


@pytest.mark.parametrize("recipe", METHODS)
@pytest.mark.parametrize(
    "part", ["mlp.up_proj.qweight", "mlp.up_proj.scales", "input_layernorm.weight"]
)
def test_a_checkpoint_that_lacks_a_tensor_is_refused(
    checkpoints: dict[str, Path], node: Node, tmp_path: Path, recipe: str, part: str
) -> None:
    from safetensors.torch import load_file, save_file

    target = tmp_path / "lacking"
    shutil.copytree(checkpoints[recipe], target)
    tensors = load_file(target / "model.safetensors")
    del tensors[f"model.layers.1.{part}"]
    save_file(tensors, target / "model.safetensors")
    with pytest.raises(EngineError, match=f"layers.1.{part}") as caught:
        logits(backend_of(recipe), target, node)
    assert "\n" not in str(caught.value)


def test_a_kernel_that_wants_a_gpu_is_unsupported(checkpoints: dict[str, Path], node: Node) -> None:
    with pytest.raises(Unsupported, match="does not load with kernel marlin") as caught:
        logits(gptq, checkpoints["gptq-w4g128"], node, kernel="marlin")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("recipe", METHODS)
@pytest.mark.parametrize("name", declared_rules(gptq))
def test_conformance(
    checkpoints: dict[str, Path],
    folder: Path,
    calibration: Calibration,
    node: Node,
    recipe: str,
    name: str,
) -> None:
    few = msgspec.structs.replace(calibration, samples=4)
    case = Case(
        backend_of(recipe),
        checkpoints[recipe],
        node,
        tokens=16,
        loads=2,
        recipe=recipe,
        source=folder,
        calibration=few,
    )
    outcome = check(name, case)
    assert outcome == "ran" or "Case.expected" in outcome


def test_gptq_and_awq_run_sixteen_bits_alike(folder: Path, sixteen: Logits, node: Node) -> None:
    rows, _ = logits(awq, folder, node)
    assert np.array_equal(rows, sixteen)
