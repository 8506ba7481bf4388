"""The retired packages, AutoGPTQ and AutoAWQ: they run one format and make nothing.

Their distributions hold what differs: a declaration, with how the package reads a folder.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from grid_transformers import memory
from grid_transformers import options as transformers
from grid_transformers.engine import HfEngine, open_engine
from grid_transformers.environment import describe
from grid_transformers.library import check_device, import_stack, prepare_process, stack_version
from grid_transformers.loading import Loaded, choose_device
from grid_transformers.probe import probe

from grid.backend import (
    Artifact,
    Availability,
    Capability,
    Declaration,
    Needs,
    Node,
    Options,
    Unsupported,
    Workload,
)
from grid.models.checkpoint.quantization import Quantization
from grid_gptqmodel.engine import read_folder
from grid_gptqmodel.failures import loading_retired
from grid_gptqmodel.library import silence_output
from grid_gptqmodel.older_cache import add_cache_layers

_CHECKS = {name: transformers.CHECKS[name] for name in ("threads", "batch", "device")}
"""Of transformers' options those that apply: the number types are the kernels' own."""


class Retired(Declaration):
    """A retired package's declaration; a subclass says how it reads a folder.

    `module` is the package's import name, `distribution` its own.
    """

    format: str
    module: str
    distribution: str
    advice: str
    """What probe says where the package is ready: what runs here and what needs something else."""
    capabilities: frozenset[Capability] = frozenset(
        {"tokenizes", "scores", "logits", "steps", "generates"}
    )

    noise_options = staticmethod(transformers.noise_options)

    def check_layout(self, name: str, quantization: Quantization, device: str) -> None:
        """Raises Unsupported for a checkpoint, called `name`, that the package cannot run there."""
        raise NotImplementedError

    def read_model(self, path: Path, device: str) -> Any:
        """The model of a folder on a device, complete."""
        raise NotImplementedError

    def numerics(self, model: Any) -> Mapping[str, str]:
        """Kernels, activations and weights, for a reader of a number."""
        raise NotImplementedError

    def probe(self, node: Node) -> Availability:
        """Looks for the package without importing it, which takes half a minute of CPU."""
        if importlib.util.find_spec(self.module) is None:
            return self.unavailable(f"{self.distribution} is not installed")
        stack = probe(self, node)
        if not stack.ready:
            return stack
        return msgspec.structs.replace(stack, version=self._version(), reason=self.advice)

    def _version(self) -> str:
        """Versions of the package and of what it stands on, the same from `probe` and from an
        engine; torch is imported for it."""
        return f"{self.distribution} {version(self.distribution)}, {stack_version()}"

    def options(self, requested: Mapping[str, Any], node: Node) -> Options:
        return transformers.complete(requested, node, self.name, _CHECKS)

    def needs(
        self, artifact: Artifact, weight_bytes: int, options: Options, workload: Workload
    ) -> Needs:
        whole: Options = {"dtype": "auto", "attention": "sdpa", **options}
        return memory.needs(artifact, weight_bytes, whole, workload)

    def import_engine(self, device: str, options: Options) -> None:
        import_stack()
        with (
            contextlib.suppress(ImportError, OSError),
            silence_output(),
        ):  # `load` says it in one line
            importlib.import_module(self.module)

    @contextlib.contextmanager
    def load(self, path: Path, device: str, options: Options) -> Iterator[HfEngine]:
        """Load a model folder; leaving gives its memory back.

        `device` is `cpu`, `cuda` or `cuda:1`. Raises OutOfMemory, Unsupported or EngineError.
        """
        place = choose_device(device, options)
        self.check_layout(path.name, self._read_quantization(path), place)
        with open_engine(
            path, place, options, lambda: self._load_model(path, place, options)
        ) as engine:
            yield engine

    def _read_quantization(self, path: Path) -> Quantization:
        """The quantization of a folder. Raises Unsupported where it is of another format."""
        _, quantization = read_folder(path)
        if quantization is None or quantization.format != self.format:
            kind = "16-bit" if quantization is None else quantization.quant
            raise Unsupported(f"{path.name} is {kind}; {self.name} runs {self.format} checkpoints")
        return quantization

    def _load_model(self, path: Path, device: str, options: Options) -> Loaded:
        prepare_process()
        with loading_retired(path.name), silence_output():
            import torch

            torch.set_num_threads(max(1, int(options["threads"])))
            check_device(torch, device)
            model = self.read_model(path, device)
            model.eval()
            model.requires_grad_(False)
        add_cache_layers()
        environment = {**describe(model, options), **self.numerics(model)}
        return Loaded(model, self._version(), environment)
