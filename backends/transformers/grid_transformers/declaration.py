"""The declaration of transformers as a backend: importable where it is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from grid.backend import Availability, Capability, Declaration, Node, Options, Recipe
from grid.models.checkpoint.sizes import recipe_bytes
from grid_transformers import engine, memory
from grid_transformers.library import import_stack
from grid_transformers.loading import FORMATS
from grid_transformers.options import complete, noise_options
from grid_transformers.probe import probe
from grid_transformers.quantizer import identity, quantize
from grid_transformers.recipes import RECIPES
from grid_transformers.serving import serve_command


class Transformers(Declaration):
    """Runs model folders of every kind that transformers loads, and makes bitsandbytes and torchao
    ones; see `grid.backend.Backend` for each method's contract."""

    name = "transformers"
    formats = FORMATS
    capabilities: frozenset[Capability] = frozenset(
        {"tokenizes", "scores", "logits", "steps", "generates", "embeds", "quantizes"}
    )
    runtime = Path(__file__).with_name("runtime.txt")

    options = staticmethod(complete)
    noise_options = staticmethod(noise_options)
    needs = staticmethod(memory.needs)
    load = staticmethod(engine.load)
    quantizer = staticmethod(identity)
    quantize = staticmethod(quantize)
    predicted_bytes = staticmethod(recipe_bytes)
    serve_command = staticmethod(serve_command)

    def probe(self, node: Node) -> Availability:
        return probe(self, node)

    def recipes(self) -> Mapping[str, Recipe]:
        return RECIPES

    def import_engine(self, device: str, options: Options) -> None:
        import_stack()
