"""The declaration of llama.cpp's converter: importable where it is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from grid.backend import (
    Artifact,
    Availability,
    Calibration,
    Capability,
    Declaration,
    Engine,
    InputError,
    Inspection,
    Needs,
    Node,
    Options,
    Recipe,
    Unsupported,
    Workload,
    inspect_gguf,
    package_version,
    write_whole,
)
from grid_llamacpp.converter.architectures import refuse_unknown
from grid_llamacpp.library import PACKAGE
from grid_llamacpp.recipes import PLAIN, RECIPES


class Converter(Declaration):
    """Makes GGUF of 16 or 32 bits from folders in Hugging Face's layout; runs nothing."""

    name = "llamacpp-converter"
    formats: frozenset[str] = frozenset()
    capabilities: frozenset[Capability] = frozenset({"quantizes"})
    speed_only: frozenset[str] = frozenset()
    runtime = Path(__file__).with_name("runtime.txt")

    def probe(self, node: Node) -> Availability:
        if find_spec("conversion") is None:
            return self.unavailable("llama.cpp's converter is not installed")
        return Availability(ready=True, version=self._version, devices=("cpu",))

    def options(self, requested: Mapping[str, Any], node: Node) -> Options:
        if requested:
            raise InputError(f"unknown option {next(iter(requested))!r}; {self.name} has none")
        return {}

    def noise_options(self, options: Options) -> Options:
        return options

    def inspect(self, path: Path) -> Inspection:
        return inspect_gguf(path)

    def recipes(self) -> Mapping[str, Recipe]:
        bits = {name: RECIPES[name].bits for name in PLAIN}
        return {name: Recipe(name=name, bits=n, format="gguf") for name, n in bits.items()}

    def quantizer(self) -> str:
        return f"llama.cpp's converter of {self._version}"

    def quantize(
        self,
        source: Path,
        recipe: str,
        target: Path,
        threads: int,
        calibration: Calibration | None = None,
        device: str = "cpu",
    ) -> None:
        """As `grid.backend.Quantizes`; the reason of what fails is the converter's own."""
        if recipe not in PLAIN:
            raise Unsupported(f"{self.name} makes {', '.join(PLAIN)}, not {recipe}")
        if not source.is_dir():
            raise Unsupported(f"{source}: {self.name} converts folders, not files")
        refuse_unknown(source)
        from grid_llamacpp.converter.conversion_run import convert

        with write_whole(target) as path:
            convert(source, recipe, path, threads)

    def predicted_bytes(self, source: Path, recipe: str) -> int:
        """Of what llama.cpp makes at `recipe` of the converted folder."""
        from grid_llamacpp.sizes import bytes_of_folder

        refuse_unknown(source)
        return bytes_of_folder(source, recipe)

    def needs(
        self, artifact: Artifact, weight_bytes: int, options: Options, workload: Workload
    ) -> Needs:
        return Needs(host_bytes=weight_bytes)

    def load(self, path: Path, device: str, options: Options) -> AbstractContextManager[Engine]:
        raise Unsupported(f"{self.name} runs nothing; llamacpp runs what it makes")

    @property
    def _version(self) -> str:
        return f"{PACKAGE} {package_version(PACKAGE, self.runtime)}"
