"""Rows of others on one model are one ladder, however their files were called."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pytest
from imports_files import bench, put
from results_cells import NODE, cell, measurement_of

from grid.analysis import Variant
from grid.analysis.dataset import Dataset
from grid.analysis.ladder_names import model_name, with_ladder_names
from grid.cells.measurement import Metric
from grid.models.public import find_model
from grid.results.imports import add_report, read_report
from grid.results.imports.metric import figure
from grid.results.imports.publications import publication
from grid.results.imports.record import FigureOrigin, ImportedWeights, Record, speed_run
from grid.results.imports.rows import import_report
from grid.results.reader import Results
from grid.results.store import Store

COMMUNITY = Path(__file__).parents[4] / "shared" / "published" / "community-speed-rows.json"


def rate(model: str, quant: str, **weights: object) -> Record:
    return Record(
        origin=FigureOrigin("a forum"),
        weights=ImportedWeights(model=model, quant=quant, **({"format": "gguf"} | weights)),  # type: ignore[arg-type]
        **speed_run("decode", 128, 0),
        backend="llama.cpp",
        hardware="a box",
        device_kind="cuda",
        figures=(figure("decode_tps", 50.0, "a forum"),),
    )


def store_with(folder: Path, *attempts: Record) -> str:
    """Rows as they were imported, with the names that the source wrote."""
    add_report(import_report(attempts, (), "rows", "rows"), folder)
    return str(folder)


def ladders(store: str) -> dict[str, set[str]]:
    models: defaultdict[str, set[str]] = defaultdict(set)
    for variant in Dataset(store).all_variants():
        models[variant.model].add(variant.quant)
    return dict(models)


def test_names_of_files_and_repositories_are_one_ladder(tmp_path: Path) -> None:
    store = store_with(
        tmp_path / "s",
        rate("Qwen2.5-7B-Instruct-Q4_K_M.gguf", "Q4_K_M"),
        rate("qwen2.5-7b-instruct-q4_0-00001-of-00002.gguf", "Q4_0"),
        rate("Qwen_Qwen2.5-7B-Instruct.i1-IQ3_XXS", "IQ3_XXS"),
        rate("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "gptq-int4", format="safetensors"),
        rate("Qwen2.5-7B-Instruct", "BF16", format="safetensors"),
    )
    assert ladders(store) == {
        "Qwen2.5-7B-Instruct": {"Q4_K_M", "Q4_0", "IQ3_XXS", "gptq-int4", "BF16"}
    }


def test_rows_in_the_store_keep_their_names_and_ids(tmp_path: Path) -> None:
    attempt = rate("Some-7B-Q4_K_M.gguf", "Q4_K_M")
    store = store_with(tmp_path / "s", attempt)
    assert Results(store).attempts()["model"].to_pylist() == ["Some-7B-Q4_K_M.gguf"]
    assert Dataset(store).overview.attempts["model"].to_pylist() == ["Some-7B"]
    assert Dataset(store).attempts()["model"].to_pylist() == ["Some-7B"]
    report = import_report([attempt], (), "rows", "rows")
    assert add_report(report, store) == 0


def test_a_name_tells_parameters_and_so_the_size(tmp_path: Path) -> None:
    store = store_with(
        tmp_path / "s",
        rate("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "Q4_K_M"),
        rate("Some-9B-Q4_K_M.gguf", "Q4_K_M"),
        rate("nothing-Q4_K_M.gguf", "Q4_K_M"),
    )
    variants = {variant.model: variant for variant in Dataset(store).all_variants()}
    exact = variants["Meta-Llama-3.1-8B-Instruct"]
    assert exact.parameters == 8_030_261_248
    assert exact.artifact_bytes / 1e9 == pytest.approx(4.91, abs=0.01)
    assert variants["Some-9B"].parameters == 9 * 10**9
    assert variants["Some-9B"].artifact_bytes / 1e9 == pytest.approx(9 * 4.9 / 8, rel=0.03)
    assert (variants["nothing"].parameters, variants["nothing"].artifact_bytes) == (0, 0)


def test_a_name_that_knows_more_than_the_row_stays_by_itself() -> None:
    """The data type of the rest is no precision of weights that were quantized before."""
    assert model_name("Some-8B-AQLM-2Bit", "BF16") == "Some-8B-AQLM-2Bit"
    assert model_name("Some-8B-4bit", "as published") == "Some-8B-4bit"
    assert model_name("Some-8B-bf16", "BF16") == "Some-8B"
    assert model_name("org/Some-8B", "as published") == "Some-8B"
    assert model_name("Some-8B-AQLM-2Bit", "aqlm-2bit") == "Some-8B"


def named(*rows: tuple[str, str, str]) -> list[str]:
    """Names of rows of (model, quant, origin)."""
    models, quants, origins = (list(column) for column in zip(*rows, strict=True))
    table = pa.table({"model": models, "family": models, "quant": quants, "origin": origins})
    return list(map(str, with_ladder_names(table)["model"].to_pylist()))


def test_what_was_measured_here_keeps_the_name_of_its_sweep(tmp_path: Path) -> None:
    planned = cell("Q8_0")
    with Store(tmp_path / "s").writer() as writer:
        metric = Metric(name="decode_tps", value=12.0, unit="token/s")
        writer.add(planned, measurement_of(planned), [metric], node=NODE, sweep_id="s", sweep="q")
    before = Results(tmp_path / "s").attempts()
    assert with_ladder_names(before) is before
    assert named(("Mine-7B-Q8_0", "Q8_0", "")) == ["Mine-7B-Q8_0"]


def test_measured_checkpoints_join_the_model_that_was_measured_beside_them() -> None:
    rows = [("Some-7B", "BF16", ""), ("Some-7B-AWQ", "awq-w4g128", ""), ("Odd-AWQ", "awq-w4", "")]
    assert named(*rows) == ["Some-7B", "Some-7B", "Odd-AWQ"]
    # the name says a quantization, the row does not: nobody knows which rung it is
    assert named(("Some-7B", "BF16", ""), ("Some-7B-AWQ", "BF16", "")) == ["Some-7B", "Some-7B-AWQ"]


def test_spellings_are_those_of_measured_rows_else_the_most_frequent() -> None:
    theirs = [("some-7b", "Q4_0", "a"), ("Some-7B", "Q4_K_M", "a"), ("Some-7B", "Q8_0", "b")]
    assert named(*theirs) == ["Some-7B"] * 3
    assert named(*theirs, ("SOME-7B", "F16", "")) == ["SOME-7B"] * 4
    measured = [("Some-7B", "F16", ""), ("some-7b", "Q8_0", "")]
    assert named(*measured) == ["Some-7B", "some-7b"]


def test_reports_of_benchmarks_join_the_published_ladder(tmp_path: Path) -> None:
    store = tmp_path / "s"
    for name in ("llama3.1-8b-gguf-speed", "llama3-8b-gguf-quality"):
        add_report(publication(name), store)
    row = bench(model_filename="m/Llama-3.1-8B-Q4_K_M.gguf", model_type="llama 8B Q4_K - Medium")
    add_report(read_report(put(tmp_path, "b.json", [row])), store)
    models = ladders(str(store))
    assert set(models) == {"Llama-3.1-8B", "Llama-3-8B"}
    assert {"Q4_K_M", "Q8_0", "F16", "IQ3_XXS"} <= models["Llama-3.1-8B"]


@pytest.fixture
def community_variants(tmp_path: Path) -> list[Variant]:
    if not COMMUNITY.exists():
        pytest.skip(f"needs {COMMUNITY.name} of ../shared/published")
    table = json.loads(COMMUNITY.read_text())
    attempts = [
        rate(
            row["model"], row["quant"], parameters=row["parameters"],
            format="mlx" if row["engine"] == "mlx" else "gguf",
        )
        for row in table["rows"]
    ]  # fmt: skip
    return Dataset(store_with(tmp_path / "s", *attempts)).all_variants()


def test_rows_of_strangers_are_ladders(community_variants: list[Variant]) -> None:
    models: defaultdict[str, set[str]] = defaultdict(set)
    for variant in community_variants:
        models[variant.model].add(variant.quant)
    assert not [name for name in models if name.endswith((".gguf", "bit")) or "Q4_K" in name]
    assert models["Qwen3-8B"] == {"Q4_K_M", "q4-g64"}
    assert models["Qwen3.5-4B"] == {"Q4_K_M", "q4-g64"}
    assert models["gemma-4-12B-it"] == {"Q4_0", "Q4_K_M"}
    assert models["gemma-4-12B-it-QAT"] == {"Q4_0"}
    assert len([quants for quants in models.values() if len(quants) > 1]) >= 25


def test_rows_of_strangers_have_computed_sizes(community_variants: list[Variant]) -> None:
    large = [v for v in community_variants if v.parameters >= 1e9]
    assert len(large) > 0.95 * len(community_variants)
    assert all(v.artifact_bytes and v.size_text for v in large)
    assert {v.family for v in large} <= {v.model for v in large}
    by_name = {(v.model, v.quant): v for v in community_variants}
    exact = find_model("Meta-Llama-3.1-8B-Instruct")
    assert exact is not None
    size = exact.size("Q4_K_M")
    assert size is not None
    computed = by_name["Meta-Llama-3.1-8B-Instruct", "Q4_K_M"].artifact_bytes
    assert computed == pytest.approx(size.tensor_bytes, rel=1e-3)
