"""The command that serves a folder; the conformance suite holds it against its own parser."""

from __future__ import annotations

import pytest
from grid_transformers import backend

from grid.backend import Artifact, Node, ServeRequest, Unsupported
from grid.testing.fixtures import make_model

ARTIFACT = Artifact(model=make_model(), format="safetensors", quant="BF16", path="/m/base")


def test_on_a_cpu_it_computes_in_the_type_that_was_measured(node: Node) -> None:
    request = ServeRequest(context=4096, options=backend.options({"threads": 3}, node))
    (command,) = backend.serve_command(ARTIFACT, request)
    assert command.commands[0].text(width=1000) == (
        "OMP_NUM_THREADS=3 transformers serve /m/base --device cpu --dtype float32 "
        "--attn-implementation sdpa"
    )


def test_sessions_on_a_card_are_batched() -> None:
    request = ServeRequest(context=4096, sessions=2, platform="cuda", options={"dtype": "auto"})
    (command,) = backend.serve_command(ARTIFACT, request)
    assert command.commands[0].argv == (
        "transformers", "serve", "/m/base", "--device", "auto", "--dtype", "auto",
        "--continuous-batching",
    )  # fmt: skip


def test_a_quantized_cache_is_refused() -> None:
    with pytest.raises(Unsupported, match="no cache of q8_0"):
        backend.serve_command(ARTIFACT, ServeRequest(context=64, kv_type="q8_0"))
