"""Runs and Import: what they say of a store, of a running sweep, and of files to import."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from msgspec.structs import replace
from results_cells import NODE, cell, measurement_of
from streamlit.testing.v1 import AppTest

from grid.app.import_export import exporter
from grid.cells.measurement import Metric
from grid.cells.workload import Decode
from grid.results import open_store
from grid.results.heartbeat import Heartbeat, SweepStatus, heartbeat_file
from grid.results.location import Location
from grid.results.lock import LockOwner
from grid.results.store import Store

START = 1_800_000_000.0
PAGE = "from grid.app.navigation import draw_page\ndraw_page({!r})\n"

OTHER_NODE = replace(NODE, name="node-b", chip="Chip Z")

BENCH = [
    {
        "build_commit": "abc", "build_number": 1, "cpu_info": "Chip Y", "gpu_info": "",
        "backends": "CPU", "model_filename": "m.gguf", "model_type": "llama 7B Q4_0",
        "model_size": 4_000_000_000, "model_n_params": 7_000_000_000, "n_batch": 512,
        "n_ubatch": 512, "n_threads": 4, "type_k": "f16", "type_v": "f16", "n_gpu_layers": 0,
        "n_prompt": 0, "n_gen": 128, "n_depth": 0, "test_time": "2026-01-02T03:04:05Z",
        "avg_ns": 12_800_000_000, "stddev_ns": 1_000_000, "avg_ts": 10.0, "stddev_ts": 0.1,
        "samples_ns": [12_800_000_000, 12_800_000_000], "samples_ts": [10.0, 10.0],
    }
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two cells with a figure, of which one drifted, and one that ran out of memory."""
    place = tmp_path / "rows"
    monkeypatch.setenv("QUANTGRID_STORE", str(place))
    drift = (Metric(name="drift", value=1.0, unit="1"),)
    with Store(place).writer() as writer:
        for quant, status, metrics in (
            ("Q4_0", "ok", ()),
            ("Q8_0", "ok", drift),
            ("F16", "oom", ()),
        ):
            decode = cell(quant, Decode(tokens=64))
            row = measurement_of(decode, status, at=START)  # type: ignore[arg-type]
            writer.add(decode, row, metrics, node=NODE, sweep_id="s1", sweep="night")
    return place


def drawn(path: str = "runs") -> AppTest:
    page = AppTest.from_string(PAGE.format(path), default_timeout=60).run()
    assert not page.exception
    return page


def text(page: AppTest) -> str:
    parts = (*page.markdown, *page.info, *page.warning, *page.error, *page.caption, *page.success)
    return " ".join(str(part.value) for part in parts).replace("\\", "")


def tables(page: AppTest) -> list[pd.DataFrame]:
    return [frame.value for frame in page.dataframe]


def test_the_runs_page_says_what_was_run(store: Path) -> None:
    assert "1 sweep measured 2 cells on 1 node; 1 cell failed." in text(drawn())


def test_the_runs_page_lists_sweeps_failures_nodes_and_suspects(store: Path) -> None:
    sweeps, failed, suspects, cells, nodes = tables(drawn())
    assert sweeps.loc[0, ["sweep", "ok", "failed", "nodes"]].tolist() == ["night", 2, 1, "node-a"]
    assert failed.loc[0, ["status", "why"]].tolist() == ["oom", "it was oom"]
    assert failed.loc[0, "for example"] == "tiny F16 tg64"
    assert nodes.loc[0, "hardware"] == NODE.hardware_class
    assert suspects["cell"].tolist() == ["tiny Q8_0 tg64"]
    assert sorted(cells["status"]) == ["ok", "ok", "oom"]


def test_suspect_measurements_come_with_the_command_that_measures_them_again(store: Path) -> None:
    codes = [code.value for code in drawn().code]
    assert f"grid sweep night.toml --store {store} --fresh" in codes


def test_the_status_filter_survives_a_change_of_hardware(store: Path) -> None:
    with Store(store).writer() as writer:
        decode = replace(cell("Q2_K", Decode(tokens=64)), scope=OTHER_NODE.hardware_class)
        row = measurement_of(decode, "ok", at=START)
        writer.add(decode, row, (), node=OTHER_NODE, sweep_id="s1", sweep="night")
    page = drawn()
    page.multiselect(key="status").set_value(["oom"]).run()
    assert cells_of(page)["status"].tolist() == ["oom"]
    page.selectbox(key="hardware").set_value(OTHER_NODE.hardware_class).run()
    assert page.multiselect(key="status").value == ["oom"]
    assert "0 cells" in text(page)
    page.selectbox(key="hardware").set_value(NODE.hardware_class).run()
    assert cells_of(page)["why"].tolist() == ["it was oom"]


def cells_of(page: AppTest) -> pd.DataFrame:
    (frame,) = (table for table in tables(page) if "measurement" in table.columns)
    return frame


def test_a_running_sweep_shows_how_far_it_is(store: Path) -> None:
    with Store(store).writer():
        heartbeat = Heartbeat(Location(store), "evening", "run1")
        heartbeat.update(
            cells=40, done=10, failed=2, eta_s=90.0, nodes=("a", "b"), now="small F16 tg64"
        )
        shown = text(drawn())
    assert "a, b, at small F16 tg64" in shown
    page = drawn()  # its lock is gone now
    assert "evening" in page.warning[0].value
    assert "stopped after 10 of 40 cells" in page.warning[0].value


def test_a_sweep_that_just_began_is_shown_over_an_empty_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGRID_STORE", str(tmp_path))
    with Store(tmp_path).writer():
        Heartbeat(Location(tmp_path), "first", "run1").update(cells=3, nodes=("a",))
        shown = text(drawn())
    assert "On a; started" in shown
    assert "grid sweep" in " ".join(code.value for code in drawn().code)


def test_a_file_instead_of_a_store_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("QUANTGRID_STORE", str(tmp_path / "file"))
    assert "is a file; a store is a folder" in drawn().error[0].value


def uploaded(name: str, content: bytes) -> AppTest:
    page = drawn("import")
    page.get("file_uploader")[0].set_value((name, content, "application/json"))  # type: ignore[attr-defined]
    page.run()
    assert not page.exception
    return page


def test_a_report_is_described_and_added_on_request(store: Path) -> None:
    before = open_store(store).attempts().num_rows
    page = uploaded("bench.json", json.dumps(BENCH).encode())
    assert "1 attempt of llama-bench" in text(page)
    assert open_store(store).attempts().num_rows == before
    page.button(key="import_add").click().run()
    assert "1 attempt added" in page.success[0].value
    assert "1 import brought figures of others" in text(drawn())
    assert open_store(store).attempts().num_rows == before + 1


def test_a_file_that_is_no_report_is_named_and_explained(store: Path) -> None:
    page = uploaded("notes.txt", b"hello")
    assert page.error[0].value.startswith("notes.txt ")
    assert "/tmp" not in page.error[0].value


def test_nothing_is_imported_while_a_sweep_writes(store: Path) -> None:
    page = uploaded("bench.json", json.dumps(BENCH).encode())
    lock = store / "writer.lock"
    owner = LockOwner(
        host="elsewhere", pid=1, process_start=0.0, since="now", refreshed="now", token="t"
    )
    lock.write_bytes(msgspec.json.encode(owner))
    page.button(key="import_add").click().run()
    assert "in use by another sweep on elsewhere" in page.error[0].value


@pytest.mark.parametrize("format", ["csv", "json", "md", "parquet"])
def test_exports_hold_every_cell(store: Path, format: str, tmp_path: Path) -> None:
    content = exporter(str(store), format)()
    path = tmp_path / f"x.{format}"
    path.write_bytes(content)
    readers = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}
    rows = len(content.splitlines()) - 2 if format == "md" else len(readers[format](path))
    assert rows == 3
    assert not (store / f"rows.{format}").exists()


def test_a_heartbeat_is_readable_json(store: Path) -> None:
    with Store(store).writer():
        Heartbeat(Location(store), "evening", "run1").update(cells=40)
        status = msgspec.json.decode(
            (store / heartbeat_file("run1")).read_bytes(), type=SweepStatus
        )
    assert (status.pid, status.cells) == (os.getpid(), 40)
