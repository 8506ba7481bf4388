"""Options: complete, checked, and refused with one clear line."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from grid_llamacpp import backend

from grid.errors import InputError
from grid.hardware.node import Accelerator, Node


def test_defaults_are_llama_benchs(node: Node) -> None:
    assert backend.options({}, node) == {
        "threads": 2,
        "threads_batch": 2,
        "batch": 2048,
        "ubatch": 512,
        "gpu_layers": 0,
        "flash_attention": "auto",
        "kv_type_k": "f16",
        "kv_type_v": "f16",
        "mmap": True,
    }


def test_threads_for_batches_follow_threads(node: Node) -> None:
    assert backend.options({"threads": 7}, node)["threads_batch"] == 7


def test_an_accelerator_takes_all_layers(node: Node) -> None:
    card = Accelerator(name="card", kind="cuda-sm90", memory_bytes=2**36)
    with_card = msgspec.structs.replace(node, accelerators=(card,))
    assert backend.options({}, with_card)["gpu_layers"] == -1


def test_one_type_of_cache_and_llama_servers_names(node: Node) -> None:
    options = backend.options({"kv_type": "q8_0", "n_cpu_moe": 3, "override_tensor": "x=CPU"}, node)
    assert (options["kv_type_k"], options["kv_type_v"]) == ("q8_0", "q8_0")
    assert (options["cpu_expert_layers"], options["tensor_overrides"]) == (3, "x=CPU")


def test_cards_that_share_as_llama_cpp_does_anyway_are_no_option(node: Node) -> None:
    assert backend.options({"split_mode": "layer", "main_gpu": 0}, node) == backend.options(
        {}, node
    )


def test_flash_attention_may_be_a_flag(node: Node) -> None:
    assert backend.options({"flash_attention": False}, node)["flash_attention"] == "off"


@pytest.mark.parametrize(
    ("requested", "complaint"),
    [
        ({"thread": 2}, r"'thread' is unknown to llamacpp. Did you mean 'threads'\?"),
        ({"threads": "2"}, "threads = '2': write a whole number from 0 to"),
        ({"threads": True}, "threads = True"),
        ({"batch": 0}, "batch = 0: write a whole number from 1"),
        ({"mmap": 1}, "mmap = 1: write true or false"),
        ({"kv_type_k": "q8"}, r"kv_type_k = 'q8' is unknown. Did you mean 'q8_0'\?"),
        ({"flash_attention": "yes"}, "flash_attention = 'yes' is unknown"),
        ({"ubatch": 4096}, "ubatch = 4096 is larger than batch = 2048"),
        ({"kv_type": "q8"}, "kv_type_k = 'q8' is unknown"),
        ({"kv_type": "q8_0", "kv_type_v": "f16"}, "kv_type_v is there twice"),
        ({"split_mode": "rows"}, r"split_mode = 'rows' is unknown. Did you mean 'row'\?"),
        ({"tensor_split": "3,x"}, "tensor_split = '3,x': write a share for each card"),
        ({"tensor_split": "1,1", "split_mode": "none"}, "tensor_split shares a model"),
        ({"main_gpu": -1}, "main_gpu = -1: write a whole number from 0"),
        ({"kv_type_v": "q8_0", "flash_attention": "off"}, "needs flash attention"),
    ],
)
def test_wrong_options_are_refused(node: Node, requested: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        backend.options(requested, node)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("requested", [{}, {"threads": 1, "ubatch": 1}, {"batch": 1, "ubatch": 1}])
def test_noise_options_compute_the_same_in_other_pieces(
    node: Node, requested: dict[str, Any]
) -> None:
    options = backend.options(requested, node)
    noise = backend.noise_options(options)
    changed = {name for name in options if options[name] != noise[name]}
    assert "threads" in changed
    assert changed <= {"ubatch", "threads", "threads_batch"}
    assert backend.options(noise, node) == noise
