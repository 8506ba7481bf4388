"""Runs, Import and Folklore; what they say is computed here from Arrow files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Page, expect

from browser.harness import (
    WAIT_MS,
    App,
    broken,
    page_of,
    rerun,
    rows_of,
    select,
    serving,
    shot,
    turn_to,
    words,
)
from browser.truth import Truth
from grid.results.heartbeat import Heartbeat
from grid.results.location import Location
from grid.results.store import Store

BENCH = (
    "| model | size | params | backend | threads | test | t/s |\n"
    "| --- | ---: | ---: | --- | ---: | ---: | ---: |\n"
    "| llama 7B Q4_0 | 3.56 GiB | 6.74 B | CPU | 4 | tg128 | 10.00 ± 0.10 |\n"
)


def attempts(store: Path) -> list[dict[str, Any]]:
    """Rows of the attempts' files, by Arrow alone."""
    rows: list[dict[str, Any]] = []
    for path in sorted(store.glob("attempts-*.arrow")):
        with pa.ipc.open_file(path) as reader:
            rows += reader.read_all().to_pylist()
    return rows


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


@pytest.fixture
def runs(app: App) -> Iterator[Page]:
    page = page_of(app, "Runs")
    yield page
    page.context.close()


def test_runs_counts_what_the_files_hold(runs: Page, swept: Path) -> None:
    rows = attempts(swept)
    counts = Counter(row["status"] for row in rows)
    names = {row["sweep_id"] for row in rows}
    nodes = {row["node"] for row in rows}
    sentence = f"{plural(len(names), 'sweep')} measured {plural(counts['ok'], 'cell')} on "
    assert sentence + plural(len(nodes), "node") in words(runs)
    head, *lines = rows_of(runs, "runs_sweeps")
    first = dict(zip(head, lines[0], strict=True))
    assert first["ok"] == str(counts["ok"])
    share = sum(row["engine_s"] for row in rows) / sum(row["wall_s"] for row in rows)
    assert first["in the engine"] == f"{share:.0%}"
    (node,) = nodes
    assert dict(zip(*rows_of(runs, "runs_nodes")[:2], strict=True))["node"] == node
    select(runs, "Status", "ok")
    runs.keyboard.press("Escape")
    assert f"{plural(counts['ok'], 'cell')} on " in words(runs)
    shot(runs, "runs-whole")


def test_an_export_is_what_the_store_holds(runs: Page, swept: Path, tmp_path: Path) -> None:
    runs.get_by_role("button", name="Export").click()
    with runs.expect_download() as waiting:
        runs.get_by_role("button", name="parquet", exact=True).click()
    target = tmp_path / "rows.parquet"
    waiting.value.save_as(target)
    cells = {row["cell_id"] for row in attempts(swept)}
    assert set(pq.read_table(target)["cell_id"].to_pylist()) == cells


def test_a_report_is_imported_and_a_running_sweep_watched(
    browser: object, tmp_path: Path, swept: Path
) -> None:
    store = tmp_path / "rows"
    with serving(store, tmp_path / "cache") as url:
        app = App(url, browser)  # type: ignore[arg-type]
        page = page_of(app, "Import")
        assert "grid sweep" in words(page)
        report = tmp_path / "bench.md"
        report.write_text(BENCH)
        page.locator("input[type=file]").set_input_files(report)
        expect(page.get_by_text("1 attempt of llama-bench")).to_be_visible(timeout=WAIT_MS)
        page.get_by_label("Hardware, where the file does not say").fill("Some Box")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Add 1 attempt").click()
        expect(page.get_by_text("1 attempt added")).to_be_visible(timeout=WAIT_MS)
        assert [row["origin"] for row in attempts(store)] == ["llama-bench"]
        turn_to(page, app, "Runs")
        expect(page.get_by_text("1 import brought figures of others")).to_be_visible()
        watched(page, store)
        page.context.close()


def watched(page: Page, store: Path) -> None:
    """The page shows a sweep's progress by itself, and that it stopped when its lock is gone."""
    with Store(store).writer():
        heartbeat = Heartbeat(Location(store), "evening", "run1")
        heartbeat.update(cells=40, done=10, nodes=("box",), now="small F16 tg64")
        expect(page.get_by_text("10 of 40 cells")).to_be_visible(timeout=WAIT_MS)
        shot(page, "runs-live")
        time.sleep(5.1)  # it is written every five seconds
        heartbeat.update(done=30)
        expect(page.get_by_text("30 of 40 cells")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("stopped after 30 of 40 cells")).to_be_visible(timeout=WAIT_MS)
    assert broken(page) == []


def test_every_rule_of_thumb_has_one_verdict_and_its_numbers(app: App, swept: Path) -> None:
    truth = Truth(swept)
    page = page_of(app, "Folklore")
    shown = words(page)
    sentence = re.search(r"Of (\d+) common rules (\d+) hold here, (\d+) are contradicted, and for "
                      r"(\d+) there is not enough data", shown)  # fmt: skip
    assert sentence is not None
    total, *parts = map(int, sentence.groups())
    assert sum(parts) == total > 30
    head, whole = truth.capability["large", "Q2_K"], truth.capability["large", "F16"]
    losses: list[float] = []
    for title in ("Holds", "Contradicted", "Not enough data"):
        page.get_by_role("tab", name=re.compile(title)).click()
        rerun(page)
        losses += map(float, re.findall(r"large Q2_K loses ([0-9.]+) %", words(page)))
    expected = 100 * (1 - head / whole)  # of the rows; shown is the mean of the draws
    assert any(loss == pytest.approx(expected, abs=0.5) for loss in losses)
    judged = json.loads(
        subprocess.run(
            [sys.executable, "-m", "grid", "folklore", "--store", str(swept), "--json"],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
    )
    no = [rule["text"] for rule in judged if rule["verdict"] == "contradicted"]
    assert len(no) == parts[1]
    page.get_by_role("tab", name=re.compile("Contradicted")).click()
    rerun(page)
    assert all(text[1:] in words(page) for text in no)
    shot(page, "folklore-contradicted-1280-light")
