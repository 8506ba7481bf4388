"""The declaration of transformers as a backend: importable where it is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

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
from grid_transformers import options, probing
from grid_transformers.loading import FORMATS
from grid_transformers.recipes import RECIPES


class Transformers:
    """Runs model folders of every kind that transformers loads, and makes bitsandbytes and torchao
    ones; see `grid.backend.Backend` for each method's contract."""

    name = "transformers"
    formats = FORMATS
    capabilities: frozenset[Capability] = frozenset(
        {"tokenizes", "scores", "logits", "steps", "generates", "quantizes"}
    )
    speed_only = frozenset({"threads"})
    runtime: Path | None = Path(__file__).with_name("runtime.txt")

    def probe(self, node: Node) -> Availability:
        return probing.probe(node, f"uv pip install -r {self.runtime}")

    def options(self, given: Mapping[str, Any], node: Node) -> Options:
        return options.complete(given, node)

    def noise_options(self, options_: Options) -> Options:
        return options.other_way(options_)

    def inspect(self, path: Path) -> Inspection:
        from grid.models.checkpoint.inspection import inspect

        return inspect(path)

    def recipes(self) -> Mapping[str, Recipe]:
        return RECIPES

    def quantizer(self) -> str:
        from grid_transformers.quantizer import identity

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
        """No recipe here takes a calibration set."""
        from grid_transformers.quantizer import quantize

        quantize(source, recipe, target, threads, device)

    def predicted_bytes(self, source: Path, recipe: str) -> int:
        from grid.models.checkpoint.sizes import recipe_bytes

        return recipe_bytes(source, recipe)

    def needs(
        self, artifact: Artifact, weight_bytes: int, options: Options, workload: Workload
    ) -> Needs:
        from grid_transformers.memory import needs

        return needs(artifact, weight_bytes, options, workload)

    def import_engine(self, device: str, options: Options) -> None:
        from grid_transformers.loading import import_stack

        import_stack()

    def load(self, path: Path, device: str, options: Options) -> AbstractContextManager[Engine]:
        from grid_transformers.engine import load

        return load(path, device, options)
