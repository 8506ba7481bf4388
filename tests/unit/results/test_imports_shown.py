"""Imported rows in the terminal: whose they are, and no more than they say."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest
from imports_files import LM_EVAL, bench, put
from results_cells import NODE, cell, measurement_of

from grid.cells.measurement import Metric
from grid.cli.results import RowsArgs, open_rows, show_results
from grid.cli.show import show
from grid.results.imports import add_report, read_report
from grid.results.store import Store


@pytest.fixture
def mixed_store(tmp_path: Path) -> str:
    """One decode rate measured here, one of llama-bench."""
    store = tmp_path / "store"
    planned = cell("Q8_0")
    with Store(store).writer() as writer:
        rate = Metric(name="decode_tps", value=12.0, unit="token/s")
        writer.add(planned, measurement_of(planned), [rate], node=NODE, sweep_id="s", sweep="q")
    add_report(read_report(put(tmp_path, "b.json", [bench()])), store)
    return str(store)


def output_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def line_with(lines: list[str], text: str) -> str:
    (match,) = [line for line in lines if text in line]
    return match


def test_imported_rows_are_marked_in_the_default_table(
    mixed_store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_results(open_rows(mixed_store), RowsArgs())
    lines = output_lines(capsys)
    assert "source" in lines[0]
    assert " measured" in line_with(lines, "tiny Q8_0")
    assert " llama-bench" in line_with(lines, "Qwen2.5-7B-Instruct")
    assert "third-party: llama-bench, licence not stated" in lines


def test_the_licence_note_stands_under_chosen_columns_too(
    mixed_store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_results(open_rows(mixed_store), RowsArgs(columns=("model", "decode_tps")))
    lines = output_lines(capsys)
    assert lines[0] == "model decode_tps"
    assert "third-party: llama-bench, licence not stated" in lines


def test_a_table_of_own_rows_alone_has_no_source(
    mixed_store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_results(open_rows(mixed_store), RowsArgs(where="origin = ''"))
    out = capsys.readouterr().out
    assert "source" not in out
    assert "third-party" not in out


def store_of(tmp_path: Path, model: str, parameters: int | None) -> str:
    """What lm-evaluation-harness says of a model, which is not its size."""
    whole = deepcopy(LM_EVAL)
    whole["config"] |= {
        "model_args": f"pretrained={model},dtype=bfloat16", "model_num_parameters": parameters
    }  # fmt: skip
    add_report(read_report(put(tmp_path, "r.json", whole)), tmp_path / "store")
    return str(tmp_path / "store")


@pytest.fixture
def sizeless_store(tmp_path: Path) -> str:
    """Of a model whose parameters nobody says."""
    return store_of(tmp_path, "org/a-model", None)


def test_imports_of_unknown_size_are_not_picked_and_have_no_limits_on_size(
    sizeless_store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show(sizeless_store)
    out = "\n".join(output_lines(capsys))
    assert "third-party: lm-evaluation-harness, licence not stated" in out
    assert "no size" in out
    assert "nothing" in line_with(out.splitlines(), "as good as the best")
    assert "16-bit size" not in out


def test_imports_of_unknown_size_are_data_for_machines(
    sizeless_store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show(sizeless_store, as_json=True)
    (message,) = json.loads(capsys.readouterr().out).values()
    assert [pick["limits"]["name"] for pick in message["picks"]] == ["as good as the best"]


def test_a_size_that_no_file_has_is_computed_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_of(tmp_path, "meta-llama/Llama-3.1-8B", 8030261248)
    show(store)
    assert "about 15 GiB" in line_with(output_lines(capsys), "as good as the best")
    show(store, as_json=True)
    (message,) = json.loads(capsys.readouterr().out).values()
    variant = message["picks"][0]["pick"]
    assert variant["bytes"] == 2 * 8030261248
    assert variant["size"] == "computed: 8.03B parameters x 16 bits"
