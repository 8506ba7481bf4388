"""A model has one name, whichever of its files is looked at and whoever measured it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from checkpoint_folders import plain_tensors, write_folder
from gguf_bytes import STRING, gguf_file, small_entries, write_file

from grid.models.checkpoint.inspection import inspect as inspect_checkpoint
from grid.models.gguf.inspection import inspect as inspect_gguf
from grid.models.names import (
    checkpoint_name,
    gguf_name,
    ladder_name,
    method_in,
    printed_name,
    says_quantized,
    spelling_key,
)

RUN = "Smollm2 135M 8k Lc100K Mix1 Ep2"
LLAMA = "Meta Llama 3.1 8B Instruct"
COMMIT = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
CACHE = f"/home/u/.cache/huggingface/hub/models--{{}}/snapshots/{COMMIT}"


@pytest.mark.parametrize(
    ("path", "header", "name"),
    [
        # published file names, whatever the header says
        ("SmolLM2-135M-Instruct.Q4_1.gguf", RUN, "SmolLM2-135M-Instruct"),
        ("gemma-3-270m-q4_k_m.gguf", "Gemma 3 270m", "gemma-3-270m"),
        ("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", LLAMA, "Meta-Llama-3.1-8B-Instruct"),
        ("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "", "Meta-Llama-3.1-8B-Instruct"),
        ("Mixtral-8x7B-v0.1.IQ3_XS.gguf", "mistralai", "Mixtral-8x7B-v0.1"),
        ("Qwen3-0.6B-UD-Q4_K_XL.gguf", "Qwen3-0.6B", "Qwen3-0.6B"),
        ("qwen2.5-0.5b-instruct-fp16.gguf", "..", "qwen2.5-0.5b-instruct"),
        ("Big-70B-Q2_K-00001-of-00003.gguf", "", "Big-70B"),
        ("smollm2-135m-q8.gguf", RUN, "smollm2-135m"),
        # no size in the file's name, but the header agrees
        ("Phi-3.5-mini-instruct-Q4_K_M.gguf", "Phi 3.5 Mini Instruct", "Phi-3.5-mini-instruct"),
        # a file of another name: the header's, unless it is odd
        ("mine.gguf", LLAMA, "Meta-Llama-3.1-8B-Instruct"),
        ("x-F16.gguf", "Tiny", "Tiny"),
        ("smol-F16.gguf", RUN, "smol"),
        ("tuned-Q8_0.gguf", "Hf", "tuned"),
        ("tuned-Q8_0.gguf", "./out/checkpoint-1200", "tuned"),
        ("tuned-Q8_0.gguf", "9f86d081884c7d659a2feaa0c55ad015", "tuned"),
        ("tuned-Q8_0.gguf", "", "tuned"),
        # a generic file: the header's name, else the place's
        ("model.gguf", LLAMA, "Meta-Llama-3.1-8B-Instruct"),
        ("ggml-model-q4_0.gguf", "Mistral 7B", "Mistral-7B"),
        ("/m/mistral-7b/ggml-model-q4_0.gguf", "", "mistral-7b"),
        ("/m/SmolLM2-135M-Instruct-GGUF/model-Q4_1.gguf", RUN, "SmolLM2-135M-Instruct"),
        ("/m/Some-7B-Q4_K_M/model.gguf", "model", "Some-7B"),
        (CACHE.format("owner--Tiny-1B-GGUF") + "/unsloth.Q4_K_M.gguf", "", "Tiny-1B"),
        ("model.gguf", RUN, RUN),
        ("model-Q4_0.gguf", "", "model"),
    ],
)
def test_a_gguf_is_called_by_its_file_unless_that_says_nothing(
    path: str, header: str, name: str
) -> None:
    assert gguf_name(PurePosixPath(path), header) == name


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/m/SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct"),
        (CACHE.format("HuggingFaceTB--SmolLM2-135M-Instruct"), "SmolLM2-135M-Instruct"),
        ("/runs/my-tune/final", "my-tune"),
        ("/runs/my-tune/checkpoint-1200", "my-tune"),
        ("/output/model", "model"),
        ("/m/gpt2", "gpt2"),
    ],
)
def test_a_checkpoint_is_called_by_its_folder_or_repository(folder: str, name: str) -> None:
    assert checkpoint_name(PurePosixPath(folder)) == name


@pytest.mark.parametrize(
    ("file", "header", "name"),
    [
        ("C:\\m\\SmolLM2-135M-Instruct.Q4_1.gguf", "", "SmolLM2-135M-Instruct"),
        ("models/mistral-7b/ggml-model-q4_0.gguf", "", "mistral-7b"),
        ("model.gguf", LLAMA, "Meta-Llama-3.1-8B-Instruct"),
        ("ggml-model-q4_0.gguf", "", None),
        ("", "", None),
    ],
)
def test_imported_files_are_called_as_measured_ones(
    file: str, header: str, name: str | None
) -> None:
    assert printed_name(file, header) == name


def test_a_models_files_and_its_folder_have_one_name(tmp_path: Path) -> None:
    entries = small_entries(("general.name", STRING, RUN))
    names = {
        inspect_gguf(write_file(tmp_path / file, gguf_file(entries))).model.name
        for file in ("Small-1B-Instruct.F16.gguf", "Small-1B-Instruct-Q8_0.gguf")
    }
    folder = write_folder(tmp_path / "Small-1B-Instruct", plain_tensors())
    assert names | {inspect_checkpoint(folder).model.name} == {"Small-1B-Instruct"}


def test_spellings_differ_in_case_and_separators_only() -> None:
    assert spelling_key("Meta-Llama-3.1-8B") == spelling_key("meta llama 3_1 8b")
    assert spelling_key("Llama-3.1-8B") != spelling_key("Llama-3.2-8B")


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Llama-3.2-1B-Instruct-Q4_K_M.gguf", "Llama-3.2-1B-Instruct"),
        ("Meta-Llama-3-8B-Instruct.Q5_K_S", "Meta-Llama-3-8B-Instruct"),
        ("qwen2.5-7b-instruct-q4_0-00001-of-00002.gguf", "qwen2.5-7b-instruct"),
        ("Some-7B-AWQ", "Some-7B"),
        ("Some-7B-GPTQ-Int4", "Some-7B"),
        ("Some-7B-GPTQ-4bit-128g", "Some-7B"),
        ("Some-7B-4bit", "Some-7B"),
        ("Some-7B-mlx-4bit", "Some-7B"),
        ("Some-7B-4bit-DWQ", "Some-7B"),
        ("Some-7B-unsloth-bnb-4bit", "Some-7B"),
        ("Some-7B-UD-Q4_K_XL", "Some-7B"),
        ("Some-7B.i1-IQ3_XXS", "Some-7B"),
        ("Some-7B-i1-GGUF", "Some-7B"),
        ("Some-7B-bf16", "Some-7B"),
        ("Some-8B-AQLM-PV-2Bit-1x16-hf", "Some-8B"),
        ("Some-8B-quantized.w4a16", "Some-8B"),
        ("Some-8B-FP8-dynamic", "Some-8B"),
        ("Some-8B-4.65bpw-h6-exl2", "Some-8B"),
        ("gpt-oss-20b-MXFP4-Q4", "gpt-oss-20b"),
        ("gemma-2-9b-it-Q4_K_M-fp16.gguf", "gemma-2-9b-it"),
        ("Qwen_Qwen3.5-4B-Q4_K_M.gguf", "Qwen3.5-4B"),
        ("google/gemma-3-4b-it", "gemma-3-4b-it"),
        # no quantization, however alike
        ("gemma-4-12B-it-QAT-Q4_0.gguf", "gemma-4-12B-it-QAT"),
        ("internlm2_5-20b-chat", "internlm2_5-20b-chat"),
        ("Phi-3-medium-4k-instruct", "Phi-3-medium-4k-instruct"),
        ("Mistral-7B-g32", "Mistral-7B-g32"),
        ("gemma-2-2b-it", "gemma-2-2b-it"),
        ("LFM2-8B-A1B", "LFM2-8B-A1B"),
        ("model-Q4_0.gguf", "model-Q4_0.gguf"),
        ("Q4_K_M", "Q4_K_M"),
    ],
)
def test_a_ladder_has_the_models_name(name: str, model: str) -> None:
    assert ladder_name(name) == model
    assert ladder_name(model) == model


@pytest.mark.parametrize(
    ("name", "method", "quantized"),
    [
        ("Some-8B-AQLM-PV-2Bit-1x16-hf", "aqlm-2bit", True),
        ("Some-7B-GPTQ-Int4", "gptq-int4", True),
        ("Some-7B-AWQ", "awq", True),
        ("Some-7B-Q4_K_M.gguf", "", True),
        ("Some-7B-bf16", "", False),
        ("Some-7B-Instruct", "", False),
    ],
)
def test_a_name_says_the_method(name: str, method: str, quantized: bool) -> None:
    assert method_in(name) == method
    assert says_quantized(name) is quantized
