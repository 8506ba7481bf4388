"""What travels under which names, and which names are refused."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from grid.errors import EngineError
from grid.sweep.artifacts.manifest import (
    FileEntry,
    Manifest,
    check_names,
    main_name,
    manifest_of,
    named_files,
)


def test_a_file_travels_under_the_name_of_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "ü model\n.gguf"
    path.write_bytes(b"abc")
    main = main_name("weights", path.name, "gguf")
    manifest = manifest_of(named_files(path, main))
    assert manifest.files == (FileEntry("weights.gguf", 3, sha256(b"abc").hexdigest()),)


def test_all_parts_of_a_split_file_travel_with_their_numbers(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"m-0000{number}-of-00003.gguf").write_bytes(b"x" * number)
    main = main_name("weights", "m-00001-of-00003.gguf", "gguf")
    manifest = manifest_of(named_files(tmp_path / "m-00001-of-00003.gguf", main))
    assert [(file.name, file.size) for file in manifest.files] == [
        ("weights-00001-of-00003.gguf", 1),
        ("weights-00002-of-00003.gguf", 2),
        ("weights-00003-of-00003.gguf", 3),
    ]
    check_names(manifest, main)


def test_a_folder_travels_without_code_and_hidden_files(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / ".git").mkdir()
    travelling = ("config.json", "sub/a.safetensors")
    for name in (*travelling, "x.py", "optimizer.pt", "m.bin", "x.so", "a\\b", ".git/x", ".hidden"):
        (folder / name).write_bytes(b"1")
    (folder / "linked.safetensors").symlink_to(folder / "config.json")
    files = named_files(folder, "weights.st")
    assert sorted(files) == [
        "weights.st/config.json",
        "weights.st/linked.safetensors",
        "weights.st/sub/a.safetensors",
    ]
    check_names(manifest_of(files), "weights.st")


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd", "..", "../weights.x", "weights.x/../../y", "weights.x//y", "weights.x/.",
        "other.x", "weights.x\\..\\y", "", "facts-2.json", "weights.x/a\0b",
        "weights-00002-of-00003.gguf", "weights.x/evil.py", "weights.x/sub/a.PKL",
        "weights.x/m.bin", "weights.x/.hidden", "weights.x/.git/config",
    ],
)  # fmt: skip
def test_a_file_name_outside_of_its_item_is_refused(name: str) -> None:
    with pytest.raises(EngineError, match="refused"):
        check_names(Manifest((FileEntry(name, 1, "0" * 64),)), "weights.x")


@pytest.mark.parametrize("file", [("weights.x", -1, "0" * 64), ("weights.x", 1, "no hash")])
def test_a_file_without_size_or_hash_is_refused(file: tuple[str, int, str]) -> None:
    with pytest.raises(EngineError, match="without size or hash"):
        check_names(Manifest((FileEntry(*file),)), "weights.x")


def test_a_repeated_file_name_is_refused() -> None:
    entry = FileEntry("weights.x", 1, "0" * 64)
    with pytest.raises(EngineError, match="refused"):
        check_names(Manifest((entry, entry)), "weights.x")
