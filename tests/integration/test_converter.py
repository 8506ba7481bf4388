"""What llama.cpp's converter makes computes in llama.cpp what Transformers computes."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from grid.engine import messages
from grid.engine.environments import Interpreter, find_interpreter
from grid.engine.process import EngineProcess
from grid.hardware.probe import probe_node
from grid.models import bundled

USERS_CACHE = os.environ.get("QUANTGRID_CACHE")
"""As it was before the tests got a cache of their own."""

IDS = [1, 17, 258, 80, 3, 99, 200, 261, 5, 44, 301, 12]

MAKE = """
import json, sys
import numpy as np, sentencepiece, torch
from transformers import AutoConfig, AutoModelForCausalLM
folder, text, kind, changes, ids = sys.argv[1:]
torch.manual_seed(0)
config = AutoConfig.for_model(
    kind, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, vocab_size=600, max_position_embeddings=128, **json.loads(changes))
model = AutoModelForCausalLM.from_config(config).float().eval()
model.save_pretrained(folder)
with torch.inference_mode():
    np.save(folder + "/logits.npy", model(torch.tensor([json.loads(ids)])).logits[0].numpy())
sentencepiece.SentencePieceTrainer.train(
    input=text, model_prefix=folder + "/tokenizer", vocab_size=600, model_type="bpe")
"""

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        importlib.util.find_spec("llama_cpp") is None, reason="llama-cpp-python is not installed"
    ),
]


@pytest.fixture
def interpreter(monkeypatch: pytest.MonkeyPatch) -> Interpreter:
    """The converter's environment in the user's own cache: it is large, and not made for this."""
    with monkeypatch.context() as users:
        users.delenv("QUANTGRID_CACHE")
        if USERS_CACHE is not None:
            users.setenv("QUANTGRID_CACHE", USERS_CACHE)
        present = find_interpreter("llamacpp-converter", probe_node())
    if present is None:
        pytest.skip("not made here: grid backends install llamacpp-converter")
    return present


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("gemma3_text", '{"head_dim": 16, "sliding_window": 8, "query_pre_attn_scalar": 16}'),
        ("mixtral", '{"num_local_experts": 4, "num_experts_per_tok": 2}'),
    ],
)
def test_sliding_windows_and_experts_compute_alike(
    tmp_path: Path, interpreter: Interpreter, kind: str, changes: str
) -> None:
    from grid_llamacpp import backend

    folder, target = tmp_path / kind, tmp_path / "x.gguf"
    text = str(bundled.FOLDER / "prose.txt")
    command = [interpreter.python, "-c", MAKE, str(folder), text, kind, changes, str(IDS)]
    subprocess.run(command, check=True, capture_output=True)
    request = messages.Quantize(
        backend="llamacpp-converter",
        source=str(folder),
        recipe="F32",
        target=str(target),
        threads=1,
        calibration=None,
        device="cpu",
    )
    with EngineProcess(interpreter.python, interpreter.imports) as process:
        process.ask(request, 300.0)
    options = backend.options({"threads": 1}, probe_node())
    with backend.load(target, "cpu", {**options, "context": 64}) as engine:
        logits = engine.logits(IDS)
    expected = np.load(folder / "logits.npy")
    np.testing.assert_allclose(logits, expected, atol=2e-3 * np.abs(expected).max())
