"""Sizes predicted from 16-bit tensors alone are those of the files that the tools then write."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkpoint_folders import (
    LAYER_WEIGHTS,
    OTHER_WEIGHTS,
    awq_tensors,
    gptq_tensors,
    plain_tensors,
    write_folder,
)
from hypothesis import given
from hypothesis import strategies as st
from own_cache import own_cache as own_cache

from grid.errors import InputError
from grid.models.bundled import size_dir
from grid.models.checkpoint.inspection import inspect
from grid.models.checkpoint.quantization_names import awq_name, bnb_name, gptq_name, mlx_name
from grid.models.checkpoint.safetensors import header_bytes, read_header
from grid.models.checkpoint.sizes import Scheme, predict, scheme_of

WRITTEN = {
    ("small", "gptq-w4g128"): (1_886_720, 1_893_256),
    ("large", "gptq-w4g128"): (4_399_616, 4_424_880),
    ("small", "gptq-w3g32-act"): (1_776_128, 1_782_672),
    ("small", "awq-w4g128"): (1_868_288, 1_873_408),
    ("large", "awq-w4g128"): (4_325_888, 4_345_472),
    ("large", "bnb-nf4"): (4_604_232, 4_631_584),
    ("large", "bnb-fp4"): (4_604_232, 4_631_584),
    ("large", "bnb-nf4-dq"): (4_373_207, 4_413_239),
    ("large", "bnb-int8"): (7_430_712, 7_449_872),
    ("large", "torchao-int8wo"): (7_451_136, 7_492_680),
    ("large", "torchao-float8wo"): (7_430_656, 7_469_432),
    ("large", "mlx-2bit-g64"): (2_138_624, 2_158_399),
    ("large", "mlx-3bit-g64"): (2_990_592, 3_010_447),
    ("large", "mlx-4bit-g64"): (3_842_560, 3_862_463),
    ("large", "mlx-6bit-g32"): (5_972_480, 5_992_427),
    ("large", "mlx-8bit-g64"): (7_250_432, 7_270_387),
    ("large", "mlx-mxfp4"): (3_629_568, 3_643_380),
    ("large", "mlx-mxfp8"): (7_037_440, 7_051_310),
    ("large", "mlx-nvfp4"): (3_842_560, 3_856_424),
}
"""Tensor bytes and file bytes of the reference family as GPTQModel 7.6.0, transformers with
bitsandbytes 0.50.2 or torchao 0.18.0, and mlx-lm 0.32.2 wrote it in 16-bit floats."""


@pytest.mark.parametrize(("size", "quant"), WRITTEN)
def test_tensor_bytes_are_those_that_the_tools_write(size: str, quant: str) -> None:
    scheme = scheme_of(quant)
    assert scheme is not None
    predicted = predict(size_dir(size), scheme)
    tensor_bytes, file_bytes = WRITTEN[size, quant]
    exact = quant != "bnb-nf4-dq"  # whose files hold a number with all its digits in each layer
    assert predicted.tensor_bytes == pytest.approx(tensor_bytes, rel=0 if exact else 1e-5)
    assert predicted.file_bytes == pytest.approx(file_bytes, rel=1e-3)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("group", [32, 64, 128, -1])
def test_gptq_is_predicted_as_it_is_read(tmp_path: Path, bits: int, group: int) -> None:
    config = {"quant_method": "gptq", "bits": bits, "group_size": group}
    packed = write_folder(
        tmp_path / "packed", gptq_tensors(bits, group), {"quantization_config": config}
    )
    source = write_folder(tmp_path / "source", plain_tensors())
    facts = inspect(packed).facts
    predicted = predict(source, Scheme(method="gptq", bits=bits, group=group))
    assert predicted.elements == facts.elements == LAYER_WEIGHTS + OTHER_WEIGHTS
    assert predicted.bpw_file == facts.bpw_file
    assert predicted.bpw_layer == facts.bpw_layer


def test_awq_is_predicted_as_it_is_read(tmp_path: Path) -> None:
    config = {"quant_method": "awq", "bits": 4, "group_size": 64}
    facts = inspect(
        write_folder(tmp_path / "m", awq_tensors(), {"quantization_config": config})
    ).facts
    predicted = predict(
        write_folder(tmp_path / "s", plain_tensors()), Scheme(method="awq", bits=4, group=64)
    )
    assert (predicted.bpw_file, predicted.bpw_layer) == (facts.bpw_file, facts.bpw_layer)


def test_unpacked_tensors_are_predicted_in_the_type_they_are_saved_in(tmp_path: Path) -> None:
    scheme = Scheme(method="gptq", bits=4, group=64, dtype="F16")
    wide = predict(write_folder(tmp_path / "wide", plain_tensors("F32")), scheme)
    assert wide == predict(write_folder(tmp_path / "half", plain_tensors("F16")), scheme)


def test_mlx_leaves_rows_that_groups_do_not_fill(tmp_path: Path) -> None:
    tensors = plain_tensors() | {"model.layers.0.odd.weight": ("F16", (10, 96))}
    source = write_folder(tmp_path / "m", tensors)
    extended = predict(source, Scheme(method="mlx", bits=4, group=64, mode="affine"))
    without = predict(
        write_folder(tmp_path / "n", plain_tensors()),
        Scheme(method="mlx", bits=4, group=64, mode="affine"),
    )
    assert extended.tensor_bytes - without.tensor_bytes == 10 * 96 * 2


def test_routers_are_not_packed(tmp_path: Path) -> None:
    tensors = plain_tensors() | {"model.layers.0.mlp.gate.weight": ("F16", (8, 128))}
    scheme = Scheme(method="gptq", bits=4, group=64)
    extended = predict(write_folder(tmp_path / "m", tensors), scheme)
    without = predict(write_folder(tmp_path / "n", plain_tensors()), scheme)
    assert extended.tensor_bytes - without.tensor_bytes == 8 * 128 * 2


def test_a_head_that_is_the_embedding_is_not_saved_again(tmp_path: Path) -> None:
    scheme = Scheme(method="gptq", bits=4, group=64)
    tied = predict(
        write_folder(tmp_path / "m", plain_tensors(), {"tie_word_embeddings": True}), scheme
    )
    free = predict(write_folder(tmp_path / "n", plain_tensors()), scheme)
    assert free.tensor_bytes - tied.tensor_bytes == 64 * 128 * 2


def test_quantized_weights_are_not_quantized_again(tmp_path: Path) -> None:
    config = {"quant_method": "gptq", "bits": 4, "group_size": 64}
    packed = write_folder(tmp_path / "m", gptq_tensors(), {"quantization_config": config})
    with pytest.raises(InputError, match="is quantized already; name 16-bit weights"):
        predict(packed, Scheme(method="gptq", bits=4, group=64))


@pytest.mark.parametrize("size", ["small", "large"])
def test_header_bytes_are_those_of_the_reference_implementation(size: str) -> None:
    header = read_header(size_dir(size) / "model.safetensors")
    data = sum(tensor.bytes for tensor in header.tensors)
    ordered = sorted(header.tensors, key=lambda tensor: tensor.start)
    assert header_bytes(ordered, header.metadata) == header.file_bytes - data


@given(st.sampled_from([2, 3, 4, 8]), st.sampled_from([-1, 32, 64, 128]), st.booleans())
def test_scheme_of_reads_back_gptq_and_awq_names(bits: int, group: int, flag: bool) -> None:
    gptq_scheme = Scheme(method="gptq", bits=bits, group=group)
    assert scheme_of(gptq_name(bits, group, flag, flag)) == gptq_scheme
    awq_scheme = Scheme(method="awq", bits=bits, group=group)
    assert scheme_of(awq_name(bits, group, flag)) == awq_scheme


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        (
            bnb_name("nf4", True),
            Scheme(method="bnb", bits=4, group=-1, mode="nf4", double_quant=True),
        ),
        (bnb_name("int8"), Scheme(method="bnb", bits=8, mode="int8")),
        (mlx_name(3, 32), Scheme(method="mlx", bits=3, group=32, mode="affine")),
        (mlx_name(4, 32, "mxfp4"), Scheme(method="mlx", bits=4, group=32, mode="mxfp4")),
        ("hqq-4bit-g64", None),
        ("mlx-4bit-g64-mixed", None),
        ("Q4_K_M", None),
    ],
)
def test_scheme_of_reads_bnb_and_mlx_names_only_as_far_as_sizes_are_predicted(
    name: str, scheme: Scheme | None
) -> None:
    assert scheme_of(name) == scheme
