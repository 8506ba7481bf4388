"""Runs and Compare outputs, clicked through; what they say is computed here from Arrow files."""

from __future__ import annotations

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
    fits,
    page_of,
    press,
    rows_of,
    serving,
    settled,
    shot,
    unfold,
    words,
)
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
    shot(runs, "runs-whole")


def test_an_export_is_what_the_store_holds(runs: Page, swept: Path, tmp_path: Path) -> None:
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
        page = page_of(App(url, browser), "Runs")  # type: ignore[arg-type]
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


@pytest.fixture
def compare(app: App) -> Iterator[Page]:
    page = page_of(app, "Compare outputs")
    yield page
    page.context.close()


def run(page: Page, prompt: str, tokens: int) -> Page:
    """Press Compare and wait for the outputs."""
    page.get_by_label("Prompt").fill(prompt)
    page.get_by_label("Tokens, at most").fill(str(tokens))
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_text("Token by token")).to_be_visible(timeout=WAIT_MS * 3)
    return settled(page)


def test_outputs_stand_side_by_side_and_the_parting_token_is_framed(compare: Page) -> None:
    run(compare, "The farmer went to", 8)
    shown = words(compare)
    assert "parts at token" in shown or "No difference in" in shown
    unfold(compare, "Token by token")
    cells = compare.locator(".st-key-compare_tokens_table canvas tr")
    expect(cells).to_have_count(1 + 8, timeout=WAIT_MS)
    head, *lines = rows_of(compare, "compare_tokens_table")
    assert len(lines) == 8
    marks = compare.locator("mark").all_inner_texts()
    for column in range(2, len(head)):
        reference, mine = ([line[k] for line in lines] for k in (1, column))
        differing = [i for i, (a, b) in enumerate(zip(reference, mine, strict=True)) if a != b]
        if differing:
            assert f"at token {differing[0]}," in shown
            assert repr(marks.pop(0)) == mine[differing[0]]
    assert marks == []
    assert fits(compare)
    shot(compare, "compare-result-1280-light")


def test_on_a_phone_outputs_stack(app: App) -> None:
    page = page_of(app, "Compare outputs", width=390, dark=True)
    run(page, "The farmer went to", 12)
    assert fits(page)
    tops = [box["y"] for mark in page.locator("mark").all() if (box := mark.bounding_box())]
    assert tops == sorted(tops)
    shot(page, "compare-result-390-dark")
    page.context.close()


def test_an_empty_prompt_is_explained(compare: Page) -> None:
    compare.get_by_label("Prompt").fill("   ")
    press(compare, "Compare")
    assert "the prompt is empty" in words(compare)


def test_a_comparison_can_be_cancelled(compare: Page) -> None:
    compare.get_by_label("Tokens, at most").fill("512")
    compare.keyboard.press("Tab")
    compare.get_by_role("button", name="Compare", exact=True).click()
    compare.get_by_role("button", name="Cancel", exact=True).click()
    expect(compare.get_by_text("nothing was compared: cancelled")).to_be_visible(timeout=WAIT_MS)
    assert broken(compare) == []


def test_variants_that_cannot_run_here_are_listed_with_why(
    browser: object, swept: Path, tmp_path: Path
) -> None:
    """A store whose weights are gone."""
    store = tmp_path / "rows"
    store.mkdir()
    for path in swept.glob("*.arrow"):
        with pa.ipc.open_file(path) as reader:
            table = reader.read_all()
        if path.name.startswith("attempts"):
            at = table.schema.get_field_index("model_source")
            gone = pa.array(["/nowhere/model.gguf"] * table.num_rows)
            table = table.set_column(at, table.schema.field(at), gone)
        with pa.ipc.new_file(store / path.name, table.schema) as writer:
            writer.write_table(table)
    with serving(store, tmp_path / "cache") as url:
        page = page_of(App(url, browser), "Compare outputs")  # type: ignore[arg-type]
        assert "None of the store's variants can be run on this machine" in words(page)
        unfold(page, "cannot be run here")
        assert "no file /nowhere/model.gguf" in words(page)
        page.context.close()
