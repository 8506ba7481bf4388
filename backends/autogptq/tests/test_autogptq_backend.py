"""AutoGPTQ: a declaration that is light and true, and an engine that runs GPTQModel's files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from grid_autogptq import backend
from retired_backends import RetiredBackendTests, layer_outputs

from grid.backend import Node


class TestAutoGptq(RetiredBackendTests):
    backend = backend
    variable = "QUANTGRID_TEST_GPTQ"
    pins = {"auto-gptq==0.7.1", "torch==2.13.0", "transformers==4.46.3"}  # noqa: RUF012

    def test_a_layout_of_its_successor_is_refused(
        self, folder: Path, tmp_path: Path, node: Node
    ) -> None:
        path = self.declare(folder, tmp_path / "small", checkpoint_format="gptq_v2")
        self.refuse(path, node, "small is packed as gptq_v2; autogptq reads gptq")

    def test_a_checkpoint_of_gptqmodel_runs(self, checkpoint: Path, node: Node) -> None:
        with backend.load(checkpoint, "cpu", backend.options({}, node)) as engine:
            environment = engine.environment()
            assert environment["kernel"] in ("qlinear_cuda_old", "qlinear_cuda")
            assert environment["activations"] == "stay at float32"
            assert engine.version.startswith("auto-gptq 0.7.1, transformers 4.46.3, torch 2.13.0")

    def test_layers_compute_as_the_checkpoint_says(self, checkpoint: Path, node: Node) -> None:
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
        inputs = torch.linspace(-1, 1, weights.shape[0])[None]
        outputs = layer_outputs(backend, checkpoint, node, name, inputs)
        assert np.allclose(outputs, (inputs @ weights).numpy(), atol=1e-4)
