"""Rows of every schema version are read for ever, and say what was known then."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from results_cells import cell, measurement_of, write_attempts

from grid.results import open_store
from grid.results.migrations import MIGRATIONS
from grid.results.schema import ATTEMPTS, SCHEMA_VERSION, TABLES, VERSION_KEY

DATA = Path(__file__).parents[2] / "data"


def versions(folder: Path) -> set[bytes]:
    metadata = (pa.ipc.open_file(str(path)).schema.metadata for path in folder.glob("*.arrow"))
    return {(schema_metadata or {})[VERSION_KEY] for schema_metadata in metadata}


def test_each_older_version_has_its_step_and_its_frozen_files() -> None:
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA_VERSION))
    for version in range(1, SCHEMA_VERSION + 1):
        assert versions(DATA / f"results-v{version}") == {str(version).encode()}


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_frozen_files_are_read_with_the_present_columns(version: int) -> None:
    results = open_store(DATA / f"results-v{version}")
    assert results.problems == []
    for name, schema in TABLES.items():
        assert getattr(results, name)().schema.equals(schema)


def test_rows_of_version_1_have_no_origin_and_no_cache_shape() -> None:
    rows = open_store(DATA / "results-v1").attempts().to_pylist()
    assert len(rows) == 2
    for row in rows:
        assert (row["origin"], row["licence"]) == ("", "")
        assert (row["context_length"], row["kv_cache"]) == (None, None)


def test_rows_of_version_2_keep_what_a_layer_holds() -> None:
    rows = {row["origin"]: row for row in open_store(DATA / "results-v2").attempts().to_pylist()}
    row = rows[""]
    assert (row["attempt_id"], row["licence"], row["context_length"]) == ("attempt-Q4_K_M", "", 512)
    assert json.loads(row["kv_cache"]) == [
        {"key": 64, "value": 64, "window": None, "fixed": 0},
        {"key": 64, "value": 64, "window": 128, "fixed": 0},
        {"key": 0, "value": 0, "window": None, "fixed": 512},
    ]


def test_rows_of_version_2_name_who_measured_them() -> None:
    results = open_store(DATA / "results-v2")
    (row,) = [row for row in results.attempts().to_pylist() if row["origin"]]
    assert (row["origin"], row["licence"]) == ("a table", "MIT (somebody)")
    assert row["hardware_class"] == "Chip Y [a table]"
    (metric,) = [
        metric_row
        for metric_row in results.metrics().to_pylist()
        if metric_row["attempt_id"] == row["attempt_id"]
    ]
    assert (metric["value"], metric["sd"]) == (61.5, 0.5)
    assert metric["method"] == "as imported from a table"


def test_a_store_of_both_versions_is_one_table(tmp_path: Path) -> None:
    for path in (DATA / "results-v1").glob("*.arrow"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_attempts(tmp_path, (cell(), measurement_of(cell())))
    results = open_store(tmp_path)
    assert results.problems == []
    assert results.attempts().num_rows == 3
    assert results.attempts().schema.equals(ATTEMPTS)
    assert set(results.attempts()["context_length"].to_pylist()) == {None, 512}


def test_some_columns_of_a_store_of_both_versions_are_one_table(tmp_path: Path) -> None:
    for version in (1, 2):
        for path in (DATA / f"results-v{version}").glob("*.arrow"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    results = open_store(tmp_path)
    rows = results.read("attempts", ["origin", "label"])
    assert results.problems == []
    assert sorted(rows["origin"].to_pylist())[-1] == "a table"
    assert rows.num_rows == results.attempts().num_rows


def test_items_of_version_2_have_no_response() -> None:
    rows = open_store(DATA / "results-v2").items().to_pylist()
    assert rows
    for row in rows:
        assert (row["task"], row["response"], row["finish"], row["note"]) == ("", "", "", "")
        assert row["tokens"] == 0


def test_items_of_version_3_keep_what_the_model_wrote() -> None:
    (row,) = open_store(DATA / "results-v3").items().to_pylist()
    assert (row["task"], row["response"]) == ("gsm8k", "The answer is 18.")
    assert (row["tokens"], row["finish"], row["note"]) == (6, "stop", "")


def test_rows_of_version_4_say_what_a_token_uses() -> None:
    (row,) = open_store(DATA / "results-v4").attempts().to_pylist()
    names = ("experts", "experts_used", "shared_experts", "expert_layers", "leading_dense_layers")
    assert [row[name] for name in names] == [8, 2, 1, 1, 1]
    assert (row["parameters"], row["active_parameters"]) == (1_500_000, 700_000)
    assert (row["expert_parameters"], row["layers"]) == (800_000, 2)
    assert row["parameters_from"] == "header"
    assert json.loads(row["weight_parts"]) == {
        "layers": [[90_000, 0], [60_000, 450_000]],
        "output": 150_000,
        "lookup": 150_000,
        "unused": 0,
        "tied": False,
    }


def test_items_of_version_4_name_what_they_share() -> None:
    (row,) = open_store(DATA / "results-v4").items().to_pylist()
    assert row["group"] == "algebra"
    before = open_store(DATA / "results-v3").items()
    assert set(before["group"].to_pylist()) == {""}


@pytest.mark.parametrize("version", [1, 2, 3])
def test_rows_before_version_4_do_not_say_what_a_token_uses(version: int) -> None:
    for row in open_store(DATA / f"results-v{version}").attempts().to_pylist():
        assert [row["active_parameters"], row["experts"], row["weight_parts"]] == [None] * 3
