"""The declaration of GPTQModel as two backends: importable where it is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from grid_transformers.options import noise_options

from grid.backend import (
    Availability,
    Calibration,
    Capability,
    Declaration,
    Engine,
    Node,
    Options,
    Recipe,
)
from grid.models.checkpoint.recipe_fit import refuse_misfit
from grid.models.checkpoint.sizes import folder_tensors, recipe_bytes
from grid_gptqmodel import engine, memory, options
from grid_gptqmodel.library import import_stack
from grid_gptqmodel.probe import probe
from grid_gptqmodel.quantizer import identity, quantize
from grid_gptqmodel.recipes import MULTIPLES, form_of, recipes
from grid_gptqmodel.serving import serve_command


class GptqModel(Declaration):
    """Runs and makes checkpoints of one method, `gptq` or `awq`, and runs 16-bit ones in the same
    environment; see `grid.backend.Backend` for each method's contract."""

    capabilities: frozenset[Capability] = frozenset(
        {"tokenizes", "scores", "logits", "steps", "generates", "quantizes"}
    )
    runtime = Path(__file__).with_name("runtime.txt")

    noise_options = staticmethod(noise_options)
    needs = staticmethod(memory.needs)
    quantizer = staticmethod(identity)
    serve_command = staticmethod(serve_command)

    def __init__(self, method: str) -> None:
        self.name = method
        self.formats = frozenset({method, "safetensors"})
        self._recipes = recipes(method)

    def probe(self, node: Node) -> Availability:
        return probe(self, node)

    def options(self, requested: Mapping[str, Any], node: Node) -> Options:
        return options.complete(self.name, requested, node)

    def recipes(self) -> Mapping[str, Recipe]:
        return self._recipes

    def predicted_bytes(self, source: Path, recipe: str) -> int:
        """From the headers of the 16-bit checkpoint. Raises Unsupported where its shapes do not fit
        the recipe."""
        refuse_misfit(folder_tensors(source), recipe, self._recipes, MULTIPLES[self.name])
        return recipe_bytes(source, recipe)

    def quantize(
        self,
        source: Path,
        recipe: str,
        target: Path,
        threads: int,
        calibration: Calibration | None = None,
        device: str = "cpu",
    ) -> None:
        quantize(source, form_of(self.name, recipe), target, threads, calibration, device)

    def import_engine(self, device: str, options: Options) -> None:
        import_stack()

    def load(self, path: Path, device: str, options: Options) -> AbstractContextManager[Engine]:
        return engine.load(self.name, path, device, options)
