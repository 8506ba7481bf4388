"""What a GGUF header says of a model, on files whose truth is known."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from gguf_bytes import (
    ARRAY,
    BOOL,
    DATA_BYTES,
    I32,
    STRING,
    TENSORS,
    U32,
    gguf_file,
    small_entries,
    write_file,
)
from own_cache import own_cache as own_cache

from grid.errors import InputError
from grid.models.gguf.inspection import inspect
from grid.models.model import LayerState


def layers(tmp_path: Path, *entries: tuple[str, int, object]) -> tuple[LayerState, ...]:
    content = gguf_file(small_entries(*entries))
    return inspect(write_file(tmp_path / "x.gguf", content)).model.layers


def test_model_is_described_by_its_metadata(tmp_path: Path) -> None:
    model = inspect(write_file(tmp_path / "tiny.gguf", gguf_file())).model
    assert (model.name, model.family, model.architecture) == ("tiny", "llama", "llama")
    assert (model.context_length, model.vocabulary) == (128, 3)
    assert model.source == str(tmp_path / "tiny.gguf")


def test_parameters_are_the_elements_of_all_tensors(tmp_path: Path) -> None:
    inspection = inspect(write_file(tmp_path / "x.gguf", gguf_file()))
    assert inspection.model.parameters == inspection.facts.elements == 64 * 3 + 64 * 64 + 64


def test_revision_is_the_hash_of_the_file(tmp_path: Path) -> None:
    inspection = inspect(write_file(tmp_path / "x.gguf", gguf_file()))
    assert (
        inspection.model.revision
        == inspection.facts.sha256
        == hashlib.sha256(gguf_file()).hexdigest()
    )


def test_bytes_count_the_whole_file(tmp_path: Path) -> None:
    assert inspect(write_file(tmp_path / "x.gguf", gguf_file())).facts.bytes == len(gguf_file())


def test_bits_per_weight_of_the_file_count_every_tensor(tmp_path: Path) -> None:
    facts = inspect(write_file(tmp_path / "x.gguf", gguf_file())).facts
    assert facts.bpw_file == (192 * 2 + 4096 * 34 / 32 + 64 * 4) * 8 / (192 + 4096 + 64)


def test_bits_per_weight_of_layers_leave_out_embeddings_and_norms(tmp_path: Path) -> None:
    assert inspect(write_file(tmp_path / "x.gguf", gguf_file())).facts.bpw_layer == 8.5


def test_quant_is_the_file_type(tmp_path: Path) -> None:
    content = gguf_file(small_entries(("general.file_type", U32, 15)))
    assert inspect(write_file(tmp_path / "x.gguf", content)).quant == "Q4_K_M"


def test_without_a_file_type_the_type_of_most_bytes_is_the_quant(tmp_path: Path) -> None:
    content = gguf_file(small_entries(without=["general.file_type"]))
    assert inspect(write_file(tmp_path / "x.gguf", content)).quant == "Q8_0"


def test_a_model_without_a_name_is_named_by_its_file_less_the_quant(tmp_path: Path) -> None:
    content = gguf_file(small_entries(without=["general.name"]))
    assert inspect(write_file(tmp_path / "Tiny-7B.f16.gguf", content)).model.name == "Tiny-7B"


def test_version_2_is_read_like_version_3(tmp_path: Path) -> None:
    assert inspect(write_file(tmp_path / "x.gguf", gguf_file(version=2))).model.name == "Tiny"


def test_grouped_heads_keep_only_their_keys_and_values(tmp_path: Path) -> None:
    assert layers(tmp_path) == (LayerState(key=32, value=32),) * 2


def test_head_counts_may_differ_by_layer(tmp_path: Path) -> None:
    counts = ("llama.attention.head_count_kv", ARRAY, (I32, [4, 1]))
    assert [layer.key for layer in layers(tmp_path, counts)] == [64, 16]


def test_key_and_value_widths_may_differ(tmp_path: Path) -> None:
    widths = (("llama.attention.key_length", U32, 24), ("llama.attention.value_length", U32, 8))
    assert layers(tmp_path, *widths)[0] == LayerState(key=48, value=16)


def test_a_window_pattern_says_which_layers_slide(tmp_path: Path) -> None:
    window = (
        ("llama.attention.sliding_window", U32, 32),
        ("llama.attention.sliding_window_pattern", ARRAY, (BOOL, [True, False])),
    )
    assert [layer.window for layer in layers(tmp_path, *window)] == [32, None]


def test_a_window_without_a_known_pattern_counts_as_full(tmp_path: Path) -> None:
    window = ("llama.attention.sliding_window", U32, 32)
    assert [layer.window for layer in layers(tmp_path, window)] == [None, None]


def test_layers_that_slide_may_have_heads_of_their_own_width(tmp_path: Path) -> None:
    entries = (
        ("llama.attention.key_length", U32, 32),
        ("llama.attention.value_length", U32, 16),
        ("llama.attention.key_length_swa", U32, 8),
        ("llama.attention.value_length_swa", U32, 4),
        ("llama.attention.sliding_window", U32, 32),
        ("llama.attention.sliding_window_pattern", ARRAY, (BOOL, [True, False])),
    )
    sliding, full = layers(tmp_path, *entries)
    assert sliding == LayerState(key=2 * 8, value=2 * 4, window=32)
    assert full == LayerState(key=2 * 32, value=2 * 16)


@pytest.mark.parametrize("name", ["attention.shared_kv_layers", "nextn_predict_layers"])
def test_last_layers_without_a_cache_of_their_own_keep_nothing(tmp_path: Path, name: str) -> None:
    first, last = layers(tmp_path, (f"llama.{name}", U32, 1))
    assert (first.key, last) == (32, LayerState(key=0, value=0))


CASE = Path(__file__).parents[4] / "shared/cases/21-gemma4-kv"


@pytest.mark.skipif(not CASE.is_dir(), reason="needs ../shared/cases/21-gemma4-kv")
def test_gemma_4_keeps_what_its_header_says() -> None:
    """An eighth of the 12B's layers: 384 MiB at 4096 tokens; two of six keep their own."""
    of_twelve = inspect(CASE / "gemma4-6-layers.gguf").model
    assert 8 * of_twelve.kv_bytes(4096) == 384 * 2**20
    shared = inspect(CASE / "gemma4-shared-kv.gguf").model
    assert [layer.key > 0 for layer in shared.layers] == [True] * 2 + [False] * 4


def test_a_known_architecture_brings_its_window_pattern(tmp_path: Path) -> None:
    entries = [
        (key.replace("llama.", "gemma2."), kind, content) for key, kind, content in small_entries()
    ]
    entries[0] = ("general.architecture", STRING, "gemma2")
    entries.append(("gemma2.attention.sliding_window", U32, 16))
    model = inspect(write_file(tmp_path / "x.gguf", gguf_file(entries))).model
    assert [layer.window for layer in model.layers] == [16, None]


def test_latent_attention_keeps_one_compressed_row(tmp_path: Path) -> None:
    latent = (
        ("llama.attention.kv_lora_rank", U32, 48),
        ("llama.rope.dimension_count", U32, 8),
        ("llama.attention.key_length_mla", U32, 24),
    )
    assert layers(tmp_path, *latent)[0] == LayerState(key=56, value=0)


def test_layers_without_heads_keep_a_recurrent_state(tmp_path: Path) -> None:
    hybrid = (
        ("llama.attention.head_count_kv", ARRAY, (I32, [0, 2])),
        ("llama.ssm.conv_kernel", U32, 4),
        ("llama.ssm.inner_size", U32, 128),
        ("llama.ssm.state_size", U32, 16),
        ("llama.ssm.group_count", U32, 1),
    )
    state = 3 * (128 + 2 * 16) + 16 * 128
    assert layers(tmp_path, *hybrid) == (
        LayerState(key=0, value=0, fixed=state),
        LayerState(key=32, value=32),
    )


def write_part(
    tmp_path: Path, part: int, tensors: list[tuple[str, tuple[int, ...], int, int]]
) -> Path:
    shape = small_entries() if part == 0 else []
    entries = [*shape, ("split.no", U32, part), ("split.count", U32, 2)]
    return write_file(
        tmp_path / f"m-0000{part + 1}-of-00002.gguf", gguf_file(entries, tensors, 384)
    )


def test_parts_of_a_split_file_are_summed(tmp_path: Path) -> None:
    first = write_part(tmp_path, 0, TENSORS[:1])
    second = write_part(tmp_path, 1, [("blk.0.x.weight", (64,), 0, 0)])
    facts = inspect(first).facts
    assert facts.elements == 192 + 64
    assert facts.bytes == first.stat().st_size + second.stat().st_size


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"part m-00002-of-00002\.gguf of 2 is missing"):
        inspect(write_part(tmp_path, 0, TENSORS[:1]))


def test_a_later_part_of_a_split_file_points_to_the_first(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"part 2 of 2; name the first, m-00001-of-00002\.gguf"):
        inspect(write_part(tmp_path, 1, TENSORS[:1]))


def test_the_hash_of_an_unchanged_file_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_file(tmp_path / "x.gguf", gguf_file())
    before = inspect(path).facts.sha256
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert inspect(path).facts.sha256 == before


def test_a_changed_file_is_hashed_again(tmp_path: Path) -> None:
    path = write_file(tmp_path / "x.gguf", gguf_file())
    before = inspect(path).facts.sha256
    write_file(path, gguf_file(data=DATA_BYTES + 32))
    assert inspect(path).facts.sha256 != before


def test_a_broken_hash_cache_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "sha256.json").write_text("{torn")
    facts = inspect(write_file(tmp_path / "x.gguf", gguf_file())).facts
    assert facts.sha256 == hashlib.sha256(gguf_file()).hexdigest()
