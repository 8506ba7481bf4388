"""What the declarations of the retired packages share: they run one format and make nothing."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from grid_transformers import memory, probing
from grid_transformers import options as shared

from grid.backend import Availability, Capability, Inspection, Needs, Recipe
from grid.cells.cell import Options
from grid.cells.workload import Workload
from grid.errors import GridError, InputError, OutOfMemory, Unsupported, did_you_mean
from grid.hardware.node import Node
from grid.models.artifact import Artifact
from grid.models.checkpoint.quantization import Quantization

OPTIONS = ("threads", "batch", "device")
"""Of transformers' options those that apply: the number types are the kernels' own."""


class Retired:
    """A retired package's declaration without `load`; see `grid.backend.Backend` for the contract.

    `module` is the package's import name, `distribution` its own.
    """

    name: str
    format: str
    module: str
    distribution: str
    runtime: Path | None
    advice: str
    """What probe says where the package is ready: what runs here and what needs something else."""
    speed_only = frozenset({"threads"})
    capabilities: frozenset[Capability] = frozenset(
        {"tokenizes", "scores", "logits", "steps", "generates"}
    )

    @property
    def formats(self) -> frozenset[str]:
        return frozenset({self.format})

    def probe(self, node: Node) -> Availability:
        """Looks for the package without importing it, which takes half a minute of CPU."""
        mend = f"uv pip install -r {self.runtime}"
        if importlib.util.find_spec(self.module) is None:
            return Availability(
                ready=False, reason=f"{self.distribution} is not installed", mend=mend
            )
        found = probing.probe(node, mend)
        if not found.ready:
            return found
        said = engine_version(self.distribution)
        return msgspec.structs.replace(found, version=said, reason=self.advice)

    def options(self, given: Mapping[str, Any], node: Node) -> Options:
        for name in given:
            if name not in OPTIONS:
                raise InputError(
                    f"option {name!r} is unknown to {self.name}. {did_you_mean(name, OPTIONS)}"
                )
        complete = shared.complete(given, node)
        return {name: complete[name] for name in OPTIONS}

    def noise_options(self, options: Options) -> Options:
        return shared.other_way(options)

    def inspect(self, path: Path) -> Inspection:
        from grid.models.checkpoint.inspection import inspect

        return inspect(path)

    def recipes(self) -> Mapping[str, Recipe]:
        return {}

    def quantizer(self) -> str:
        return ""

    def needs(
        self, artifact: Artifact, weight_bytes: int, options: Options, workload: Workload
    ) -> Needs:
        return memory.needs(
            artifact, weight_bytes, {"dtype": "auto", "attention": "sdpa", **options}, workload
        )

    def import_engine(self, device: str, options: Options) -> None:
        from grid_transformers.loading import import_stack

        from grid_gptqmodel.library import silent

        import_stack()
        with contextlib.suppress(ImportError, OSError), silent():  # `load` says it in one line
            importlib.import_module(self.module)


def engine_version(distribution: str) -> str:
    """Versions of the package and of what it stands on, the same from `probe` and from an engine;
    torch is imported for it."""
    return f"{distribution} {version(distribution)}, {probing.stack_version()}"


def declared(path: Path, method: str, backend: str) -> Quantization:
    """The quantization of a folder, which must be of `method`. Raises Unsupported, one line."""
    from grid.models.checkpoint.files import read_config
    from grid.models.checkpoint.quantization import read_quantization

    try:
        found = read_quantization(path, read_config(path))
    except InputError as error:
        raise Unsupported(str(error)) from error
    if found is None or found.format != method:
        said = "16-bit" if found is None else found.quant
        raise Unsupported(f"{path.name} is {said}; {backend} runs {method} checkpoints")
    return found


@contextlib.contextmanager
def one_line(what: str) -> Iterator[None]:
    """Loaders raise whatever their packages raise: OutOfMemory, or Unsupported with the reason."""
    from grid_transformers.failures import first_line, is_out_of_memory

    try:
        yield
    except GridError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemory(f"{what}: out of memory ({first_line(error)})") from error
        raise Unsupported(f"{what} does not load: {first_line(error)}") from error
