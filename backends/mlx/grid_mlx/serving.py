"""The command that serves a folder: mlx-lm's own server."""

from __future__ import annotations

from collections.abc import Sequence

from grid.backend import Artifact, ServeCommand, ServeRequest, ShellCommand, Unsupported

_KV_BITS = {"f16": 0, "bf16": 0, "q8_0": 8, "q4_0": 4}
"""Types of cache by ggml's name -> bits that MLX quantizes it to; 0 for as it is computed."""


def serve_command(artifact: Artifact, request: ServeRequest) -> Sequence[ServeCommand]:
    """See `grid.backend.Serves`."""
    if request.kv_type not in _KV_BITS:
        raise Unsupported(
            f"MLX keeps no cache of {request.kv_type}; it takes {', '.join(_KV_BITS)}"
        )
    bits, sessions = _KV_BITS[request.kv_type], str(request.sessions)
    words = ["mlx_lm.server", "--model", str(artifact.path)]
    words += ["--decode-concurrency", sessions, "--prompt-concurrency", sessions]
    notes = [
        "mlx_lm.server limits no context: memory grows with what is asked, as advised up to "
        f"{request.context} tokens a session"
    ]
    if "batch" in request.options:
        words += ["--prefill-step-size", str(request.options["batch"])]
    if bits:
        words += ["--kv-bits", str(bits), "--quantized-kv-start", "0"]
    if bits and request.sessions > 1:
        notes.append("with a quantized cache it answers one session after the other")
    command = ShellCommand(argv=tuple(words))
    return [
        ServeCommand(
            program="mlx_lm.server",
            commands=(command,),
            url="http://127.0.0.1:8080/v1",
            notes=tuple(notes),
        )
    ]
