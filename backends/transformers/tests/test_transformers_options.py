"""Options and memory: pure, asked where the engine is not installed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from grid_transformers import backend
from grid_transformers.memory import PROCESS_BYTES

from grid.cells.workload import Memory, Prefill, Quality, Tasks
from grid.errors import InputError
from grid.hardware.node import Node
from grid.models.artifact import Artifact
from grid.models.model import LayerState
from grid.testing.fixtures import make_model

MODEL = make_model(
    parameters=10**9,
    context_length=4096,
    vocabulary=32_000,
    layers=(LayerState(key=1024, value=1024),) * 16,
)
PLAIN = Artifact(model=MODEL, format="safetensors", quant="F16")
PACKED = Artifact(model=MODEL, format="bnb", quant="bnb-nf4")


def test_defaults_are_filled_in_for_the_node(node: Node, with_gpu: Node) -> None:
    assert backend.options({}, node) == {
        "threads": 1,
        "batch": 512,
        "dtype": "auto",
        "attention": "sdpa",
        "device": "cpu",
    }
    assert backend.options({}, with_gpu)["device"] == "accelerator"
    assert backend.options({}, with_gpu)["threads"] == 16


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ({"dtpye": "float32"}, "'dtpye' is unknown to transformers. Did you mean 'dtype'?"),
        ({"dtype": "bfloat61"}, "Did you mean 'bfloat16'?"),
        ({"batch": 0}, "batch = 0: write a whole number from 1"),
        ({"threads": True}, "threads = True: write a whole number"),
        ({"attention": 3}, "attention = 3 is unknown"),
        ({"device": "gpu0"}, "device = 'gpu0' is unknown. Known: accelerator, cpu."),
    ],
)
def test_a_wrong_option_is_one_line(requested: dict[str, Any], message: str, node: Node) -> None:
    with pytest.raises(InputError) as caught:
        backend.options(requested, node)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("batch", [1, 2, 40, 48, 512, 2048, 65_536])
def test_noise_is_another_cut_of_the_prompt(batch: int, node: Node) -> None:
    options = backend.options({"batch": batch}, node)
    noise = backend.noise_options(options)
    # A text of any usual length is cut by one of the two, or cut elsewhere.
    assert all(length % noise["batch"] for length in (128, 256, 512, 1024, 2048))
    assert noise["batch"] != options["batch"]
    assert backend.options(noise, node) == noise
    changed = {name for name in options if options[name] != noise[name]}
    assert changed - backend.speed_only


def test_16_bit_weights_take_twice_their_file_on_a_cpu(node: Node) -> None:
    choices = [backend.options({"dtype": dtype}, node) for dtype in ("auto", "float16")]
    wide, narrow = (
        backend.needs(PLAIN, 2 * 10**9, choice, Memory(512)).host_bytes for choice in choices
    )
    assert wide - narrow >= 2 * 10**9
    assert narrow > PROCESS_BYTES + 2 * 10**9


def test_packed_weights_stay_packed(node: Node) -> None:
    options = backend.options({}, node)
    host_bytes = backend.needs(PACKED, 6 * 10**8, options, Memory(512)).host_bytes
    # 0.6 GB of file, the embeddings and the head widened to 32 bits, the cache, the process
    assert 6 * 10**8 + PROCESS_BYTES < host_bytes < 6 * 10**8 + 3 * PROCESS_BYTES


def test_kinds_that_are_unpacked_while_loading_take_both(node: Node) -> None:
    options = backend.options({}, node)
    fp8 = msgspec.structs.replace(PACKED, format="fp8", quant="fp8")
    host_bytes = backend.needs(fp8, 10**9, options, Memory(512)).host_bytes
    assert host_bytes > 10**9 + 4 * MODEL.parameters


def test_the_cache_is_that_of_the_models_shape(node: Node) -> None:
    options = backend.options({}, node)
    needs = backend.needs(PLAIN, 2 * 10**9, options, Memory(1024))
    assert needs.kv_bytes == 1024 * 16 * (1024 + 1024) * 4
    half = backend.needs(PLAIN, 2 * 10**9, {**options, "dtype": "bfloat16"}, Memory(1024))
    assert half.kv_bytes == needs.kv_bytes // 2


def test_an_accelerator_holds_weights_and_cache(with_gpu: Node) -> None:
    options = backend.options({}, with_gpu)
    needs = backend.needs(PLAIN, 2 * 10**9, options, Memory(1024))
    assert needs.accelerator == "gpu"
    assert needs.device_bytes > 2 * 10**9 + needs.kv_bytes
    assert needs.host_bytes < 2 * 10**9
    assert needs.kv_bytes == 1024 * 16 * (1024 + 1024) * 2


def test_32_bit_weights_keep_their_type_on_an_accelerator(with_gpu: Node) -> None:
    options = backend.options({}, with_gpu)
    wide = msgspec.structs.replace(PLAIN, quant="F32")
    needs = backend.needs(wide, 4 * 10**9, options, Memory(1024))
    assert needs.device_bytes > 4 * 10**9 + needs.kv_bytes
    assert needs.kv_bytes == 1024 * 16 * (1024 + 1024) * 4


def test_needs_grow_with_what_is_asked(node: Node) -> None:
    options = backend.options({}, node)
    quality = [
        Quality(text="t", text_sha256="", context=context, chunks=1) for context in (512, 2048)
    ]
    prompts = [Prefill(tokens=512), Prefill(tokens=512, depth=2048)]
    batches = [{**options, "batch": batch} for batch in (64, 4096)]
    tasks = Tasks(task_class="c", source="s", items_sha256="", limit=1)

    def host(workload: Any, chosen: Any = options) -> int:
        return backend.needs(PLAIN, 2 * 10**9, chosen, workload).host_bytes

    assert host(quality[0]) < host(quality[1])
    assert host(prompts[0]) < host(prompts[1])
    assert host(tasks, batches[0]) < host(tasks, batches[1])
    assert host(prompts[1]) < host(prompts[1], {**options, "attention": "eager"})


def test_a_model_without_layers_has_no_cache(node: Node) -> None:
    bare = msgspec.structs.replace(PLAIN, model=msgspec.structs.replace(MODEL, layers=()))
    assert backend.needs(bare, 100, backend.options({}, node), Memory(512)).kv_bytes == 0
