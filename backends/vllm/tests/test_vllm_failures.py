"""What vLLM says becomes one line, and the right kind of error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from grid_vllm.failures import computing, first_line, loading
from grid_vllm.library import check_device
from grid_vllm.scoring import rows_of_step
from hypothesis import given
from hypothesis import strategies as st

from grid.errors import EngineError, InputError, OutOfMemory, Unsupported

VALIDATION = """1 validation error for ModelConfig
  Value error, torch.float32 is not supported for gptq. [type=value_error, input_value=...]
    For further information visit a page"""
REASONS = "Failed to find a kernel. Reasons: \n A: needs bits 4 \n B: needs a GPU"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (VALIDATION, "torch.float32 is not supported for gptq."),
        (REASONS, "Failed to find a kernel. Reasons: A: needs bits 4; B: needs a GPU"),
        ("\n\nfirst\nsecond", "first"),
        ("", "ValueError"),
    ],
)
def test_the_reason_is_found_in_what_was_said(text: str, line: str) -> None:
    assert first_line(ValueError(text)) == line


def test_a_line_is_of_readable_length() -> None:
    assert len(first_line(ValueError("x" * 5000))) == 300


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (ValueError(VALIDATION), Unsupported),
        (ImportError("no module named torchao"), Unsupported),
        (MemoryError(), OutOfMemory),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), OutOfMemory),
        (ValueError("KV cache is needed, which is larger than the available KV cache memory"),
         OutOfMemory),
        (RuntimeError("a header that is no header"), EngineError),
        (InputError("config.json: missing"), InputError),
    ],
)  # fmt: skip
def test_loading_fails_with_the_kind_of_error_it_was(
    raised: Exception, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as caught, loading("model"):
        raise raised
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "missing",
    [
        AttributeError("'_OpNamespace' '_C' object has no attribute 'the_kernel'"),
        RuntimeError("_C::the_kernel() expected at most 0 argument(s) but received 4 argument(s)."),
    ],
)
@pytest.mark.parametrize("doing", [computing, loading])
def test_a_kernel_that_the_build_lacks_is_named(missing: Exception, doing: Any) -> None:
    with pytest.raises(Unsupported, match="this build has no kernel the_kernel"), doing("model"):
        raise missing


def test_another_build_computes_elsewhere() -> None:
    check_device("cuda:1", "cuda", {"device": "accelerator"})
    with pytest.raises(Unsupported, match="this build of vLLM computes on cpu, not on cuda"):
        check_device("cuda:1", "cpu", {"device": "accelerator"})


def test_options_of_an_accelerator_are_not_computed_on_the_cpu() -> None:
    check_device("cpu", "cpu", {"device": "cpu"})
    with pytest.raises(Unsupported, match="ask for an accelerator, the node gave the CPU"):
        check_device("cpu", "cpu", {"device": "accelerator"})


def _calls(first: int, *sizes: int) -> list[np.ndarray]:
    """Rows numbered on from `first`, one array a size."""
    calls = []
    for size in sizes:
        calls.append(np.arange(first, first + size, dtype=np.float32)[:, None])
        first += size
    return calls


@given(tokens=st.integers(2, 5000))
def test_the_last_rows_logits_come_first_where_the_prompt_ends(tokens: int) -> None:
    last = np.full((1, 1), tokens - 1, np.float32)
    rows = rows_of_step([last, *_calls(0, tokens - 1)], tokens)
    assert rows[:, 0].tolist() == list(range(tokens))


@given(tokens=st.integers(1, 5000))
def test_a_piece_of_a_prompt_repeats_its_last_row(tokens: int) -> None:
    rows = rows_of_step([np.full((1, 1), tokens - 1, np.float32), *_calls(0, tokens)], tokens)
    assert rows[:, 0].tolist() == list(range(tokens))


def test_a_prompt_may_come_in_several_calls() -> None:
    assert rows_of_step(_calls(0, 1024, 1024, 52), 2100)[:, 0].tolist() == list(range(2100))


@pytest.mark.parametrize("sizes", [(), (1,), (1, 7), (1, 11), (5, 4)])
def test_rows_that_do_not_add_up_are_an_error(sizes: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match="rows of logits for 10 tokens"):
        rows_of_step(_calls(0, *sizes), 10)
