"""The command that serves a folder: `transformers serve`."""

from __future__ import annotations

from collections.abc import Sequence

from grid.backend import Artifact, ServeCommand, ServeRequest, ShellCommand, Unsupported

_KV_TYPES = ("f16", "bf16", "f32")
"""Its cache is of the type that it computes in."""


def serve_command(artifact: Artifact, request: ServeRequest) -> Sequence[ServeCommand]:
    """See `grid.backend.Serves`."""
    if request.kv_type not in _KV_TYPES:
        raise Unsupported(
            f"transformers serve keeps no cache of {request.kv_type}, only of the type that it "
            "computes in"
        )
    if request.cpu_expert_layers or request.gpu_layers is not None:
        raise Unsupported("transformers serve places whole models; llama.cpp places layers")
    words = ["transformers", "serve", str(artifact.path)]
    words += ["--device", "cpu" if request.on_cpu else "auto", "--dtype", _dtype(request)]
    if "attention" in request.options:
        words += ["--attn-implementation", str(request.options["attention"])]
    if request.sessions > 1:
        words.append("--continuous-batching")
    environment = {}
    if request.on_cpu and request.same_hardware and "threads" in request.options:
        environment["OMP_NUM_THREADS"] = str(request.options["threads"])
    return [
        ServeCommand(
            program="transformers",
            commands=(ShellCommand(argv=tuple(words), environment=environment),),
            url="http://127.0.0.1:8000/v1",
            notes=(
                "needs the package transformers[serving]",
                "transformers serve limits no context: memory grows with what is asked, as advised "
                f"up to {request.context} tokens a session",
            ),
        )
    ]


def _dtype(request: ServeRequest) -> str:
    """As it was measured; `auto` computes in 32 bits on a CPU, unlike that of the server."""
    dtype = str(request.options.get("dtype", "auto"))
    return "float32" if dtype == "auto" and request.on_cpu else dtype
