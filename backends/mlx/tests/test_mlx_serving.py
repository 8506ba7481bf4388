"""The command that serves a folder; the conformance suite holds it against mlx-lm's own parser."""

from __future__ import annotations

import pytest
from grid_mlx import backend

from grid.backend import Artifact, ServeRequest, Unsupported
from grid.testing.fixtures import make_model

ARTIFACT = Artifact(model=make_model(), format="mlx", quant="mlx-4bit-g64", path="/m/base")


def test_sessions_and_a_quantized_cache_are_set() -> None:
    request = ServeRequest(context=4096, sessions=4, kv_type="q8_0", options={"batch": 512})
    (command,) = backend.serve_command(ARTIFACT, request)
    assert command.commands[0].text(width=1000) == (
        "mlx_lm.server --model /m/base --decode-concurrency 4 --prompt-concurrency 4 "
        "--prefill-step-size 512 --kv-bits 8 --quantized-kv-start 0"
    )
    assert "up to 4096 tokens a session" in command.notes[0]
    assert "one session after the other" in command.notes[1]


def test_a_type_of_cache_that_mlx_lacks_is_refused() -> None:
    with pytest.raises(Unsupported, match="no cache of q5_1; it takes f16, bf16, q8_0, q4_0"):
        backend.serve_command(ARTIFACT, ServeRequest(context=64, kv_type="q5_1"))
