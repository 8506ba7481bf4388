"""Loading, for real, on a CPU: what loads and what is refused, and the conformance suite."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vllm_truth
from grid_vllm import backend, probe
from vllm_folders import rounded, write_gptq, write_int8
from vllm_truth import divergence, log_softmax

from grid.cells.workload import Quality
from grid.errors import EngineError, Unsupported
from grid.hardware.node import Node
from grid.models.artifact import Artifact
from grid.models.bundled import heldout_text
from grid.testing import Case, Expected, check, declared_rules

IDS = [0, *(7 * i % 1000 + 1 for i in range(255))]

PEAK = """
import json, sys
from pathlib import Path
from grid_vllm import backend
path, options, ids = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
with backend.load(path, "cpu", options) as engine:
    engine.logits(ids)
    list(engine.generate([ids[:64]], 8, True, 0))
    status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def _four_bits(source: Path, target: Path) -> Path:
    return write_gptq(source, target, 4)


def test_a_stated_cache_is_made_in_whole_blocks(folder: Path, load_engine: Any) -> None:
    layers = backend.inspect(folder).model.layers
    row = sum(layer.key + layer.value for layer in layers) * 2
    with load_engine(folder, kv_bytes=20 * 128 * row + 5) as engine:
        assert engine.memory_report() == {"kv_buffer_bytes": 20 * 128 * row}


def test_a_cache_of_8_bits_is_half_as_large_and_near(folder: Path, load_engine: Any) -> None:
    with load_engine(folder) as plain:
        before, truth = plain.memory_report(), plain.logits(IDS)
    with load_engine(folder, kv_dtype="fp8") as engine:
        after, mine = engine.memory_report(), engine.logits(IDS)
    assert after["kv_buffer_bytes"] * 2 == before["kv_buffer_bytes"]
    assert 1e-7 < divergence(truth, mine) < 0.05


def test_the_whole_context_of_the_model_can_be_scored(folder: Path, load_engine: Any) -> None:
    with load_engine(folder) as engine:
        whole = [engine.bos, *engine.encode(heldout_text()[:9000])][:1024]
        assert engine.logits(whole).shape == (1024, 1024)
        with pytest.raises(EngineError, match="1025 tokens asked"):
            engine.logits([*whole, 5])


def test_probe_is_ready_and_names_the_device(node: Node) -> None:
    availability = backend.probe(node)
    assert (availability.ready, availability.devices) == (True, ("cpu",))
    assert availability.version == probe.package_version()


def _has_kernel(name: str) -> bool:
    import torch
    from vllm.platforms import current_platform

    current_platform.import_kernels()
    return hasattr(torch.ops._C, name)


def test_four_bits_compute_as_the_rounded_weights_by_hand(
    folder: Path, load_engine: Any, tmp_path: Path
) -> None:
    """Or are refused in one line, where the processor has no kernel for them."""
    path = write_gptq(folder, tmp_path / "w4", 4)
    if not _has_kernel("cpu_gemm_wna16"):
        with (
            pytest.raises(Unsupported, match="no kernel cpu_gemm_wna16"),
            load_engine(path) as engine,
        ):
            engine.logits(IDS)
        return
    with load_engine(path) as engine:
        mine, environment = engine.logits(IDS), engine.environment()
    assert (environment["quantization"], environment["dtype"]) == ("auto_gptq", "float16")
    assert "CPUWNA16LinearKernel" in environment["kernels"]
    truth = vllm_truth.logits(folder, IDS, lambda weight: rounded(weight, 4))
    assert divergence(truth, mine) < 1e-4
    assert divergence(vllm_truth.logits(folder, IDS), mine) > 1e-2


def test_bits_without_a_kernel_are_refused_with_the_reason(
    folder: Path, load_engine: Any, tmp_path: Path
) -> None:
    path = write_gptq(folder, tmp_path / "w8", 8)
    with (
        pytest.raises(Unsupported, match=r"w8 does not load: .*uint8b128") as caught,
        load_engine(path),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_eight_bits_compute_near_the_weights_they_were_made_of(
    folder: Path, load_engine: Any, tmp_path: Path
) -> None:
    path = write_int8(folder, tmp_path / "w8a8")
    with load_engine(path) as engine:
        mine, environment = engine.logits(IDS), engine.environment()
    assert (environment["quantization"], environment["dtype"]) == ("compressed-tensors", "bfloat16")
    assert environment["activations"] == "are quantized to 8 bits"
    assert 1e-5 < divergence(vllm_truth.logits(folder, IDS), mine) < 0.05


@pytest.mark.parametrize(
    ("write", "wrong", "right"),
    [(write_int8, "float16", "bfloat16"), (_four_bits, "bfloat16", "float16")],
)
def test_a_type_that_would_end_the_process_is_refused(
    folder: Path, load_engine: Any, tmp_path: Path, write: Any, wrong: str, right: str
) -> None:
    path = write(folder, tmp_path / "quantized")
    with (
        pytest.raises(Unsupported, match=rf'do not compute in {wrong} .* dtype = "{right}"'),
        load_engine(path, dtype=wrong),
    ):
        pass


def test_a_folder_without_a_tokenizer_is_an_error(
    folder: Path, load_engine: Any, tmp_path: Path
) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(EngineError, match="tokenizer"), load_engine(tmp_path):
        pass


def test_needs_are_at_least_the_peak_and_at_most_twice_it(folder: Path, node: Node) -> None:
    options = backend.options({"threads": 1}, node)
    arguments = [str(folder), json.dumps(options), json.dumps(IDS)]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *arguments], capture_output=True, check=True, timeout=300
    )
    peak = 1024 * int(done.stdout.split()[-1])
    inspection = backend.inspect(folder)
    artifact = Artifact(
        model=inspection.model, format="safetensors", quant=inspection.quant, facts=inspection.facts
    )
    text = Quality(text="t", text_sha256="h", context=256, chunks=1)
    estimate = backend.needs(artifact, inspection.facts.bytes, options, text).host_bytes
    assert 0.97 * peak < estimate < 2 * peak


@pytest.fixture(scope="module")
def by_hand(folder: Path) -> Expected:
    """The same text's tokens and their log-probabilities, of the model computed by hand."""
    from tokenizers import Tokenizer

    text = heldout_text()[:400]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ids = [0, *tokenizer.encode(text, add_special_tokens=False).ids]
    rows = log_softmax(vllm_truth.logits(folder, ids[:-1]))
    log_probs = rows[np.arange(len(rows)), ids[1:]]
    return Expected(ids=tuple(ids), log_probs=tuple(log_probs.tolist()), text=text)


# The build for CPUs brings no `vllm` script that starts: test_vllm_serving asks the parser itself.
RULES = sorted({*declared_rules(backend)} - {"the_engine_accepts_its_serve_commands"})


@pytest.mark.parametrize("rule", RULES)
def test_vllm_keeps_to_the_contract(rule: str, folder: Path, node: Node, by_hand: Expected) -> None:
    assert check(rule, Case(backend, folder, node, {"threads": 1}, expected=by_hand)) == "ran"
