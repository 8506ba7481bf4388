"""The declaration of llama.cpp as a backend: importable where it is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from grid.backend import Availability, Calibration, Capability, Engine, Inspection, Needs, Recipe
from grid.cells.cell import Options
from grid.cells.workload import Workload
from grid.errors import InputError
from grid.hardware.node import Node
from grid.models.artifact import Artifact
from grid_llamacpp import facts, options
from grid_llamacpp.library import folder
from grid_llamacpp.recipes import RECIPES


class LlamaCpp:
    """Runs and quantizes GGUF weights; see `grid.backend.Backend` for each method's contract."""

    name = "llamacpp"
    formats = frozenset({"gguf"})
    capabilities: frozenset[Capability] = frozenset(
        {"tokenizes", "scores", "logits", "steps", "generates", "quantizes"}
    )
    speed_only = frozenset({"threads", "threads_batch", "mmap"})
    runtime: Path | None = Path(__file__).with_name("runtime.txt")

    def probe(self, node: Node) -> Availability:
        mend = f"uv pip install -r {self.runtime}"
        if folder() is None:
            return Availability(ready=False, reason="llama-cpp-python is not installed", mend=mend)
        said = facts.describe()
        if "error" in said:
            return Availability(
                ready=False,
                reason=f"llama-cpp-python does not load: {said['error']}",
                mend=f"{mend} --reinstall --no-cache",
            )
        accelerators = [a.name for a in node.accelerators] if said["offload"] else []
        return Availability(ready=True, version=said["version"], devices=("cpu", *accelerators))

    def options(self, given: Mapping[str, Any], node: Node) -> Options:
        return options.complete(given, node)

    def noise_options(self, options_: Options) -> Options:
        return options.other_way(options_)

    def inspect(self, path: Path) -> Inspection:
        """As the header says; where the engine is installed, it must know the architecture."""
        from grid.models.gguf.inspection import inspect

        found = inspect(path)
        architecture = found.model.architecture
        if folder() is not None and facts.knows_architecture(architecture) is False:
            raise InputError(
                f"{path}: architecture {architecture!r} is unknown to llama.cpp; "
                "leave the file out, or update llama-cpp-python"
            )
        return found

    def recipes(self) -> Mapping[str, Recipe]:
        return RECIPES

    def quantizer(self) -> str:
        from grid_llamacpp.quantizer import identity

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
        from grid_llamacpp.quantizer import quantize

        quantize(source, recipe, target, threads)

    def predicted_bytes(self, source: Path, recipe: str) -> int:
        from grid_llamacpp.sizes import predicted_bytes

        return predicted_bytes(source, recipe)

    def needs(
        self, artifact: Artifact, weight_bytes: int, options: Options, workload: Workload
    ) -> Needs:
        from grid_llamacpp.memory import needs

        return needs(artifact, weight_bytes, options, workload)

    def load(self, path: Path, device: str, options: Options) -> AbstractContextManager[Engine]:
        from grid_llamacpp.engine import load

        return load(path, device, options)
