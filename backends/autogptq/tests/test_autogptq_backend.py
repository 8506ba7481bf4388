"""AutoGPTQ: a declaration that is light and true, and an engine that runs GPTQModel's files."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_autogptq import backend

from grid.backend import Quantizes
from grid.errors import InputError, Unsupported
from grid.hardware.node import Node
from grid.models.bundled import size_dir, tokenizer_path
from grid.testing import CHECKS, Case, check

NODE = Node(
    name="here",
    system="any",
    chip="any",
    cores=2,
    memory_bytes=2**34,
    bandwidth_bytes_s=1e10,
)
CHECKPOINT = "QUANTGRID_TEST_GPTQ"
"""Environment variable with the folder of a GPTQ checkpoint of a small model: AutoGPTQ makes none
on a CPU, and what makes them lives in another environment."""


@pytest.fixture
def checkpoint() -> Path:
    if importlib.util.find_spec("auto_gptq") is None:
        pytest.skip("auto-gptq is not installed in this interpreter")
    if CHECKPOINT not in os.environ:
        pytest.skip(f"{CHECKPOINT} names no GPTQ checkpoint to run")
    return Path(os.environ[CHECKPOINT])


@pytest.fixture
def declaring(tmp_path: Path) -> Path:
    """A folder whose config.json declares GPTQ; its weights are plain."""
    shutil.copytree(size_dir("small"), tmp_path / "small")
    shutil.copyfile(tokenizer_path(), tmp_path / "small" / "tokenizer.json")
    path = tmp_path / "small" / "config.json"
    config = json.loads(path.read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    path.write_text(json.dumps(config))
    return path.parent


def declare(folder: Path, **fields: object) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["quantization_config"] |= fields
    path.write_text(json.dumps(config))


def load(folder: Path) -> None:
    with backend.load(folder, "cpu", backend.options({}, NODE)):
        pass


def test_importing_it_loads_no_engine() -> None:
    code = "import grid_autogptq, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert not {"auto_gptq", "transformers", "torch"} & set(json.loads(done.stdout))


def test_it_runs_gptq_and_makes_nothing() -> None:
    assert backend.formats == {"gptq"}
    assert not isinstance(backend, Quantizes)
    assert backend.recipes() == {}


def test_where_it_is_missing_probe_says_how_to_mend_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    availability = backend.probe(NODE)
    assert (availability.ready, availability.reason) == (False, "auto-gptq is not installed")
    assert availability.mend == f"uv pip install -r {backend.runtime}"


def test_runtime_pins_everything_exactly_and_in_order() -> None:
    assert backend.runtime is not None
    lines = backend.runtime.read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(pin.count("==") == 1 and "+" not in pin for pin in pins)
    assert pins == sorted(pins)
    assert {"auto-gptq==0.7.1", "torch==2.13.0", "transformers==4.46.3"} <= set(pins)


def test_options_are_checked() -> None:
    options = backend.options({"batch": 64}, NODE)
    assert options == {"threads": 2, "batch": 64, "device": "cpu"}
    with pytest.raises(InputError, match=r"'bach' is unknown to autogptq. Did you mean 'batch'\?"):
        backend.options({"bach": 64}, NODE)


def test_another_methods_checkpoint_is_refused(declaring: Path) -> None:
    declare(declaring, quant_method="awq")
    with pytest.raises(Unsupported, match="small is awq-w4g128; autogptq runs gptq checkpoints"):
        load(declaring)


def test_a_layout_of_its_successor_is_refused(declaring: Path) -> None:
    declare(declaring, checkpoint_format="gptq_v2")
    with pytest.raises(Unsupported, match="small is packed as gptq_v2; autogptq reads gptq"):
        load(declaring)


def test_it_runs_a_checkpoint_of_gptqmodel(checkpoint: Path) -> None:
    with backend.load(checkpoint, "cpu", backend.options({}, NODE)) as engine:
        environment = engine.environment()
        assert environment["kernel"] in ("qlinear_cuda_old", "qlinear_cuda")
        assert environment["activations"] == "stay at float32"
        assert engine.version.startswith("auto-gptq 0.7.1, transformers 4.46.3, torch 2.13.0")


def test_its_scores_are_the_checkpoints(checkpoint: Path) -> None:
    """The same weights unpacked here by the format's definition give the same layer."""
    import torch
    from safetensors.torch import load_file

    tensors = load_file(next(checkpoint.glob("*.safetensors")))
    name = "model.layers.0.mlp.down_proj"
    packed, scales, zeros, index = (
        tensors[f"{name}.{part}"] for part in ("qweight", "scales", "qzeros", "g_idx")
    )
    config = json.loads((checkpoint / "config.json").read_text())["quantization_config"]
    bits = config["bits"]
    shifts = torch.arange(0, 32, bits)
    mask = 2**bits - 1
    codes = (packed[:, None, :] >> shifts[None, :, None] & mask).reshape(-1, packed.shape[1])
    centres = ((zeros[:, :, None] >> shifts & mask).reshape(zeros.shape[0], -1) + 1) & mask
    weights = scales.float()[index] * (codes - centres[index])
    with backend.load(checkpoint, "cpu", backend.options({}, NODE)) as engine:
        loaded: Any = engine
        layer = loaded._forward.model.get_submodule(name)
        inputs = torch.linspace(-1, 1, weights.shape[0])[None]
        with torch.inference_mode():
            outputs = layer(inputs).numpy()
    assert np.allclose(outputs, (inputs @ weights).numpy(), atol=1e-4)


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_conformance(
    checkpoint: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path))
    outcome = check(name, Case(backend, checkpoint, NODE, tokens=16, loads=2))
    assert outcome == "ran" or "quantizes" in outcome or "Case.expected" in outcome
