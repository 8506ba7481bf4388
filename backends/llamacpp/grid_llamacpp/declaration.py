"""The declaration of llama.cpp as a backend: importable where it is not installed."""

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
    Recipe,
    RecipeChanges,
    inspect_gguf,
)
from grid_llamacpp import engine, library, memory, probe
from grid_llamacpp.options import SPECULATIVE, complete, noise_options
from grid_llamacpp.quantizer import identity, quantize
from grid_llamacpp.recipes import RECIPES, compose, parse
from grid_llamacpp.serving import serve_command
from grid_llamacpp.sizes import check_recipe, predicted_bytes, predicted_types


class LlamaCpp(Declaration):
    """Runs and quantizes GGUF weights; see `grid.backend.Backend` for each method's contract."""

    name = "llamacpp"
    formats = frozenset({"gguf"})
    capabilities: frozenset[Capability] = frozenset(
        {"tokenizes", "scores", "logits", "steps", "generates", "embeds", "quantizes"}
    )
    speed_only = frozenset({"threads", "threads_batch", "mmap"}) | SPECULATIVE
    speculative_options = SPECULATIVE
    runtime = Path(__file__).with_name("runtime.txt")
    converter = "llamacpp-converter"

    options = staticmethod(complete)
    noise_options = staticmethod(noise_options)
    needs = staticmethod(memory.needs)
    load = staticmethod(engine.load)
    quantizer = staticmethod(identity)
    quantize = staticmethod(quantize)
    predicted_bytes = staticmethod(predicted_bytes)
    predicted_types = staticmethod(predicted_types)
    check_recipe = staticmethod(check_recipe)
    serve_command = staticmethod(serve_command)

    def probe(self, node: Node) -> Availability:
        return probe.probe(self, node)

    def inspect(self, path: Path) -> Inspection:
        """As the header says; where the engine is installed, it must know the architecture."""
        inspection = inspect_gguf(path)
        architecture = inspection.model.architecture
        if library.folder() is not None and probe.knows_architecture(architecture) is False:
            raise InputError(
                f"{path}: architecture {architecture!r} is unknown to llama.cpp; "
                "leave the file out, or update llama-cpp-python"
            )
        return inspection

    def recipes(self) -> Mapping[str, Recipe]:
        return RECIPES

    def compose_recipe(self, preset: str, changes: RecipeChanges) -> Recipe:
        return compose(preset, changes).recipe

    def read_recipe(self, name: str) -> Recipe:
        return parse(name).recipe
