"""The declaration of MLX as a backend: importable where it is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from grid.backend import (
    Availability,
    Capability,
    Declaration,
    InputError,
    Inspection,
    Node,
    Options,
    Recipe,
    Unsupported,
    did_you_mean,
)
from grid.models.checkpoint.inspection import format_of
from grid.models.checkpoint.recipe_fit import refuse_misfit
from grid.models.checkpoint.sizes import folder_tensors, recipe_bytes
from grid_mlx import engine, library, memory
from grid_mlx.options import complete, noise_options
from grid_mlx.probe import probe
from grid_mlx.quantizer import identity, quantize
from grid_mlx.recipes import FORMAT, RECIPES
from grid_mlx.serving import serve_command


class Mlx(Declaration):
    """Runs 16-bit and MLX checkpoints and makes MLX ones; see `grid.backend.Backend`."""

    name = "mlx"
    formats = frozenset({FORMAT, "safetensors"})
    capabilities: frozenset[Capability] = frozenset(
        {"tokenizes", "scores", "logits", "steps", "generates", "quantizes"}
    )
    speed_only: frozenset[str] = frozenset()
    runtime = Path(__file__).with_name("runtime.txt")

    options = staticmethod(complete)
    noise_options = staticmethod(noise_options)
    needs = staticmethod(memory.needs)
    load = staticmethod(engine.load)
    quantizer = staticmethod(identity)
    quantize = staticmethod(quantize)
    serve_command = staticmethod(serve_command)

    def probe(self, node: Node) -> Availability:
        return probe(self, node)

    def inspect(self, path: Path) -> Inspection:
        inspection, kind = super().inspect(path), format_of(path)
        if kind not in self.formats:
            raise InputError(
                f"{path}: its weights are {kind}; MLX reads 16-bit safetensors and MLX's own "
                "quantization"
            )
        return inspection

    def recipes(self) -> Mapping[str, Recipe]:
        return RECIPES

    def predicted_bytes(self, source: Path, recipe: str) -> int:
        """From the headers of the 16-bit checkpoint. Raises Unsupported for an unknown recipe, and
        where its rows do not fit the group."""
        if recipe not in RECIPES:
            raise Unsupported(f"{recipe!r} is no recipe of mlx. {did_you_mean(recipe, RECIPES)}")
        refuse_misfit(folder_tensors(source), recipe, RECIPES)
        return recipe_bytes(source, recipe)

    def import_engine(self, device: str, options: Options) -> None:
        if not library.missing():
            library.language_models()
