"""The declaration of GPTQModel as two backends: importable where it is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from grid_transformers.options import other_way

from grid.backend import (
    Availability,
    Calibration,
    Capability,
    Engine,
    Inspection,
    Needs,
    Recipe,
)
from grid.cells.cell import Options
from grid.cells.workload import Workload
from grid.hardware.node import Node
from grid.models.artifact import Artifact
from grid_gptqmodel import options, probing
from grid_gptqmodel.recipes import recipes


class GptqModel:
    """Runs and makes checkpoints of one method, `gptq` or `awq`, and runs 16-bit ones in the same
    environment; see `grid.backend.Backend` for each method's contract."""

    capabilities: frozenset[Capability] = frozenset(
        {"tokenizes", "scores", "logits", "steps", "generates", "quantizes"}
    )
    speed_only = frozenset({"threads"})
    runtime: Path | None = Path(__file__).with_name("runtime.txt")

    def __init__(self, method: str) -> None:
        self.name = method
        self.formats = frozenset({method, "safetensors"})
        self._recipes = recipes(method)

    def probe(self, node: Node) -> Availability:
        return probing.probe(node, f"uv pip install -r {self.runtime}")

    def options(self, given: Mapping[str, Any], node: Node) -> Options:
        return options.complete(self.name, given, node)

    def noise_options(self, options: Options) -> Options:
        return other_way(options)

    def inspect(self, path: Path) -> Inspection:
        from grid.models.checkpoint.inspection import inspect

        return inspect(path)

    def recipes(self) -> Mapping[str, Recipe]:
        return self._recipes

    def quantizer(self) -> str:
        from grid_gptqmodel.quantizer import identity

        return identity()

    def quantize(
        self,
        source: Path,
        recipe: str,
        target: Path,
        threads: int,
        calibration: Calibration | None = None,
        device: str = "cpu",
    ) -> None:
        from grid_gptqmodel.quantizer import quantize
        from grid_gptqmodel.recipes import form_of

        quantize(source, form_of(self.name, recipe), target, threads, calibration, device)

    def predicted_bytes(self, source: Path, recipe: str) -> int:
        from grid.models.checkpoint.sizes import recipe_bytes

        return recipe_bytes(source, recipe)

    def needs(
        self, artifact: Artifact, weight_bytes: int, options: Options, workload: Workload
    ) -> Needs:
        from grid_gptqmodel.memory import needs

        return needs(artifact, weight_bytes, options, workload)

    def import_engine(self, device: str, options: Options) -> None:
        from grid_gptqmodel.library import import_stack

        import_stack()

    def load(self, path: Path, device: str, options: Options) -> AbstractContextManager[Engine]:
        from grid_gptqmodel.engine import load

        return load(self.name, path, device, options)
