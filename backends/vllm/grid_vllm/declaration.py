"""The declaration of vLLM as a backend: importable where it is not installed."""

from __future__ import annotations

from pathlib import Path

from grid.backend import Availability, Capability, Declaration, InputError, Inspection, Node
from grid_vllm import engine, memory
from grid_vllm.library import import_stack
from grid_vllm.options import SPECULATIVE, complete, noise_options
from grid_vllm.probe import probe
from grid_vllm.serving import serve_command


class Vllm(Declaration):
    """Runs checkpoint folders in vLLM's offline engine; see `grid.backend.Backend` for each
    method's contract.

    The formats are those that vLLM itself loads; GGUF and bitsandbytes left it for plugins of
    their own.
    """

    name = "vllm"
    formats = frozenset({"safetensors", "gptq", "awq", "fp8", "compressed-tensors", "modelopt"})
    capabilities: frozenset[Capability] = frozenset({"tokenizes", "scores", "logits", "generates"})
    runtime = Path(__file__).with_name("runtime.txt")
    install_command = "grid backends install vllm"

    speed_only = frozenset({"threads"}) | SPECULATIVE
    speculative_options = SPECULATIVE

    options = staticmethod(complete)
    noise_options = staticmethod(noise_options)
    needs = staticmethod(memory.needs)
    import_engine = staticmethod(import_stack)
    load = staticmethod(engine.load)
    serve_command = staticmethod(serve_command)

    def probe(self, node: Node) -> Availability:
        return probe(self, node)

    def inspect(self, path: Path) -> Inspection:
        if not path.is_dir():
            raise InputError(
                f"{path}: vllm reads folders in Hugging Face's layout; name the folder"
            )
        return super().inspect(path)
