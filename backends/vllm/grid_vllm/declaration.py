"""The declaration of vLLM as a backend: importable where it is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from grid.backend import Availability, Capability, Engine, Inspection, Needs, Recipe
from grid.cells.cell import Options
from grid.cells.workload import Workload
from grid.errors import InputError
from grid.hardware.node import Node
from grid.models.artifact import Artifact
from grid_vllm import facts, memory, options

_INSTALL = "grid backends install vllm"
_LIBNUMA = "apt-get install libnuma1"


class Vllm:
    """Runs checkpoint folders in vLLM's offline engine; see `grid.backend.Backend` for each
    method's contract.

    The formats are those that vLLM itself loads; GGUF and bitsandbytes left it for plugins of
    their own.
    """

    name = "vllm"
    formats = frozenset({"safetensors", "gptq", "awq", "fp8", "compressed-tensors"})
    capabilities: frozenset[Capability] = frozenset({"tokenizes", "scores", "logits", "generates"})
    speed_only = frozenset({"threads"})
    runtime: Path | None = Path(__file__).with_name("runtime.txt")

    def probe(self, node: Node) -> Availability:
        if not facts.installed():
            return Availability(ready=False, reason="vllm is not installed here", mend=_INSTALL)
        said = facts.describe()
        if "error" in said:
            mend = _LIBNUMA if "libnuma" in said["error"] else _INSTALL
            reason = f"vllm does not load: {said['error']}"
            return Availability(ready=False, reason=reason, mend=mend)
        kind = said["device"]
        more = range(1, 1 if kind == "cpu" else len(node.accelerators))
        devices = (kind, *(f"{kind}:{number}" for number in more))
        return Availability(ready=True, version=said["version"], devices=devices)

    def options(self, given: Mapping[str, Any], node: Node) -> Options:
        return options.complete(given, node)

    def noise_options(self, options_: Options) -> Options:
        return options.other_way(options_)

    def inspect(self, path: Path) -> Inspection:
        from grid.models.checkpoint.inspection import inspect

        if not path.is_dir():
            raise InputError(
                f"{path}: vllm reads folders in Hugging Face's layout; name the folder"
            )
        return inspect(path)

    def recipes(self) -> Mapping[str, Recipe]:
        return {}

    def quantizer(self) -> str:
        return ""

    def needs(
        self, artifact: Artifact, weight_bytes: int, options: Options, workload: Workload
    ) -> Needs:
        return memory.needs(artifact, weight_bytes, options, workload)

    def import_engine(self, device: str, options: Options) -> None:
        from grid_vllm.engine import import_stack

        import_stack(device, options)

    def load(self, path: Path, device: str, options: Options) -> AbstractContextManager[Engine]:
        from grid_vllm.engine import load

        return load(path, device, options)
