"""AutoAWQ: a declaration that is light and true, and an engine that runs GPTQModel's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from grid_autoawq import backend
from retired_backends import RetiredBackendTests, layer_outputs

from grid.backend import Node


class TestAutoAwq(RetiredBackendTests):
    backend = backend
    variable = "QUANTGRID_TEST_AWQ"
    pins = {"autoawq==0.2.9", "torch==2.13.0", "transformers==4.51.3"}  # noqa: RUF012

    def test_layouts_whose_kernels_want_cuda_are_refused(
        self, folder: Path, tmp_path: Path, node: Node
    ) -> None:
        path = self.declare(folder, tmp_path / "small", version="gemv")
        self.refuse(path, node, "small is packed as gemv, which needs CUDA")

    def test_other_widths_are_refused(self, folder: Path, tmp_path: Path, node: Node) -> None:
        path = self.declare(folder, tmp_path / "small", bits=3)
        self.refuse(path, node, "small is awq-w3g128; autoawq runs 4 bits")

    def test_a_checkpoint_of_gptqmodel_runs(self, checkpoint: Path, node: Node) -> None:
        with backend.load(checkpoint, "cpu", backend.options({}, node)) as engine:
            environment = engine.environment()
            assert environment["kernel"] == "WQLinear_GEMM"
            assert environment["activations"] == "are rounded in quantized layers to float16"
            assert engine.version.startswith("autoawq 0.2.9, transformers 4.51.3, torch 2.13.0")

    def test_layers_compute_as_the_checkpoint_says(self, checkpoint: Path, node: Node) -> None:
        """The same weights unpacked here by the format's definition give the same layer."""
        import torch
        from safetensors.torch import load_file

        tensors = load_file(next(checkpoint.glob("*.safetensors")))
        name = "model.layers.0.mlp.down_proj"
        packed, scales, zeros = (
            tensors[f"{name}.{part}"] for part in ("qweight", "scales", "qzeros")
        )
        # A word holds eight outputs, the even ones in its low half.
        shifts = torch.tensor([0, 4, 1, 5, 2, 6, 3, 7]) * 4

        def codes(words: Any) -> Any:
            return (words[:, :, None] >> shifts & 15).reshape(words.shape[0], -1)

        group = packed.shape[0] // scales.shape[0]
        centres = codes(zeros).repeat_interleave(group, dim=0)
        weights = (codes(packed) - centres) * scales.float().repeat_interleave(group, dim=0)
        inputs = torch.linspace(-1, 1, weights.shape[0])[None]
        outputs = layer_outputs(backend, checkpoint, node, name, inputs)
        assert np.allclose(outputs, (inputs @ weights).numpy(), atol=0.02)
