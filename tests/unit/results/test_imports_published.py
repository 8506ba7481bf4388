"""The bundled tables: each figure as published, with source and licence, in a store of its own."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from grid.analysis.tables import Tables
from grid.analysis.variants import variants
from grid.errors import InputError
from grid.results import open_store
from grid.results.imports import all_publications, published_store, read_report
from grid.results.imports.publications import facts, publication


def frame(name: str) -> list[dict[str, Any]]:
    """Attempts of a table, each with its metrics by name."""
    rows = publication(name).rows
    attempts = {row["attempt_id"]: {**row, "figures": {}} for row in rows["attempts"]}
    for metric in rows["metrics"]:
        attempts[metric["attempt_id"]]["figures"][metric["name"]] = metric
    return list(attempts.values())


def test_published_rows_have_source_and_licence() -> None:
    publications = all_publications()
    assert [table.name for table in publications] == [
        "llama2-7b-speed-by-chip",
        "llama3-8b-gguf-quality",
        "llama3.1-8b-gguf-speed",
        "llama3.1-8b-gpu-methods",
        "mlx-m4max",
    ]
    for table in publications:
        assert table.origin
        assert table.licence in ("MIT (llama.cpp)", "MIT (mlx-lm)", "not stated")
        for row in table.rows["attempts"]:
            assert (row["origin"], row["licence"]) == (table.origin, table.licence)
            assert row["hardware_class"].endswith(f"[{table.origin}]")


def test_perplexity_and_divergence_are_as_published() -> None:
    rows = frame("llama3-8b-gguf-quality")
    wanted = facts("llama3-8b-gguf-quality")["rows"]
    got = sorted(
        (f["perplexity"]["value"], f["perplexity"]["sd"])
        for f in (row["figures"] for row in rows)
        if "perplexity" in f
    )
    assert got == sorted((row["ppl"], row["ppl_se"]) for row in wanted)
    (plain,) = [row for row in rows if row["quant"] == "Q4_K_M" and row["quantizer"] == "llama.cpp"]
    assert plain["figures"]["kld_mean"]["value"] == 0.031273
    assert plain["figures"]["dp_rms"]["value"] == pytest.approx(0.05519)
    assert plain["artifact_bytes"] == round(4.58 * 2**30)


def test_quants_with_other_importance_matrices_are_other_artifacts() -> None:
    rows = [row for row in frame("llama3-8b-gguf-quality") if row["quant"] == "Q2_K"]
    assert len({row["artifact_id"] for row in rows}) == len(rows) == 6
    assert "llama.cpp, importance matrix WT 10m" in {row["quantizer"] for row in rows}


def test_gguf_rates_are_as_published() -> None:
    rows = frame("llama3.1-8b-gguf-speed")
    by_label = {(row["quant"], row["label"]): row for row in rows}
    row = by_label["Q4_K_M", "tg128"]
    assert row["figures"]["decode_tps"]["value"] == 71.93
    assert row["figures"]["decode_tps"]["sd"] == 1.52
    assert row["bpw_file"] == 4.8944
    assert len(rows) == 2 * len(facts("llama3.1-8b-gguf-speed")["rows"])


def test_every_chip_has_exactly_its_published_rates() -> None:
    rows = frame("llama2-7b-speed-by-chip")
    stated = sum(
        value is not None
        for row in facts("llama2-7b-speed-by-chip")["rows"]
        for name, value in row.items()
        if name.endswith("_tps")
    )
    assert len(rows) == stated == 19
    (row,) = [r for r in rows if r["node"] == "NVIDIA RTX 4090" and r["measure"] == "decode"]
    assert row["figures"]["decode_tps"]["value"] == 186.2
    assert row["environment"]["bandwidth_bytes_s"] == "1008000000000"


def test_mmlu_pro_is_capability_above_one_in_ten_without_an_interval() -> None:
    (row,) = [
        r
        for r in frame("mlx-m4max")
        if r["measure"] == "tasks" and (r["model"], r["quant"]) == ("Qwen3-4B-2507", "q4")
    ]
    figures = row["figures"]
    assert figures["accuracy"]["value"] == pytest.approx(0.6072)
    assert figures["capability"]["value"] == pytest.approx((0.6072 - 0.1) / 0.9)
    assert (figures["capability"]["sd"], figures["capability"]["low"]) == (None, None)
    assert json.loads(row["workload"])["task_class"] == "recall"


def test_sizes_that_nobody_stated_say_that_they_are_computed() -> None:
    rows = [r for r in frame("mlx-m4max") if r["measure"] == "decode"]
    assert all("computed from parameters" in r["environment"]["artifact_bytes"] for r in rows)
    (four,) = [r for r in rows if (r["model"], r["quant"]) == ("Qwen3-4B-2507", "q4")]
    assert four["artifact_bytes"] == pytest.approx(4.022e9 * 4.5 / 8, rel=1e-3)


def test_a_mean_of_unnamed_tasks_gives_no_capability() -> None:
    rows = [r for r in frame("llama3.1-8b-gpu-methods") if r["measure"] == "tasks"]
    assert {r["figures"]["accuracy"]["value"] for r in rows} == {
        0.6106, 0.6006, 0.5953, 0.602, 0.5959,
    }  # fmt: skip
    for row in rows:
        assert row["figures"]["capability"]["value"] is None
        assert "not known" in row["figures"]["capability"]["method"]


def test_demonstration_store_has_all_published_rows_as_variants() -> None:
    results = open_store(published_store())
    assert results.problems == []
    assert results.attempts().num_rows == sum(len(p.rows["attempts"]) for p in all_publications())
    tables = Tables(results.attempts(), results.metrics(), results.samples(), results.items())
    stored = variants(tables)
    (f16,) = [v for v in stored if v.model == "Llama-3-8B" and v.quant == "F16"]
    assert f16.perplexity is not None
    assert f16.perplexity.value == 6.23316
    assert f16.sixteen_bit
    (q8,) = [v for v in stored if v.model == "Llama-3-8B" and v.quant == "Q8_0"]
    assert q8.noise_floor_nat == 0.000551
    assert q8.indistinguishable is False
    assert len({v.hardware_class for v in stored}) == 10


def test_demonstration_store_is_built_once() -> None:
    folder = Path(published_store())
    names = sorted(path.name for path in folder.iterdir())
    assert Path(published_store()) == folder
    assert sorted(path.name for path in folder.iterdir()) == names


def test_demonstration_store_is_rebuilt_for_another_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    before = published_store()
    monkeypatch.setattr("grid.results.imports.publications._LAYOUT", 2)
    after = published_store()
    assert before != after
    assert open_store(after).attempts().num_rows == open_store(before).attempts().num_rows


def _make(_: int) -> str:
    return published_store()


def test_concurrent_builds_of_the_demonstration_store_give_one_whole_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path))
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        (folder,) = set(pool.map(_make, range(6), chunksize=1))
    assert open_store(folder).attempts().num_rows == 161
    assert [path.name for path in (tmp_path / "published").iterdir()] == [Path(folder).name]


def test_demonstration_store_in_an_unwritable_cache_is_one_line_of_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"cannot make .*published"):
        published_store()


def test_file_of_a_bundled_table_names_the_command_that_imports_it(tmp_path: Path) -> None:
    copy = tmp_path / "llama3-8b-gguf-quality.json"
    copy.write_text('{"rows": []}')
    with pytest.raises(InputError, match=r"grid import --published llama3-8b-gguf-quality$"):
        read_report(copy)


def test_unknown_published_table_suggests_the_nearest_name() -> None:
    with pytest.raises(InputError, match="Did you mean 'mlx-m4max'"):
        publication("mlx-m4")


def test_perplexity_rise_is_imported_as_ln_ppl_ratio() -> None:
    """6.407115 is 0.175482 above the base: ln(6.407115 / 6.231633) is 0.02777, which llama.cpp
    prints as ln(PPL(Q)/PPL(base)) 0.027771."""
    rows = frame("llama3-8b-gguf-quality")
    (plain,) = [row for row in rows if row["quant"] == "Q4_K_M" and row["quantizer"] == "llama.cpp"]
    ratio = plain["figures"]["ln_ppl_ratio"]
    assert ratio["value"] == pytest.approx(0.027771, abs=1e-6)
    assert (ratio["sd"], ratio["low"]) == (None, None)
    assert ratio["method"].endswith("from delta PPL as given")
