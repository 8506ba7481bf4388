"""Importance matrices: computed exactly, read from either format, refused where they are not the
model's."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
import pytest
from grid_llamacpp import backend
from grid_llamacpp.matrix import compute
from grid_llamacpp.matrix.compute import compute_matrix, matrix_of
from grid_llamacpp.matrix.files import read_matrix, write_matrix
from grid_llamacpp.matrix.importance import Importance, ImportanceMatrix
from grid_llamacpp.recipes import NEEDS_MATRIX
from llamacpp_families import config_of
from llamacpp_random import tokenizer
from llamacpp_synthetic import write_model

from grid.backend import Calibration
from grid.cache import cache_dir
from grid.errors import EngineError, InputError, Unsupported
from grid.models.gguf.inventory_config import from_config
from grid.models.gguf.reader import read_header

pytestmark = pytest.mark.engine

TOKENS, PIECES = 64, 8


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Calibration:
    path = tmp_path_factory.mktemp("texts") / "calibration.txt"
    path.write_text("The quick brown fox jumps over the lazy dog, and runs away. " * 60)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Calibration(path=str(path), sha256=digest, samples=PIECES, tokens=TOKENS)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a family's small model with a vocabulary, in F16."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(320)))

    def write(name: str, layers: int = 2) -> Path:
        target = folder / f"{name}-{layers}-F16.gguf"
        if not target.exists():
            config = {**config_of(name), "num_hidden_layers": layers, "num_experts_per_tok": 2}
            write_model(target, config, *from_config(config), vocabulary=folder)
        return target

    return write


@pytest.fixture(scope="module")
def dense(model: Callable[..., Path], text: Calibration) -> ImportanceMatrix:
    return compute_matrix(model("llama"), text, 1, "cpu")


def normed_embeddings(path: Path, ids: list[int]) -> npt.NDArray[np.float64]:
    """What the attention of the first block multiplies: normed embeddings of these tokens."""
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    rows = tensors["token_embd.weight"].data[ids].astype(np.float64)
    scale = np.sqrt((rows**2).mean(axis=1, keepdims=True) + 1e-5)
    return rows / scale * tensors["blk.0.attn_norm.weight"].data


def test_sums_of_the_first_block_are_those_of_its_inputs(
    model: Callable[..., Path], text: Calibration, dense: ImportanceMatrix
) -> None:
    source = model("llama")
    with backend.load(source, "cpu", backend.options({"threads": 1}, _node())) as engine:
        start = [] if engine.bos is None else [engine.bos]
        ids = [*start, *engine.encode(Path(text.path).read_text())]
    ids = [
        token if at % TOKENS or not start else start[0]
        for at, token in enumerate(ids[: TOKENS * PIECES])
    ]
    expected = (normed_embeddings(source, ids) ** 2).sum(axis=0)
    entry = dense.entries["blk.0.attn_q.weight"]
    assert entry.counts.tolist() == [TOKENS * PIECES]
    np.testing.assert_allclose(entry.sums[0], expected, rtol=2e-3)


def test_every_matrix_of_the_blocks_is_there_and_no_other(
    model: Callable[..., Path], dense: ImportanceMatrix
) -> None:
    names = {
        tensor.name
        for tensor in read_header(model("llama")).tensors
        if tensor.name.startswith("blk.") and len(tensor.dims) > 1
    }
    assert set(dense.entries) == names


def test_experts_are_counted_each_for_itself(model: Callable[..., Path], text: Calibration) -> None:
    matrix = compute_matrix(model("qwen3_moe"), text, 1, "cpu")
    for name in ("gate", "up", "down"):
        entry = matrix.entries[f"blk.1.ffn_{name}_exps.weight"]
        assert entry.counts.sum() == 2 * TOKENS * PIECES  # two experts a token
        unused = entry.counts == 0
        assert (entry.sums[~unused] > 0).all()
        assert not entry.sums[unused].any()
    gate, up = (matrix.entries[f"blk.1.ffn_{name}_exps.weight"] for name in ("gate", "up"))
    np.testing.assert_array_equal(gate.sums, up.sums)  # both read the same input


@pytest.mark.parametrize(
    ("name", "preset"),
    [*(("llama", preset) for preset in sorted(NEEDS_MATRIX)), ("qwen3_moe", "IQ2_XS")],
)
def test_presets_that_need_a_matrix_are_made_in_the_size_predicted(
    model: Callable[..., Path],
    text: Calibration,
    name: str,
    preset: str,
    tmp_path: Path,
) -> None:
    source, target = model(name, layers=1), tmp_path / "x.gguf"
    backend.quantize(source, preset, target, 1, text)
    assert backend.inspect(target).quant == preset
    assert backend.predicted_bytes(source, preset) == target.stat().st_size
    assert backend.predicted_types(source, preset).tensor_types == {
        tensor.name: tensor.type.name.lower().replace("_k", "_K")
        for tensor in read_header(target).tensors
    }


def kept_matrices() -> list[Path]:
    return sorted((cache_dir() / "texts").glob("imatrix-*.gguf"))


@pytest.mark.parametrize("damage", ["values", "torn"])
def test_a_kept_matrix_that_was_damaged_is_made_again(
    model: Callable[..., Path],
    text: Calibration,
    damage: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))
    first = matrix_of(model("llama"), text, 1, "cpu")
    (cached,) = kept_matrices()
    whole, stat = cached.read_bytes(), cached.stat()
    end = whole[: len(whole) // 2]
    cached.write_bytes(whole[:-400] + bytes(400) if damage == "values" else end)
    os.utime(cached, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    second = matrix_of(model("llama"), text, 1, "cpu")
    assert kept_matrices() == [cached]
    assert cached.read_bytes() == whole
    for name, entry in first.entries.items():
        np.testing.assert_array_equal(second.entries[name].sums, entry.sums)


def test_a_kept_matrix_is_computed_once_for_each_llama_cpp_and_device(
    model: Callable[..., Path],
    text: Calibration,
    dense: ImportanceMatrix,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))
    devices: list[str] = []

    def count(source: Path, calibration: Calibration, threads: int, device: str) -> Any:
        devices.append(device)
        return dense

    monkeypatch.setattr(compute, "compute_matrix", count)
    for device in ("cpu", "cpu", "cuda"):
        matrix_of(model("llama"), text, 1, device)
    monkeypatch.setattr(compute, "package_version", lambda: "another")
    matrix_of(model("llama"), text, 1, "cpu")
    assert devices == ["cpu", "cuda", "cpu"]


def content(path: Path) -> Mapping[str, bytes]:
    return {tensor.name: tensor.data.tobytes() for tensor in gguf.GGUFReader(path).tensors}


def test_a_matrix_changes_values_and_a_file_of_it_changes_them_alike(
    model: Callable[..., Path], text: Calibration, dense: ImportanceMatrix, tmp_path: Path
) -> None:
    source = model("llama")
    write_matrix(tmp_path / "m.gguf", dense, "calibration.txt", TOKENS)
    from_file = Calibration(path=str(tmp_path / "m.gguf"), sha256="", is_matrix=True)
    for recipe, calibration, target in (
        ("Q4_K_M", None, "plain"),
        ("Q4_K_M+imatrix", text, "computed"),
        ("Q4_K_M+imatrix", from_file, "file"),
    ):
        backend.quantize(source, recipe, tmp_path / target, 1, calibration)
    assert content(tmp_path / "computed") == content(tmp_path / "file")
    assert content(tmp_path / "computed") != content(tmp_path / "plain")


def write_dat(path: Path, entries: Mapping[str, tuple[int, npt.NDArray[np.float32]]]) -> Path:
    """The older format, of calls and mean squares times calls."""
    raw = struct.pack("<i", len(entries))
    for name, (calls, values) in entries.items():
        raw += struct.pack("<i", len(name)) + name.encode()
        raw += struct.pack("<ii", calls, values.size) + values.astype("<f4").tobytes()
    path.write_bytes(raw + struct.pack("<ii", 3, 4) + b"text")
    return path


def test_both_formats_give_the_same_weights(dense: ImportanceMatrix, tmp_path: Path) -> None:
    write_matrix(tmp_path / "m.gguf", dense, "text", TOKENS)
    values = {name: (5, entry.weights * 5) for name, entry in dense.entries.items()}
    old = read_matrix(write_dat(tmp_path / "m.dat", values))
    new = read_matrix(tmp_path / "m.gguf")
    assert set(old.entries) == set(new.entries) == set(dense.entries)
    for name, entry in dense.entries.items():
        np.testing.assert_array_equal(new.entries[name].sums, entry.sums)
        np.testing.assert_array_equal(new.entries[name].counts, entry.counts)
        np.testing.assert_allclose(old.entries[name].weights, entry.weights, rtol=1e-6)


def test_an_expert_that_no_token_reached_is_weighed_alike() -> None:
    entry = Importance(np.array([[4, 8], [0, 0]], np.float32), np.array([2, 0]))
    assert entry.weights.tolist() == [2, 4, 1, 1]
    assert entry.unused == 1


def _changed(matrix: ImportanceMatrix, name: str, entry: Importance | None) -> ImportanceMatrix:
    entries = {**matrix.entries, name: entry}
    return ImportanceMatrix({key: value for key, value in entries.items() if value is not None})


DOWN = "blk.1.ffn_down.weight"


@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        (DOWN, lambda e: None, r"lacks 1 of the tensors .* such as blk\.1\.ffn_down"),
        (DOWN, lambda e: Importance(e.sums[:, :-1], e.counts), r"another model: .* 512"),
        ("blk.9.ffn_up.weight", lambda e: e, r"another model: 1 of its 15 .* blk\.9\.ffn_up"),
        (DOWN, lambda e: Importance(e.sums * np.float32("nan"), e.counts), "no numbers"),
        (DOWN, lambda e: Importance(e.sums, e.counts * 0), r"reached by no token \(count 0\)"),
        (DOWN, lambda e: Importance(-e.sums, e.counts), "below zero"),
    ],
)
def test_a_matrix_that_is_not_the_models_is_refused(
    model: Callable[..., Path],
    dense: ImportanceMatrix,
    tmp_path: Path,
    name: str,
    change: Callable[[Any], Importance | None],
    complaint: str,
) -> None:
    entry = dense.entries.get(name, dense.entries[DOWN])
    path = tmp_path / "m.gguf"
    write_matrix(path, _changed(dense, name, change(entry)), "text", TOKENS)
    with pytest.raises(InputError, match=complaint) as refusal:
        backend.check_recipe(model("llama"), "Q4_K_M+imatrix", path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "raw",
    [b"", b"GGUF", b"\xff" * 64, struct.pack("<iii", 1, 2**30, 1), struct.pack("<i", 3) + b"\1"],
)
def test_a_file_that_is_no_matrix_is_refused_in_one_line(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.dat"
    path.write_bytes(raw)
    with pytest.raises(InputError):
        read_matrix(path)


def test_a_torn_file_is_refused(dense: ImportanceMatrix, tmp_path: Path) -> None:
    values = {name: (5, entry.weights) for name, entry in dense.entries.items()}
    path = write_dat(tmp_path / "m.dat", values)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"ends within|no importance matrix"):
        read_matrix(path)


def test_a_short_text_is_refused(model: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "short.txt"
    path.write_text("short")
    short = Calibration(path=str(path), sha256="s", samples=2, tokens=TOKENS)
    with pytest.raises(EngineError, match="fewer than one piece of 64"):
        backend.quantize(model("llama"), "IQ2_XS", tmp_path / "x.gguf", 1, short)


@pytest.mark.parametrize(
    ("recipe", "complaint"),
    [
        ("Q8_0+imatrix", "makes no use of an importance matrix"),
        ("F16 --tensor-type attn=q8_0", "quantizes nothing"),
        ("Q4_K_M --tensor-type attn=q9_9", "no type of llama.cpp"),
        ("Q4_K_M --tensor-type 'attn(=q8_0'", "no regular expression"),
        ("Q4_K_M --output-tensor-type iq2_xs", "needs an importance matrix"),
    ],
)
def test_a_recipe_that_llama_cpp_would_not_take_is_refused(recipe: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        backend.read_recipe(recipe)


def test_a_change_that_applies_to_no_tensor_is_refused(
    model: Callable[..., Path], tmp_path: Path
) -> None:
    recipe = "Q4_K_M --tensor-type ffn_dwn=q8_0"
    with pytest.raises(
        InputError, match=r"'ffn_dwn' applies to no matrix.*Did you mean 'ffn_down'"
    ):
        backend.check_recipe(model("llama"), recipe, None)
    with pytest.raises(Unsupported, match="applies to no matrix"):
        backend.quantize(model("llama"), recipe, tmp_path / "x.gguf", 1)
    shadowed = "Q4_K_M --tensor-type ffn=q6_K --tensor-type ffn_up=q8_0"
    with pytest.raises(InputError, match="an earlier pattern takes all of its tensors"):
        backend.check_recipe(model("llama"), shadowed, None)


def _node() -> Any:
    from grid.hardware.probe import probe_node

    return probe_node()
