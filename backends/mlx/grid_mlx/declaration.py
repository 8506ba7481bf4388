"""The declaration of MLX as a backend: importable where it is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from grid.backend import Availability, Calibration, Capability, Engine, Inspection, Needs, Recipe
from grid.cells.cell import Options
from grid.cells.workload import Workload
from grid.errors import EngineError, InputError, Unsupported, did_you_mean
from grid.hardware.node import Node
from grid.models.artifact import Artifact
from grid_mlx import library, options
from grid_mlx.recipes import FORMAT, RECIPES


class Mlx:
    """Runs 16-bit and MLX checkpoints and makes MLX ones; see `grid.backend.Backend`."""

    name = "mlx"
    formats = frozenset({FORMAT, "safetensors"})
    capabilities: frozenset[Capability] = frozenset(
        {"tokenizes", "scores", "logits", "steps", "generates", "quantizes"}
    )
    speed_only: frozenset[str] = frozenset()
    runtime: Path | None = Path(__file__).with_name("runtime.txt")

    def probe(self, node: Node) -> Availability:
        mend = f"uv pip install -r {self.runtime}"
        absent = library.missing()
        if absent:
            reason = f"not installed: {', '.join(absent)}"
            return Availability(ready=False, reason=reason, mend=mend)
        try:
            devices = library.devices()
        except EngineError as error:
            return Availability(ready=False, reason=str(error), mend=f"{mend} --reinstall")
        return Availability(ready=True, version=library.versions(), devices=devices)

    def options(self, given: Mapping[str, Any], node: Node) -> Options:
        return options.complete(given, node)

    def noise_options(self, options_: Options) -> Options:
        return options.other_way(options_)

    def inspect(self, path: Path) -> Inspection:
        from grid.models.checkpoint.inspection import format_of, inspect

        found, kind = inspect(path), format_of(path)
        if kind not in self.formats:
            raise InputError(
                f"{path}: its weights are {kind}; MLX reads 16-bit safetensors and MLX's own "
                "quantization"
            )
        return found

    def recipes(self) -> Mapping[str, Recipe]:
        return RECIPES

    def quantizer(self) -> str:
        from grid_mlx.quantizer import identity

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
        """No calibration is used; MLX takes no number of threads."""
        from grid_mlx.quantizer import quantize

        quantize(source, recipe, target, device)

    def predicted_bytes(self, source: Path, recipe: str) -> int:
        """From the headers of the 16-bit checkpoint. Raises Unsupported for an unknown recipe."""
        from grid.models.checkpoint.sizes import recipe_bytes

        if recipe not in RECIPES:
            raise Unsupported(f"{recipe!r} is no recipe of mlx. {did_you_mean(recipe, RECIPES)}")
        return recipe_bytes(source, recipe)

    def needs(
        self, artifact: Artifact, weight_bytes: int, options: Options, workload: Workload
    ) -> Needs:
        from grid_mlx.memory import needs

        return needs(artifact, weight_bytes, options, workload)

    def import_engine(self, device: str, options: Options) -> None:
        from grid_mlx import library

        if not library.missing():
            library.language_models()

    def load(self, path: Path, device: str, options: Options) -> AbstractContextManager[Engine]:
        from grid_mlx.engine import load

        return load(path, device, options)
