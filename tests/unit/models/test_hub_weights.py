"""Which files of a repository an address means."""

from __future__ import annotations

import hashlib

import pytest

from grid.errors import InputError
from grid.models.hub import HubWeights, Listing, RemoteFile, select

COMMIT = "c" * 40
LADDER = (
    "README.md",
    "tiny-F16.gguf",
    "tiny-Q4_K_M.gguf",
    "tiny-Q4_K_S.gguf",
    "mmproj-tiny-F16.gguf",
    "big-Q8_0-00001-of-00002.gguf",
    "big-Q8_0-00002-of-00002.gguf",
)
CHECKPOINT = (
    "LICENSE.txt",
    "README.md",
    "chat_template.jinja",
    "config.json",
    "consolidated.safetensors",
    "merges.txt",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "modeling_tiny.py",
    "original/model.safetensors",
    "pytorch_model.bin",
    "requirements.txt",
    "tokenizer.json",
    "tokenizer.model",
)


def listing(*paths: str) -> Listing:
    files = tuple(RemoteFile(path, 10, sha256(path), "") for path in sorted(paths))
    return Listing("a/b", COMMIT, files)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def names(weights: HubWeights) -> list[str]:
    return [file.path for file in weights.files]


def error_of(paths: tuple[str, ...], file: str | None) -> str:
    with pytest.raises(InputError) as caught:
        select(listing(*paths), file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_path_selects_that_file() -> None:
    (weights,) = select(listing(*LADDER), "tiny-Q4_K_M.gguf")
    assert names(weights) == ["tiny-Q4_K_M.gguf"]
    assert not weights.folder


def test_a_pattern_selects_every_model_it_matches() -> None:
    matches = select(listing(*LADDER), "tiny-Q4*.gguf")
    assert [weights.name for weights in matches] == ["tiny-Q4_K_M.gguf", "tiny-Q4_K_S.gguf"]


def test_a_pattern_selects_a_split_model_once_and_no_picture_encoder() -> None:
    matches = select(listing(*LADDER), "*.gguf")
    assert [weights.name for weights in matches] == [
        "big-Q8_0-00001-of-00002.gguf",
        "tiny-F16.gguf",
        "tiny-Q4_K_M.gguf",
        "tiny-Q4_K_S.gguf",
    ]


@pytest.mark.parametrize("part", [1, 2])
def test_naming_one_part_selects_all_parts(part: int) -> None:
    (weights,) = select(listing(*LADDER), f"big-Q8_0-0000{part}-of-00002.gguf")
    assert names(weights) == ["big-Q8_0-00001-of-00002.gguf", "big-Q8_0-00002-of-00002.gguf"]


@pytest.mark.parametrize("quant", ["Q8_0", "q8_0"])
def test_a_quants_name_selects_all_parts(quant: str) -> None:
    (weights,) = select(listing(*LADDER), quant)
    assert len(weights.files) == 2


def test_a_quants_name_does_not_match_a_longer_one() -> None:
    assert "there is no 'Q4_K'" in error_of(LADDER, "Q4_K")


def test_a_quant_in_two_files_is_ambiguous() -> None:
    message = error_of(("a-Q4_0.gguf", "b-Q4_0.gguf"), "Q4_0")
    assert "a-Q4_0.gguf or b-Q4_0.gguf" in message


def test_a_folder_of_gguf_parts_selects_their_model() -> None:
    paths = ("Q4/x-00001-of-00002.gguf", "Q4/x-00002-of-00002.gguf", "Q8/x.gguf")
    (weights,) = select(listing(*paths), "Q4")
    assert names(weights) == list(paths[:2])


def test_missing_parts_of_a_split_gguf_are_named() -> None:
    message = error_of(("x-00001-of-00003.gguf", "x-00003-of-00003.gguf"), "x-00001-of-00003.gguf")
    assert "1 of 3 parts are missing: x-00002-of-00003.gguf" in message


def test_missing_shards_of_a_checkpoint_are_named() -> None:
    paths = tuple(path for path in CHECKPOINT if "00002-of" not in path)
    assert "model-00002-of-00002.safetensors" in error_of(paths, None)


def test_a_checkpoint_is_weights_configuration_and_tokenizer_never_code() -> None:
    (weights,) = select(listing(*CHECKPOINT), None)
    assert weights.folder
    assert names(weights) == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "chat_template.jinja",
        "config.json",
        "merges.txt",
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer.model",
    ]


def test_only_weights_count_as_bytes() -> None:
    assert select(listing(*CHECKPOINT), None)[0].bytes == 20


def test_a_checkpoint_in_a_subfolder_has_only_the_files_directly_in_it() -> None:
    paths = ("config.json", "sub/config.json", "sub/model.safetensors", "sub/deep/x.json")
    (weights,) = select(listing(*paths), "sub")
    assert names(weights) == ["sub/model.safetensors", "sub/config.json"]


def test_the_only_gguf_needs_no_name() -> None:
    assert select(listing("README.md", "x.gguf"), None)[0].name == "x.gguf"


def test_several_ggufs_without_a_name_are_ambiguous() -> None:
    message = error_of(LADDER, None)
    assert "4 GGUF files" in message
    assert "hf:a/b/*.gguf" in message


def test_pickled_weights_are_refused() -> None:
    assert "can hold code" in error_of(("config.json", "pytorch_model.bin"), None)
    assert "only *.gguf and *.safetensors" in error_of(CHECKPOINT, "pytorch_model.bin")


def test_an_adapter_repository_is_refused() -> None:
    paths = ("adapter_config.json", "adapter_model.safetensors")
    assert "is an adapter" in error_of(paths, None)


def test_an_absent_file_is_refused_with_the_nearest_name() -> None:
    message = error_of(LADDER, "tiny-Q4_K_N.gguf")
    assert "at cccccccccccc" in message
    assert "Did you mean 'tiny-Q4_K_" in message


def test_identity_of_one_file_is_its_sha256() -> None:
    (weights,) = select(listing(*LADDER), "tiny-F16.gguf")
    assert weights.identity == sha256("tiny-F16.gguf")


def test_identity_of_several_files_is_the_hash_of_their_hashes() -> None:
    (weights,) = select(listing(*LADDER), "Q8_0")
    first, second = (sha256(f"big-Q8_0-0000{i}-of-00002.gguf") for i in (1, 2))
    assert weights.identity == sha256(first + second)


def test_selected_weights_have_an_address_pinned_to_the_commit() -> None:
    (weights,) = select(listing(*LADDER), "Q8_0")
    assert str(weights.address) == f"hf:a/b/big-Q8_0-00001-of-00002.gguf@{COMMIT}"
