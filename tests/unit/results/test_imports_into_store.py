"""Imported rows in a store: once, whole, marked, and never joined with measured ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from imports_files import LM_EVAL, PPL_LOG, bench, put
from results_cells import cell, measurement_of, write_attempts

from grid.analysis.tables import Tables
from grid.analysis.variants import variants
from grid.errors import InputError, StoreError, StoreLost
from grid.results import open_for_writing, open_store
from grid.results.imports import add_report, read_report
from grid.results.imports.writing import add_reports
from grid.results.location import Location


def test_importing_a_file_twice_adds_nothing_and_writes_no_file(tmp_path: Path) -> None:
    store, report = tmp_path / "store", read_report(put(tmp_path, "b.json", [bench()]))
    assert add_report(report, store) == 1
    files = sorted(path.name for path in store.iterdir())
    assert add_report(read_report(tmp_path / "b.json"), store) == 0
    assert sorted(path.name for path in store.iterdir()) == files


def test_a_row_that_stands_in_two_files_is_added_once(tmp_path: Path) -> None:
    first = read_report(put(tmp_path, "a.json", [bench(), bench()]))
    second = read_report(put(tmp_path, "b.json", [bench(), bench(n_gen=64)]))
    assert first.count == 1
    assert add_reports([first, second], tmp_path / "store") == [1, 1]
    assert open_store(tmp_path / "store").attempts().num_rows == 2


def test_imported_rows_of_all_tables_are_read_back(tmp_path: Path) -> None:
    add_report(read_report(put(tmp_path, "b.json", [bench()])), tmp_path / "store")
    results = open_store(tmp_path / "store")
    (row,) = results.attempts().to_pylist()
    (metric,) = results.metrics().to_pylist()
    (series,) = results.samples().to_pylist()
    assert results.problems == []
    assert (row["origin"], row["licence"]) == ("llama-bench", "not stated")
    assert (row["context_length"], row["kv_cache"], row["bpw_layer"]) == (None, None, None)
    assert metric["attempt_id"] == series["attempt_id"] == row["attempt_id"]
    assert series["values"][0] == 1.068


def test_imported_rows_never_join_measured_ones(tmp_path: Path) -> None:
    write_attempts(tmp_path / "store", (cell(), measurement_of(cell())))
    add_report(read_report(put(tmp_path, "b.json", [bench()])), tmp_path / "store")
    results = open_store(tmp_path / "store")
    rows = {row["origin"]: row for row in results.attempts().to_pylist()}
    assert set(rows) == {"", "llama-bench"}
    for name in ("cell_id", "artifact_id", "hardware_class", "device_kind", "scope"):
        assert rows[""][name] != rows["llama-bench"][name]
        assert rows["llama-bench"][name]


def test_imports_of_two_tools_are_separate_variants(tmp_path: Path) -> None:
    for name, content in (("b.json", [bench()]), ("p.log", PPL_LOG), ("r.json", LM_EVAL)):
        add_report(read_report(put(tmp_path, name, content)), tmp_path / "store")
    results = open_store(tmp_path / "store")
    tables = Tables(results.attempts(), results.metrics(), results.samples(), results.items())
    by_tool = {variant.hardware_class.partition(" [")[2]: variant for variant in variants(tables)}
    assert sorted(by_tool) == ["llama-bench]", "llama-perplexity]", "lm-evaluation-harness]"]
    speed, text, tasks = (by_tool[name] for name in sorted(by_tool))
    assert speed.decode_tps is not None
    assert speed.decode_tps.value == 119.81
    assert list(speed.decode[0].rates) == [128 / s for s in (1.068, 1.069, 1.07, 1.071, 1.072)]
    assert text.perplexity is not None
    assert text.perplexity.value == 6.4071
    assert sorted(tasks.classes) == ["commonsense", "math", "reasoning"]


def test_import_into_a_store_that_a_sweep_writes_is_refused(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "b.json", [bench()]))
    with open_for_writing(tmp_path / "store").writer(), pytest.raises(StoreError, match="in use"):
        add_report(report, tmp_path / "store")
    assert open_store(tmp_path / "store").attempts().num_rows == 0


def test_import_on_a_full_disk_leaves_no_visible_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = read_report(put(tmp_path, "b.json", [bench()]))
    write_whole = Location.write

    def raise_disk_full(self: Location, name: str, content: bytes) -> None:
        if name.startswith("attempts-"):
            raise OSError("No space left on device")
        write_whole(self, name, content)

    with monkeypatch.context() as broken:
        broken.setattr(Location, "write", raise_disk_full)
        with pytest.raises(StoreLost, match=r"No space left on device; .*the same command again"):
            add_report(report, tmp_path / "store")
    assert open_store(tmp_path / "store").metrics().num_rows == 0
    assert add_report(report, tmp_path / "store") == 1


def test_hardware_and_model_options_make_separate_rows(tmp_path: Path) -> None:
    path = put(tmp_path, "b.json", [bench()])
    named = read_report(path, hardware="my  box", model="mine", override=True)
    (row,) = named.rows["attempts"]
    assert (row["hardware_class"], row["model"]) == ("my box [llama-bench]", "mine")
    assert row["attempt_id"] != read_report(path).rows["attempts"][0]["attempt_id"]


def test_unknown_import_format_suggests_the_nearest_name(tmp_path: Path) -> None:
    path = put(tmp_path, "b.json", [bench()])
    with pytest.raises(InputError, match="Did you mean 'llama-bench-json'"):
        read_report(path, format="llamabench-json")
    with pytest.raises(InputError, match="no results of lm-evaluation-harness"):
        read_report(path, format="lm-eval")
