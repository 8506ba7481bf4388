"""The declaration of servers as a backend: importable where none is installed, and asks none."""

from __future__ import annotations

from pathlib import Path

from grid.backend import (
    ENDPOINT_FORMAT,
    Artifact,
    Availability,
    Capability,
    Declaration,
    Inspection,
    Needs,
    Node,
    Options,
    Workload,
    inspect_checkpoint,
    inspect_gguf,
)
from grid_openai.describe import describe_endpoint
from grid_openai.description import inspect_description
from grid_openai.engine import load
from grid_openai.library import package_version
from grid_openai.options import SPEED_ONLY, complete, noise_options

_CLIENT_BYTES = 200 * 2**20
"""This side's process: Python, a tokenizer, and the answers."""
_SERVER_BYTES = 300 * 2**20
"""A started server without its weights and cache."""


class OpenAI(Declaration):
    """Measures servers that answer over HTTP; see `grid.backend.Backend`."""

    name = "openai"
    formats = frozenset({ENDPOINT_FORMAT, "gguf", "safetensors", "gptq", "awq"})
    capabilities: frozenset[Capability] = frozenset(
        {"tokenizes", "scores", "generates", "endpoint"}
    )
    speed_only = SPEED_ONLY
    runtime = Path(__file__).with_name("runtime.txt")

    options = staticmethod(complete)
    noise_options = staticmethod(noise_options)
    load = staticmethod(load)
    describe_endpoint = staticmethod(describe_endpoint)

    def probe(self, node: Node) -> Availability:
        return Availability(ready=True, version=package_version(), devices=("cpu",))

    def inspect(self, path: Path) -> Inspection:
        if path.suffix == f".{ENDPOINT_FORMAT}":
            return inspect_description(path)
        return inspect_checkpoint(path) if path.is_dir() else inspect_gguf(path)

    def needs(
        self, artifact: Artifact, weight_bytes: int, options: Options, workload: Workload
    ) -> Needs:
        """Of a server that runs already, this side alone; of one that is started, all of it."""
        if artifact.format == ENDPOINT_FORMAT:
            return Needs(host_bytes=_CLIENT_BYTES)
        cache = artifact.model.kv_bytes(workload.size)
        host = _CLIENT_BYTES + _SERVER_BYTES + weight_bytes + cache
        return Needs(host_bytes=host, kv_bytes=cache)
