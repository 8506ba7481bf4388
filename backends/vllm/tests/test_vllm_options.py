"""Options: complete, checked, and another way to compute the same."""

from __future__ import annotations

from typing import Any

import pytest
from grid_vllm import backend
from hypothesis import given
from hypothesis import strategies as st

from grid.errors import InputError
from grid.hardware.node import Node
from grid.testing.fixtures import make_node

NODE = make_node(cores=4)


def test_defaults_are_of_the_node(with_gpu: Node) -> None:
    on_cpu, on_gpu = backend.options({}, NODE), backend.options({}, with_gpu)
    assert (on_cpu["device"], on_cpu["eager"], on_cpu["threads"]) == ("cpu", True, 4)
    assert (on_gpu["device"], on_gpu["eager"], on_gpu["threads"]) == ("accelerator", False, 16)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"dtpe": "auto"}, r"option 'dtpe' is unknown to vllm\. Did you mean 'dtype'\?"),
        ({"dtype": "float64"}, r"option dtype = 'float64' is unknown\. Did you mean"),
        ({"kv_dtype": "q8_0"}, r"option kv_dtype = 'q8_0' is unknown\. Known: auto, bfloat16"),
        ({"batch": 0}, r"option batch = 0: write a whole number from 1 to 65536"),
        ({"batch": True}, r"option batch = True: write a whole number"),
        ({"eager": 1}, r"option eager = 1: write true or false"),
        ({"batch": 8, "sequences": 16}, r"sequences = 16 is larger than batch = 8"),
    ],
)
def test_a_mistake_is_one_line(wrong: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        backend.options(wrong, NODE)
    assert "\n" not in str(caught.value)


@given(
    batch=st.integers(1, 65_536),
    sequences=st.integers(1, 4096),
    threads=st.integers(1, 64),
)
def test_the_other_way_differs_in_more_than_speed(batch: int, sequences: int, threads: int) -> None:
    chosen = {"batch": max(batch, sequences), "sequences": sequences, "threads": threads}
    options = backend.options(chosen, NODE)
    noise = backend.noise_options(options)
    differing = {name for name in options if options[name] != noise[name]}
    assert differing == {"batch", "threads"}
    assert backend.options(noise, NODE) == noise


@pytest.mark.parametrize(("batch", "noise_batch"), [(2048, 48), (64, 48), (48, 40), (20, 48)])
def test_the_other_way_cuts_prompts_shorter_than_any_that_is_measured(
    batch: int, noise_batch: int
) -> None:
    options = backend.options({"batch": batch}, NODE)
    assert backend.noise_options(options)["batch"] == noise_batch


def test_speculative_decoding_is_vllms_own_json_in_one_spelling() -> None:
    written = '{"prompt_lookup_max": 3, "method": "ngram", "num_speculative_tokens": 4}'
    options = backend.options({"speculative_config": written}, NODE)
    spelling = '{"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 3}'
    assert options["speculative_config"] == spelling
    assert backend.options(options, NODE) == options
    assert "speculative_config" not in backend.options({"speculative_config": ""}, NODE)


@pytest.mark.parametrize("value", ["ngram", "{}", "[1]", 4])
def test_speculative_decoding_that_is_no_json_object_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="write vLLM's JSON object"):
        backend.options({"speculative_config": value}, NODE)
