"""The declaration: light to import, and true, where MLX is not installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from grid_mlx import backend, library
from grid_mlx.memory import reserve
from hypothesis import given
from hypothesis import strategies as st

from grid.backend import Quantizes
from grid.cells.workload import Memory, Quality, Tasks
from grid.errors import InputError, OutOfMemory, Unsupported
from grid.hardware.node import Node
from grid.models.artifact import Artifact
from grid.models.model import LayerState
from grid.testing.fixtures import make_model

MODEL = make_model()
FOUR_BITS = Artifact(model=MODEL, format="mlx", quant="mlx-4bit-g64")
SIXTEEN = Artifact(model=MODEL, format="safetensors", quant="F16")
GIB = 2**30


def test_importing_it_loads_no_engine() -> None:
    code = "import grid_mlx, json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert not {"mlx", "mlx_lm", "transformers", "torch"} & set(json.loads(done.stdout))


def test_where_it_is_missing_probe_says_how_to_mend_it(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "missing", lambda: ["mlx", "mlx-lm"])
    availability = backend.probe(node)
    assert not availability.ready
    assert availability.reason == "not installed: mlx, mlx-lm"
    assert availability.mend.startswith("uv pip install -r ")
    assert Path(availability.mend.split()[-1]).is_file()


def test_runtime_pins_every_requirement_exactly_and_in_order() -> None:
    assert backend.runtime is not None
    first, *pins = backend.runtime.read_text().splitlines()
    assert first.startswith("# ")
    assert all("==" in pin for pin in pins)
    assert pins == sorted(pins)
    assert "mlx[cpu]==0.32.4 ; sys_platform == 'linux'" in pins
    assert "mlx==0.32.4 ; sys_platform == 'darwin'" in pins


def test_recipes_are_every_width_in_every_group_and_mxfp4() -> None:
    recipes = backend.recipes()
    assert len(recipes) == 16
    assert {recipe.format for recipe in recipes.values()} == {"mlx"}
    assert not any(recipe.calibrated for recipe in recipes.values())


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("mlx-2bit-g32", 3.0),
        ("mlx-4bit-g64", 4.5),
        ("mlx-4bit-g128", 4.25),
        ("mlx-8bit-g64", 8.5),
        ("mlx-mxfp4", 4.25),
    ],
)
def test_a_recipes_bits_count_scales_and_biases(name: str, bits: float) -> None:
    assert backend.recipes()[name].bits == bits


def test_the_quantizer_is_named_with_its_versions() -> None:
    assert backend.quantizer() == "mlx 0.32.4, mlx-lm 0.32.2, writer 1"


def test_mlx_quantizes() -> None:
    assert isinstance(backend, Quantizes)


def test_a_file_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(Unsupported, match=r"made of a checkpoint folder; x\.gguf is none"):
        backend.quantize(tmp_path / "x.gguf", "mlx-4bit-g64", tmp_path / "t", 1)


def test_an_unknown_recipe_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=r"Did you mean 'mlx-4bit-g64'\?"):
        backend.quantize(tmp_path, "mlx-4bit-g46", tmp_path / "t", 1)


def test_the_size_of_an_unknown_recipe_is_not_predicted(folder: Path) -> None:
    with pytest.raises(Unsupported, match="'Q4_K_M' is no recipe of mlx"):
        backend.predicted_bytes(folder, "Q4_K_M")


def test_four_bits_of_the_smallest_are_predicted_before_they_are_made(folder: Path) -> None:
    four, sixteen = (
        backend.predicted_bytes(folder, "mlx-4bit-g64"),
        (folder / "model.safetensors").stat().st_size,
    )
    assert four == pytest.approx(sixteen * 4.5 / 16, rel=0.01)


def test_a_cpu_computes_in_32_bits_and_apples_gpu_as_the_checkpoint_says(
    node: Node, apple: Node
) -> None:
    plain = {"device": "cpu", "dtype": "float32", "batch": 512, "kv_bits": 0}
    assert backend.options({}, node) == plain
    assert backend.options({"device": "cpu"}, apple) == plain
    on_apple = backend.options({"dtype": "auto"}, apple)
    assert (on_apple["device"], on_apple["dtype"]) == ("accelerator", "checkpoint")


@pytest.mark.parametrize(
    ("requested", "line"),
    [
        ({"dtyp": "float32"}, r"option 'dtyp' is unknown to mlx. Did you mean 'dtype'\?"),
        ({"dtype": "float23"}, r"option dtype = 'float23' is unknown. Did you mean 'float32'\?"),
        ({"dtype": 32}, "option dtype = 32 is unknown. Did you mean 'float32'?"),
        ({"device": "gpu"}, r"option device = 'gpu' is unknown. Did you mean 'cpu'\?"),
        ({"batch": 0}, "option batch = 0: write a whole number from 1 to 65536"),
        ({"batch": True}, "option batch = True: write a whole number"),
        ({"kv_bits": 5}, r"option kv_bits = 5: write 0 \(not quantized\), 4 or 8"),
    ],
)
def test_a_wrong_option_is_one_line(node: Node, requested: dict[str, object], line: str) -> None:
    with pytest.raises(InputError, match=line):
        backend.options(requested, node)


@given(batch=st.integers(1, 65_536))
def test_the_other_way_is_another_batch_that_is_allowed(batch: int) -> None:
    node = Node(name="n", system="s", chip="c", cores=1, memory_bytes=1, bandwidth_bytes_s=1)
    options = backend.options({"batch": batch}, node)
    noise = backend.noise_options(options)
    assert noise["batch"] != batch
    assert int(noise["batch"]) <= 48
    assert backend.options(noise, node) == noise


def test_a_quantization_of_others_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "other"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    config = json.loads((copy / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError) as caught:
        backend.inspect(copy)
    assert "\n" not in str(caught.value)


def test_the_reference_family_is_read(folder: Path) -> None:
    inspection = backend.inspect(folder)
    assert inspection.model.vocabulary == 1024
    assert inspection.facts.bytes == (folder / "model.safetensors").stat().st_size


def test_needs_of_an_8b_model_are_weights_cache_and_about_a_gib(apple: Node) -> None:
    options = backend.options({}, apple)
    needs = backend.needs(FOUR_BITS, 9 * GIB // 2, options, Memory(8192))
    assert 5.5 * GIB < needs.host_bytes < 7 * GIB
    assert (needs.device_bytes, needs.accelerator) == (0, "metal")
    plain = backend.options({"device": "cpu"}, apple)
    assert backend.needs(FOUR_BITS, 0, plain, Memory(8192)).accelerator is None


def test_needs_grow_with_the_context_by_the_cache(apple: Node) -> None:
    options = backend.options({}, apple)
    short, long = (
        backend.needs(FOUR_BITS, GIB, options, Memory(tokens)) for tokens in (4096, 8192)
    )
    assert long.kv_bytes - short.kv_bytes == MODEL.kv_bytes(4096)
    assert MODEL.kv_bytes(4096) <= long.host_bytes - short.host_bytes < 1.1 * MODEL.kv_bytes(4096)


def test_weights_in_32_bits_need_twice_the_memory_of_16(node: Node) -> None:
    weights = 2 * MODEL.parameters
    plain, wide = (
        backend.needs(SIXTEEN, weights, backend.options({"dtype": dtype}, node), Memory(1))
        for dtype in ("checkpoint", "float32")
    )
    assert 0 < wide.host_bytes - plain.host_bytes - weights < 0.1 * weights


def test_of_quantized_weights_only_scales_and_biases_grow(node: Node) -> None:
    plain, wide = (
        backend.needs(FOUR_BITS, 0, backend.options({"dtype": dtype}, node), Memory(1))
        for dtype in ("checkpoint", "float32")
    )
    grown = wide.host_bytes - plain.host_bytes
    assert 0 < grown - MODEL.parameters * 4 / 64 < GIB // 2


def test_a_checkpoint_of_32_bits_keeps_its_cache_in_them(apple: Node) -> None:
    options, weights = backend.options({}, apple), 4 * MODEL.parameters
    needs = backend.needs(SIXTEEN, weights, options, Memory(8192))
    assert needs.kv_bytes == MODEL.kv_bytes(8192, 4, 4)


def test_a_quantized_cache_counts_its_scales(apple: Node) -> None:
    options = backend.options({"kv_bits": 8}, apple)
    assert backend.needs(FOUR_BITS, 0, options, Memory(8192)).kv_bytes == (
        MODEL.kv_bytes(8192, 1 + 1 / 16, 1 + 1 / 16)
    )


def test_quality_and_tasks_count_their_logits(apple: Node) -> None:
    options = backend.options({}, apple)
    quality = Quality(text="t", text_sha256="h", context=512, chunks=1)
    tasks = Tasks(task_class="c", source="s", items_sha256="h", limit=1)
    plain = backend.needs(FOUR_BITS, 0, options, Memory(512)).host_bytes
    for workload in (quality, tasks):
        host_bytes = backend.needs(FOUR_BITS, 0, options, workload).host_bytes
        assert host_bytes > plain + 4 * 512 * MODEL.vocabulary


def test_recurrent_state_does_not_grow(apple: Node) -> None:
    state = msgspec.structs.replace(MODEL, layers=(LayerState(key=0, value=0, fixed=10_000),))
    artifact = Artifact(model=state, format="mlx", quant="mlx-4bit-g64")
    options = backend.options({}, apple)
    sizes = {backend.needs(artifact, 0, options, Memory(tokens)).kv_bytes for tokens in (512, 8192)}
    assert sizes == {40_000}


def test_memory_that_the_system_refuses_is_out_of_memory() -> None:
    with pytest.raises(OutOfMemory, match="no context of 9 tokens: 1024 TiB were refused"):
        reserve(2**50, "no context of 9 tokens")
