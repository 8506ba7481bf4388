"""The declaration: light to import, and true."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from grid_llamacpp import backend, probe
from llamacpp_random import write_folder

from grid.backend import Embeds, Generates, Logits, Quantizes, Scores, Steps, Tokenizes
from grid.cells.workload import Memory, Quality, Tasks
from grid.errors import InputError
from grid.hardware.node import Node
from grid.models.artifact import Artifact
from grid.testing.fixtures import make_model

PEAK = """
import json, sys
from pathlib import Path
from grid_llamacpp import backend
path, options, context = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
with backend.load(path, "cpu", options) as engine:
    engine.resize(context)
    engine.prefill([5] * 500)
    engine.step(5)
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def child(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


def artifact(path: Path) -> Artifact:
    inspection = backend.inspect(path)
    return Artifact(
        model=inspection.model, format="gguf", quant=inspection.quant, facts=inspection.facts
    )


def test_importing_it_loads_no_engine() -> None:
    code = "import grid_llamacpp, sys; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(child("-c", "import json; " + code))
    assert not {"llama_cpp", "llama_cpp.llama_cpp", "gguf", "jinja2"} & set(loaded)


@pytest.mark.engine
def test_loading_the_engine_leaves_the_chat_stack_out() -> None:
    code = "from grid_llamacpp.library import library; library(); import json, sys; "
    loaded = json.loads(child("-c", code + "print(json.dumps(sorted(sys.modules)))"))
    assert "llama_cpp.llama_cpp" in loaded
    assert not {"jinja2", "llama_cpp.llama", "diskcache"} & set(loaded)


@pytest.mark.engine
def test_the_whole_package_can_still_be_imported_afterwards() -> None:
    code = "from grid_llamacpp.library import library; library(); import llama_cpp; "
    assert "class" in child("-c", code + "print(llama_cpp.Llama)")


@pytest.mark.engine
def test_the_log_is_heard_again_after_the_whole_package_took_it() -> None:
    code = (
        "from grid_llamacpp.library import library; log = library().log; import llama_cpp; "
        "mark = log.mark(); "
        "library().api.llama_model_load_from_file("
        "b'/no/such.gguf', library().api.llama_model_default_params()); "
        "print(log.since(mark))"
    )
    assert "/no/such.gguf" in child("-c", code)


@pytest.mark.engine
def test_probe_names_version_and_devices(node: Node) -> None:
    availability = backend.probe(node)
    assert availability.ready
    assert availability.version.startswith("llama-cpp-python 0.3.36 (llama.cpp ")
    assert availability.devices == ("cpu",)


def test_where_it_is_missing_probe_says_how_to_mend_it(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grid_llamacpp.probe.folder", lambda: None)
    availability = backend.probe(node)
    assert not availability.ready
    assert availability.mend.startswith("uv pip install -r ")
    assert Path(availability.mend.split()[-1]).is_file()


def test_a_library_that_kills_its_process_is_not_ready(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grid_llamacpp.probe.folder", lambda: Path())
    monkeypatch.setattr(probe, "describe", lambda: probe.ask("no such question"))
    availability = backend.probe(node)
    assert not availability.ready
    assert "does not load" in availability.reason


def test_runtime_pins_every_requirement_exactly() -> None:
    assert backend.runtime is not None
    lines = backend.runtime.read_text().splitlines()
    assert all("==" in line for line in lines)
    assert any(line.startswith("llama-cpp-python==") for line in lines)


@pytest.mark.engine
def test_declared_capabilities_are_implemented(f16: Path, load_engine: Any) -> None:
    kinds = {
        "tokenizes": Tokenizes,
        "scores": Scores,
        "logits": Logits,
        "steps": Steps,
        "generates": Generates,
        "embeds": Embeds,
    }
    with load_engine(f16) as engine:
        implemented = {name for name, kind in kinds.items() if isinstance(engine, kind)}
    implemented |= {"quantizes"} if isinstance(backend, Quantizes) else set()
    assert implemented == backend.capabilities


@pytest.mark.engine
def test_an_unknown_architecture_is_an_input_error(f16: Path, tmp_path: Path) -> None:
    content = f16.read_bytes().replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0llamb", 1)
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(InputError, match=r"architecture 'llamb' is unknown to llama\.cpp"):
        backend.inspect(tmp_path / "x.gguf")


@pytest.mark.engine
@pytest.mark.parametrize("name", ["llama", "qwen3moe", "gemma3", "mamba", "deepseek2"])
def test_known_architectures_are_known(name: str) -> None:
    assert probe.knows_architecture(name) is True


@pytest.mark.engine
@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")
@pytest.mark.parametrize(("context", "flash"), [(512, "auto"), (8192, "auto"), (4096, "off")])
def test_needs_are_at_least_the_peak_and_at_most_twice_it(
    tmp_path_factory: pytest.TempPathFactory, node: Node, context: int, flash: str
) -> None:
    """Without a mapped file, whose pages the system may take back. Never more than 3 % short."""
    path = _larger(tmp_path_factory)
    options = backend.options({"threads": 1, "mmap": False, "flash_attention": flash}, node)
    peak = 1024 * int(child("-c", PEAK, str(path), json.dumps(options), str(context)))
    described = artifact(path)
    assert described.facts is not None
    estimate = backend.needs(described, described.facts.bytes, options, Memory(context)).host_bytes
    assert 0.97 * peak < estimate < 2 * peak


def _larger(factory: pytest.TempPathFactory) -> Path:
    path = factory.getbasetemp() / "larger.gguf"
    if not path.exists():
        shape = {"num_hidden_layers": 8, "hidden_size": 512, "num_attention_heads": 8}
        model = write_folder(factory.mktemp("larger"), **shape, intermediate_size=1536)
        backend.quantize(model, "F16", path, 1)
    return path


MODEL = make_model()
EIGHT_BILLION = Artifact(model=MODEL, format="gguf", quant="Q4_K_M")
GIB = 2**30


def test_needs_of_an_8b_model_are_weights_cache_and_about_a_gib(node: Node) -> None:
    options = backend.options({}, node)
    host_bytes = backend.needs(EIGHT_BILLION, 5 * GIB, options, Memory(8192)).host_bytes
    assert 6 * GIB < host_bytes < 7.5 * GIB


def test_needs_grow_with_the_context_by_the_cache(node: Node) -> None:
    options = backend.options({}, node)
    short, long = (
        backend.needs(EIGHT_BILLION, 5 * GIB, options, Memory(n)).host_bytes for n in (4096, 8192)
    )
    cache = MODEL.kv_bytes(4096)
    assert cache <= long - short < 1.1 * cache


def test_a_quantized_cache_needs_less(node: Node) -> None:
    small = backend.options({"kv_type_k": "q8_0", "kv_type_v": "q8_0"}, node)
    large = backend.options({}, node)
    needs = [
        backend.needs(EIGHT_BILLION, 0, options, Memory(8192)).host_bytes
        for options in (small, large)
    ]
    assert needs[1] - needs[0] == MODEL.kv_bytes(8192) * 15 // 32


def test_layers_on_an_accelerator_need_its_memory(node: Node) -> None:
    options = backend.options({"gpu_layers": -1}, node)
    needs = backend.needs(EIGHT_BILLION, 5 * GIB, options, Memory(8192))
    assert needs.accelerator == "gpu"
    assert needs.device_bytes > 6 * GIB
    assert needs.host_bytes < GIB


def test_quality_and_tasks_count_their_logits(node: Node) -> None:
    options = backend.options({}, node)
    text = Quality(text="t", text_sha256="h", context=512, chunks=1)
    tasks = Tasks(task_class="c", source="s", items_sha256="h", limit=1)
    plain = backend.needs(EIGHT_BILLION, 0, options, Memory(512)).host_bytes
    for workload in (text, tasks):
        assert backend.needs(EIGHT_BILLION, 0, options, workload).host_bytes > plain + 128_000 * 512
