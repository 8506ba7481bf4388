"""GGUF files that are no models, and types that llama.cpp does not read, are named for what they
are; a pattern leaves them out."""

from __future__ import annotations

from pathlib import Path

import pytest
from gguf_bytes import SMALL, STRING, TENSORS, U32, Entry, gguf_file
from plan_helpers import NODE

from grid.backend.registry import backend
from grid.errors import InputError, NotAModel
from grid.models.detect import format_of
from grid.models.gguf.foreign_types import FOREIGN_TYPES
from grid.models.gguf.inspection import inspect
from grid.plan import Plan, expand, load_sweep

CASES = Path(__file__).parents[4] / "shared/cases"


def _entries(*added: Entry, without: tuple[str, ...] = ()) -> list[Entry]:
    names = {name for name, _, _ in added} | set(without)
    return [*(entry for entry in SMALL if entry[0] not in names), *added]


COMPANIONS = {
    "imatrix.gguf": ([("general.type", STRING, "imatrix")], TENSORS, "an importance matrix"),
    "old-imatrix.gguf": ([("imatrix.chunk_count", U32, 9)], TENSORS, "an importance matrix"),
    "lora.gguf": ([("general.type", STRING, "adapter")], TENSORS, "a LoRA adapter"),
    "old-lora.gguf": ([("adapter.type", STRING, "lora")], TENSORS, "a LoRA adapter"),
    "mmproj.gguf": ([("general.type", STRING, "mmproj")], TENSORS, "the image or audio part"),
    "clip.gguf": ([("general.architecture", STRING, "clip")], TENSORS, "the image or audio part"),
    "steer.gguf": (
        [("general.architecture", STRING, "controlvector")],
        TENSORS,
        "a control vector",
    ),
    "vocab.gguf": (
        [*_entries(("tokenizer.ggml.model", STRING, "llama"))],
        [],
        "a vocabulary without weights",
    ),
}


def _plan(folder: Path, pattern: str, scratch: Path) -> Plan:
    """The plan of the files in a folder that a pattern matches, for llama.cpp."""
    sweep = scratch / "s.toml"
    sweep.write_text(f'measures = ["speed"]\n[[models]]\nfiles = ["{folder}/{pattern}"]\n')
    return expand(load_sweep(sweep), {"llamacpp": backend("llamacpp")}, NODE)


def _names(plan: Plan) -> set[str]:
    cells = [*plan.cells, *(skip.cell for skip in plan.skipped)]
    return {Path(cell.artifact.path or "").name for cell in cells}


def _write(folder: Path, name: str) -> Path:
    entries, tensors, _ = COMPANIONS[name]
    path = folder / name
    path.write_bytes(gguf_file(entries, tensors))
    return path


@pytest.mark.parametrize("name", COMPANIONS)
def test_what_lies_beside_models_is_named_for_what_it_is(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotAModel) as caught:
        inspect(_write(tmp_path, name))
    assert f"{name}: {COMPANIONS[name][2]}" in str(caught.value)
    assert "damaged" not in str(caught.value)


def test_a_pattern_leaves_out_what_is_no_model_and_says_so(tmp_path: Path) -> None:
    for name in COMPANIONS:
        _write(tmp_path, name)
    (tmp_path / "foreign.gguf").write_bytes(gguf_file(tensors=[("a", (256,), 139, 0)]))
    (tmp_path / "model.gguf.part2of2").write_bytes(b"the end of a file")
    (tmp_path / "whole.gguf").write_bytes(gguf_file())
    plan = _plan(tmp_path, "*.gguf*", tmp_path)
    assert _names(plan) == {"whole.gguf"}
    for name in (*COMPANIONS, "foreign.gguf", "model.gguf.part2of2"):
        assert sum(note.startswith("left out: ") and name in note for note in plan.notes) >= 1, name


def test_a_pattern_of_nothing_but_companions_is_refused_with_what_they_are(tmp_path: Path) -> None:
    for name in ("lora.gguf", "mmproj.gguf"):
        _write(tmp_path, name)
    with pytest.raises(InputError, match=r"no model matches .*\*\.gguf': .*a LoRA adapter"):
        _plan(tmp_path, "*.gguf", tmp_path)


def test_a_companion_that_is_named_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, "mmproj.gguf")
    with pytest.raises(InputError, match="name the language model's file"):
        _plan(tmp_path, "mmproj.gguf", tmp_path)


@pytest.mark.parametrize("number", sorted(FOREIGN_TYPES))
def test_types_of_other_makers_are_named_with_their_maker(tmp_path: Path, number: int) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_file(tensors=[("a", (256,), number, 0)]))
    foreign = FOREIGN_TYPES[number]
    with pytest.raises(NotAModel) as caught:
        inspect(path)
    assert f"tensor 'a' is {foreign.name}, a type of {foreign.maker}" in str(caught.value)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *("m.gguf.part1of2", "m.gguf.part-aa", "m.gguf-split-a", "m.gguf.split01", "m.gguf.00"),
        *("m.gguf.aa", "m.gguf.001", "M.GGUF.PART2", "m.gguf.1of3", "m.gguf-part-b"),
    ],
)
def test_pieces_that_were_cut_by_hand_are_to_be_joined(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(NotAModel, match="join all pieces in their order"):
        format_of(tmp_path / name)


@pytest.mark.parametrize("name", ["m.gguf", "m-00001-of-00002.gguf", "part1.gguf", "m.gguf.gguf"])
def test_whole_files_are_not_taken_for_pieces(tmp_path: Path, name: str) -> None:
    assert format_of(tmp_path / name) == "gguf"


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")
def test_the_reported_folder_plans_its_one_model(tmp_path: Path) -> None:
    plan = _plan(CASES / "19-gguf-companions", "*.gguf", tmp_path)
    assert _names(plan) == {"tiny-F16.gguf"}
    assert sum(note.startswith("left out: ") for note in plan.notes) == 3


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")
def test_the_reported_quant_of_a_fork_is_named() -> None:
    with pytest.raises(NotAModel, match=r"is IQ4_K, a type of ik_llama\.cpp; run it in ik_llama"):
        inspect(CASES / "20-ik-types/ik-IQ4_K.gguf")
