"""Damaged and hostile GGUF headers: always one clear line, never much memory."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pytest
from gguf_bytes import (
    ARRAY,
    STRING,
    TENSORS,
    U32,
    U64,
    gguf_file,
    gguf_string,
    small_entries,
    write_file,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from own_cache import own_cache as own_cache

from grid.errors import InputError
from grid.models.gguf.inspection import inspect
from grid.models.gguf.reader import read_header

GOOD = gguf_file()
HEADER_BYTES = len(gguf_file(data=0))
MAX_MEMORY = 64 * 2**20


def complaint(tmp_path: Path, content: bytes) -> str:
    with pytest.raises(InputError) as caught:
        inspect(write_file(tmp_path / "bad.gguf", content))
    text = str(caught.value)
    assert text.startswith(str(tmp_path / "bad.gguf"))
    assert "\n" not in text
    return text


def test_a_wrong_magic_number_is_shown(tmp_path: Path) -> None:
    assert "not a GGUF file (it begins with b'PK" in complaint(tmp_path, b"PK\x03\x04" + GOOD)


def test_an_empty_file_is_truncated(tmp_path: Path) -> None:
    assert "truncated: 0 bytes" in complaint(tmp_path, b"")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        inspect(tmp_path / "none.gguf")


def test_a_folder_is_no_gguf_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        inspect(tmp_path)


@pytest.mark.parametrize("version", [0, 1, 4])
def test_unknown_gguf_versions_are_refused(tmp_path: Path, version: int) -> None:
    assert f"GGUF version {version}" in complaint(tmp_path, gguf_file(version=version))


def test_big_endian_files_are_named_as_such(tmp_path: Path) -> None:
    assert "big-endian" in complaint(tmp_path, gguf_file(version=3 << 24))


@pytest.mark.parametrize("count", [2**63, 2**32, 70_000])
def test_absurd_tensor_counts_are_refused(tmp_path: Path, count: int) -> None:
    content = GOOD[:8] + struct.pack("<Q", count) + GOOD[16:]
    assert f"absurd header: {count} tensors" in complaint(tmp_path, content)


def test_absurd_metadata_counts_are_refused(tmp_path: Path) -> None:
    content = GOOD[:16] + struct.pack("<Q", 2**40) + GOOD[24:]
    assert f"absurd header: {2**40} metadata entries" in complaint(tmp_path, content)


def test_a_string_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    content = GOOD[:24] + struct.pack("<Q", 1000) + gguf_string("x") + GOOD[33:200]
    assert "truncated in the header" in complaint(tmp_path, content)


def test_an_absurd_string_array_is_refused(tmp_path: Path) -> None:
    lie = (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_string("k") + struct.pack("<IIQ", 9, 8, 2**60)
    )
    assert "strings" in complaint(tmp_path, lie + b"\0" * 100)


def test_nested_arrays_are_refused(tmp_path: Path) -> None:
    entry = ("x", ARRAY, (ARRAY, [(U32, [1])]))
    assert "unknown or nested type 9" in complaint(tmp_path, gguf_file([*small_entries(), entry]))


def test_a_duplicate_metadata_key_is_refused(tmp_path: Path) -> None:
    entries = [*small_entries(), ("general.name", STRING, "again")]
    assert "'general.name' is there twice" in complaint(tmp_path, gguf_file(entries))


def test_tensor_data_beyond_the_end_is_truncation(tmp_path: Path) -> None:
    assert "truncated: tensor 'blk.0.attn_norm.weight' ends at" in complaint(tmp_path, GOOD[:-1])


def test_tensors_that_overlap_are_refused(tmp_path: Path) -> None:
    tensors = [TENSORS[0], ("b", (64, 64), 8, 352)]
    assert "'b' at offset 352 is misplaced" in complaint(tmp_path, gguf_file(tensors=tensors))


def test_absurd_dimensions_are_refused(tmp_path: Path) -> None:
    tensors = [("a", (2**40, 2**40, 2**40, 2**40), 0, 0)]
    assert "truncated: tensor 'a' ends at" in complaint(tmp_path, gguf_file(tensors=tensors))


def test_unknown_tensor_types_are_named(tmp_path: Path) -> None:
    tensors = [("a", (32,), 99, 0)]
    assert "'a' has the unknown type 99" in complaint(tmp_path, gguf_file(tensors=tensors))


def test_rows_that_do_not_fill_blocks_are_refused(tmp_path: Path) -> None:
    tensors = [("a", (33,), 8, 0)]
    assert "'a' of shape [33] cannot be Q8_0" in complaint(tmp_path, gguf_file(tensors=tensors))


def test_absurd_layer_counts_are_refused(tmp_path: Path) -> None:
    content = gguf_file(small_entries(("llama.block_count", U32, 10**9)))
    assert "absurd header: 1000000000 layers" in complaint(tmp_path, content)


def test_a_context_length_beyond_reason_is_refused(tmp_path: Path) -> None:
    content = gguf_file(small_entries(("llama.context_length", U64, 2**63)))
    assert "llama.context_length is not a whole number" in complaint(tmp_path, content)


def test_a_gguf_without_architecture_is_refused(tmp_path: Path) -> None:
    content = gguf_file(small_entries(without=["general.architecture"]))
    assert "general.architecture is missing" in complaint(tmp_path, content)


def test_a_gguf_without_tensors_is_refused(tmp_path: Path) -> None:
    assert "no weights" in complaint(tmp_path, gguf_file(tensors=[]))


def test_every_truncation_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    for length in [*range(HEADER_BYTES + 40), *range(HEADER_BYTES, len(GOOD), 97), len(GOOD) - 1]:
        write_file(path, GOOD[:length])
        with pytest.raises(InputError):
            read_header(path)


@settings(max_examples=300, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, HEADER_BYTES - 1), st.integers(0, 255))))
def test_a_gguf_header_with_any_bytes_changed_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(GOOD)
    for at, byte in changes:
        content[at] = byte
    path = write_file(tmp_path_factory.getbasetemp() / "flipped.gguf", bytes(content))
    tracemalloc.start()
    try:
        inspect(path)
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < MAX_MEMORY


def test_a_large_vocabulary_is_counted_and_not_kept(tmp_path: Path) -> None:
    tokens = ("tokenizer.ggml.tokens", ARRAY, (STRING, [f"token {i}" for i in range(100_000)]))
    path = write_file(tmp_path / "x.gguf", gguf_file(small_entries(tokens)))
    tracemalloc.start()
    assert inspect(path).model.vocabulary == 100_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 2**20


def test_metadata_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    many = [(f"k{i}", STRING, "x" * 60_000) for i in range(200)]
    assert "bytes of metadata" in complaint(tmp_path, gguf_file([*small_entries(), *many]))
