"""Damaged, incomplete and contradictory checkpoints: always one clear line, never much memory."""

from __future__ import annotations

import contextlib
import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from checkpoint_folders import (
    awq_tensors,
    file_with_header,
    gptq_tensors,
    header_text,
    plain_tensors,
    safetensors_file,
    unpacked_tensors,
    write_folder,
    write_shards,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from own_cache import own_cache as own_cache

from grid.errors import InputError
from grid.models.checkpoint.inspection import format_of, inspect
from grid.models.checkpoint.safetensors import read_header

MAX_MEMORY = 32 * 2**20
GOOD = safetensors_file({"a": ("F16", (4, 8)), "b": ("F32", (2,))})


def complaint(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        inspect(folder)
    text = str(caught.value)
    assert text.startswith(str(folder))
    assert "\n" not in text
    return text


def file_complaint(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_header(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text


def one_tensor(**changes: Any) -> bytes:
    entry = {"dtype": "F16", "shape": [2, 2], "data_offsets": [0, 8], **changes}
    return file_with_header(json.dumps({"w": entry}).encode(), 8)


def test_a_safetensors_file_that_ends_in_its_header_is_truncated(tmp_path: Path) -> None:
    assert "truncated in the header" in file_complaint(tmp_path, GOOD[:40])


def test_an_empty_file_is_truncated(tmp_path: Path) -> None:
    assert "truncated: 0 bytes" in file_complaint(tmp_path, b"")


def test_a_safetensors_file_that_ends_in_its_data_is_truncated(tmp_path: Path) -> None:
    message = file_complaint(tmp_path, GOOD[:-3])
    assert f"truncated: {len(GOOD) - 3} bytes of {len(GOOD)}" in message


def test_bytes_after_the_last_tensor_are_refused(tmp_path: Path) -> None:
    assert "5 bytes at its end belong to no tensor" in file_complaint(tmp_path, GOOD + bytes(5))


@pytest.mark.parametrize("length", [0, 1, 100_000_001, 2**63])
def test_absurd_header_lengths_are_no_safetensors(tmp_path: Path, length: int) -> None:
    content = struct.pack("<Q", length) + GOOD[8:]
    assert "not a safetensors file" in file_complaint(tmp_path, content)


def test_a_git_lfs_pointer_is_no_safetensors(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 10\n"
    assert "run git lfs pull" in file_complaint(tmp_path, pointer)


@pytest.mark.parametrize("text", [b"{]", b"\xff\xff", b"[" * 200_000, b'{"a":' * 50_000])
def test_a_header_that_is_no_json_is_refused(tmp_path: Path, text: bytes) -> None:
    assert "its header is not JSON" in file_complaint(tmp_path, file_with_header(text))


def test_a_header_that_is_no_object_is_refused(tmp_path: Path) -> None:
    assert "its header is not JSON as it should be" in file_complaint(
        tmp_path, file_with_header(b"[1, 2]")
    )


def test_a_tensor_twice_in_one_file_is_named(tmp_path: Path) -> None:
    entry = '{"dtype":"F16","shape":[2],"data_offsets":[0,4]}'
    text = f'{{"w":{entry},"w":{entry}}}'.encode()
    assert "'w' is there twice" in file_complaint(tmp_path, file_with_header(text, 4))


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [-2, -2]},
        {"shape": [2**60, 2**60]},
        {"shape": [True, 4]},
        {"shape": [2.0, 2.0]},
        {"shape": [1] * 9 + [4]},
        {"shape": "4"},
        {"data_offsets": [8, 0]},
        {"data_offsets": [0]},
        {"data_offsets": [0, 7]},
        {"data_offsets": [0, None]},
        {"dtype": 3},
    ],
)
def test_impossible_tensor_entries_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert "tensor 'w'" in file_complaint(tmp_path, one_tensor(**changes))


def test_unknown_safetensors_types_are_named(tmp_path: Path) -> None:
    assert "'w' has the unknown type 'Q7'" in file_complaint(tmp_path, one_tensor(dtype="Q7"))


@pytest.mark.parametrize("start", [2, 8])
def test_gaps_and_overlaps_between_tensors_are_refused(tmp_path: Path, start: int) -> None:
    entries = {
        "a": {"dtype": "I8", "shape": [4], "data_offsets": [0, 4]},
        "b": {"dtype": "I8", "shape": [4], "data_offsets": [start, start + 4]},
    }
    assert "is misplaced" in file_complaint(
        tmp_path, file_with_header(json.dumps(entries).encode(), 12)
    )


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_header_with_any_bytes_changed_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(GOOD) - 41))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "changed.safetensors"
    path.write_bytes(content[: data.draw(st.integers(0, len(GOOD)))])
    tracemalloc.start()
    with contextlib.suppress(InputError):
        read = read_header(path)
        assert sum(tensor.bytes for tensor in read.tensors) <= len(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MAX_MEMORY


def test_a_missing_checkpoint_folder_is_named(tmp_path: Path) -> None:
    assert "no such folder" in complaint(tmp_path / "none")


def test_a_file_in_place_of_a_checkpoint_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("x")
    assert "a file, not a folder" in complaint(tmp_path / "m")


def test_a_folder_without_config_says_what_is_missing(tmp_path: Path) -> None:
    assert "config.json is missing" in complaint(tmp_path)


@pytest.mark.parametrize(
    ("text", "fault"), [("{", "not JSON"), ("[]", "not a JSON object"), ("\udcff", "not JSON")]
)
def test_a_config_that_is_no_json_object_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors())
    (folder / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert fault in complaint(folder)


def test_a_folder_without_weights_says_so(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors())
    (folder / "model.safetensors").unlink()
    assert "there are no *.safetensors" in complaint(folder)


def test_pickled_weights_without_safetensors_are_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors())
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "only pytorch_model.bin" in complaint(folder)


def test_a_checkpoint_folder_with_only_a_gguf_points_to_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors())
    (folder / "model.safetensors").rename(folder / "model-Q4_K_M.gguf")
    assert "only model-Q4_K_M.gguf; name that file" in complaint(folder)


def test_an_adapter_folder_is_no_model(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors(), name="adapter_model.safetensors")
    assert "an adapter, not a model" in complaint(folder)


@pytest.mark.parametrize("index", [True, False])
def test_missing_shards_are_named(tmp_path: Path, index: bool) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors())
    names = write_shards(folder, plain_tensors(), 4, index)
    (folder / names[1]).unlink()
    (folder / names[3]).unlink()
    assert f"2 of 4 weight files missing: {names[1]}, {names[3]}" in complaint(folder)


def test_an_index_with_a_tensor_that_no_shard_has_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors())
    names = write_shards(folder, plain_tensors())
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["model.layers.9.extra"] = names[0]
    index.write_text(json.dumps(content))
    assert f"'model.layers.9.extra' is not in {names[0]}" in complaint(folder)


def test_an_index_with_a_path_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors())
    write_shards(folder, plain_tensors())
    places = {"weight_map": {"a": "../other.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(places))
    assert "'../other.safetensors' is no name of a shard" in complaint(folder)


def test_a_tensor_in_two_shards_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors())
    names = write_shards(folder, plain_tensors(), 2, index=False)
    (folder / names[1]).write_bytes(safetensors_file(plain_tensors()))
    assert f"is in {names[0]} too" in complaint(folder)


def test_a_checkpoint_without_tensors_is_no_model(tmp_path: Path) -> None:
    assert "there are no weights" in complaint(write_folder(tmp_path / "m", {}))


def test_a_config_without_architecture_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors(), without=["model_type"])
    assert "model_type is missing" in complaint(folder)


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        (
            "vocab_size",
            128,
            "embed_tokens.weight is 64 x 128, but the config says 128 (vocab_size)",
        ),
        ("hidden_size", 64, "but the config says 64 (vocab_size) x 64 (hidden_size)"),
        ("num_hidden_layers", 3, "num_hidden_layers is 3, the weights have 2 layers"),
        ("num_hidden_layers", 1, "num_hidden_layers is 1, the weights have 2 layers"),
        ("num_key_value_heads", 4, "k_proj.weight is 64 x 128, but the config says 128 (4 key-va"),
        ("head_dim", 16, "q_proj.weight is 128 x 128, but the config says 64 (4 heads of 16)"),
        ("intermediate_size", 512, "gate_proj.weight is 256 x 128, but the config says 512"),
        ("num_hidden_layers", 10**6, "absurd: 1000000 layers"),
        ("max_position_embeddings", "long", "max_position_embeddings is 'long', not a number"),
        ("vocab_size", 2**40, "not a number within reason"),
    ],
)
def test_weights_that_differ_from_config_json_are_refused(
    tmp_path: Path, key: str, value: Any, fault: str
) -> None:
    assert fault in complaint(write_folder(tmp_path / "m", plain_tensors(), {key: value}))


def test_packed_weights_that_differ_from_config_json_are_refused(tmp_path: Path) -> None:
    declared = {"quant_method": "gptq", "bits": 4, "group_size": 64}
    changes = {"quantization_config": declared, "intermediate_size": 512}
    message = complaint(write_folder(tmp_path / "m", gptq_tensors(), changes))
    assert "model.layers.0.mlp.gate_proj stands for 32768 weights" in message


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    tensors = {"h.0.attn.c_attn.weight": ("F16", (128, 384)), "wte.weight": ("F16", (64, 128))}
    message = complaint(write_folder(tmp_path / "m", tensors))
    assert "model_type is llama, but the weights are of another architecture" in message
    assert "h.0.attn.c_attn.weight" in message


def test_head_norms_in_an_architecture_without_them_are_refused(tmp_path: Path) -> None:
    tensors = plain_tensors() | {"model.layers.0.self_attn.q_norm.weight": ("F16", (32,))}
    message = complaint(write_folder(tmp_path / "m", tensors))
    assert "has no model.layers.0.self_attn.q_norm.weight" in message


def test_a_missing_layer_is_named(tmp_path: Path) -> None:
    tensors = {
        name.replace("layers.1.", "layers.2."): tensor for name, tensor in plain_tensors().items()
    }
    message = complaint(write_folder(tmp_path / "m", tensors, {"num_hidden_layers": 3}))
    assert "the weights have no layers.1.self_attn.q_proj" in message


def test_a_missing_matrix_of_a_layer_is_named(tmp_path: Path) -> None:
    tensors = plain_tensors()
    del tensors["model.layers.1.self_attn.v_proj.weight"]
    message = complaint(write_folder(tmp_path / "m", tensors))
    assert "the weights have no layers.1.self_attn.v_proj, which llama needs" in message


def test_shapes_of_an_unlisted_architecture_are_not_checked(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path / "m", plain_tensors(), {"model_type": "novel", "vocab_size": 999}
    )
    assert inspect(folder).model.vocabulary == 999


def write_quantized(tmp_path: Path, tensors: Any, **values: Any) -> Path:
    return write_folder(tmp_path / "m", tensors, {"quantization_config": values})


@pytest.mark.parametrize("method", ["gptq", "awq"])
@pytest.mark.parametrize(
    ("bits", "group", "fault"),
    [
        (5, 128, "of 5 bits; there are 2, 3, 4 and 8"),
        (1, 128, "of 1 bits"),
        (4, 100, "with groups of 100; there are -1, 16, 32"),
        (4, 0, "with groups of 0"),
        ("four", 128, "bits is 'four', not a whole number"),
        (None, 128, "bits is missing"),
    ],
)
def test_unsupported_bits_and_groups_are_refused(
    tmp_path: Path, method: str, bits: Any, group: int, fault: str
) -> None:
    folder = write_quantized(
        tmp_path, gptq_tensors(), quant_method=method, bits=bits, group_size=group
    )
    assert fault in complaint(folder)


def test_an_unknown_quant_method_lists_the_known_ones(tmp_path: Path) -> None:
    message = complaint(write_quantized(tmp_path, plain_tensors(), quant_method="gptqq"))
    assert "unknown quant_method 'gptqq'. Did you mean 'gptq'?" in message
    assert "Known: aqlm, awq, bitsandbytes, compressed-tensors, " in message


def test_format_of_reads_only_the_config(tmp_path: Path) -> None:
    folder = write_quantized(tmp_path, plain_tensors(), quant_method="gptq", bits=4, group_size=64)
    (folder / "model.safetensors").unlink()
    assert format_of(folder) == "gptq"


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"quant_method": "gptq", "bits": 4, "group_size": 64}, "no tensor named *.qweight"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "no scales"),
        ({"quant_method": "fp8"}, "no tensor named *.weight_scale"),
        ({"bits": 4, "group_size": 64}, "no tensor named *.scales"),
        ({"quant_method": "compressed-tensors", "format": "pack-quantized"}, "no tensor named"),
    ],
)
def test_plain_weights_declared_quantized_are_a_contradiction(
    tmp_path: Path, values: dict[str, Any], fault: str
) -> None:
    assert fault in complaint(write_quantized(tmp_path, plain_tensors(), **values))


def test_packed_weights_without_a_quantization_config_are_refused(tmp_path: Path) -> None:
    message = complaint(write_folder(tmp_path / "m", gptq_tensors()))
    assert "qweight is quantized, but there is no quantization_config" in message


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize(("bits", "group"), [(8, 64), (2, 64), (4, 128), (4, 32), (4, -1)])
def test_gptq_of_other_bits_or_groups_is_a_contradiction(
    tmp_path: Path, bits: int, group: int, index: bool
) -> None:
    folder = write_quantized(
        tmp_path, gptq_tensors(4, 64, index), quant_method="gptq", bits=bits, group_size=group
    )
    assert "config and weights are of different quantizations" in complaint(folder)


@pytest.mark.parametrize("index", [True, False])
def test_four_bit_gptq_declared_three_bit_is_a_contradiction(tmp_path: Path, index: bool) -> None:
    folder = write_quantized(
        tmp_path, gptq_tensors(4, -1, index), quant_method="gptq", bits=3, group_size=-1
    )
    assert "says 3 bits, but model.layers.0.self_attn.q_proj has 4 bits" in complaint(folder)


def test_a_contradiction_of_bits_names_declared_and_stored(tmp_path: Path) -> None:
    folder = write_quantized(tmp_path, gptq_tensors(), quant_method="gptq", bits=8, group_size=64)
    assert "says 8 bits, but model.layers.0.self_attn.q_proj has 4 bits" in complaint(folder)


@pytest.mark.parametrize(("bits", "group", "fault"), [(8, 64, "has 4 bits"), (4, 32, "of 64;")])
def test_awq_of_other_bits_or_groups_is_a_contradiction(
    tmp_path: Path, bits: int, group: int, fault: str
) -> None:
    folder = write_quantized(
        tmp_path, awq_tensors(), quant_method="awq", bits=bits, group_size=group
    )
    assert fault in complaint(folder)


def test_gptq_tensors_declared_awq_are_a_contradiction(tmp_path: Path) -> None:
    folder = write_quantized(tmp_path, gptq_tensors(), quant_method="awq", bits=4, group_size=64)
    assert "config and weights are of different quantizations" in complaint(folder)


def test_packed_codes_without_scales_are_refused(tmp_path: Path) -> None:
    tensors = gptq_tensors()
    del tensors["model.layers.1.mlp.up_proj.scales"]
    folder = write_quantized(tmp_path, tensors, quant_method="gptq", bits=4, group_size=64)
    assert "model.layers.1.mlp.up_proj.qweight has no scales beside it" in complaint(folder)


def test_fp4_tensors_declared_nf4_are_a_contradiction(tmp_path: Path) -> None:
    module = "model.layers.0.self_attn.q_proj"
    tensors = unpacked_tensors() | {
        f"{module}.weight": ("U8", (128 * 64, 1)),
        f"{module}.weight.absmax": ("F32", (256,)),
        f"{module}.weight.quant_state.bitsandbytes__fp4": ("U8", (80,)),
    }
    folder = write_quantized(
        tmp_path,
        tensors,
        quant_method="bitsandbytes",
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
    )
    assert f"says nf4, but {module} has fp4" in complaint(folder)


def test_mlx_of_other_bits_is_a_contradiction(tmp_path: Path) -> None:
    tensors = unpacked_tensors() | {
        "model.layers.0.self_attn.q_proj.weight": ("U32", (128, 16)),
        "model.layers.0.self_attn.q_proj.scales": ("F16", (128, 2)),
        "model.layers.0.self_attn.q_proj.biases": ("F16", (128, 2)),
    }
    folder = write_folder(tmp_path / "m", tensors, {"quantization": {"bits": 8, "group_size": 64}})
    assert "says 512 bits a scale, but model.layers.0.self_attn.q_proj has 256" in complaint(folder)


def test_headers_written_by_these_tests_are_read_as_meant(tmp_path: Path) -> None:
    path = tmp_path / "good.safetensors"
    path.write_bytes(GOOD)
    text = header_text({"a": ("F16", (4, 8)), "b": ("F32", (2,))})
    assert [tensor.start for tensor in read_header(path).tensors] == [len(text) + 8, len(text) + 72]
