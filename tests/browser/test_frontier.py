"""The page Frontier says what the rows say, and opens what is behind a point."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.harness import (
    App,
    click_point,
    page_of,
    press,
    rows_of,
    select,
    settled,
    shot,
    traces,
    unfold,
    words,
)  # fmt: skip
from browser.truth import Truth


@pytest.fixture
def page(app: App) -> Page:
    return page_of(app, "Frontier")


@pytest.fixture
def truth(swept: Path) -> Truth:
    return Truth(swept)


def points(page: Page, truth: Truth, key: str) -> dict[tuple[str, str], tuple[float, float]]:
    """The chart's points by model and quant, as their hover says."""
    by_name = {}
    for trace in traces(page, key):
        for x, y, text in zip(trace["x"], trace["y"], trace["hovertext"] or [], strict=False):
            model, _, quant = re.search(r"<b>(.*?)</b>", text)[1].partition(" ")  # type: ignore[index]
            by_name[model, quant] = (x, y)
    assert set(by_name) == set(truth.capability)
    return by_name


def test_sizes_and_qualities_are_those_of_the_rows(page: Page, truth: Truth) -> None:
    for key, (x, y) in points(page, truth, "frontier_artifact_bytes").items():
        assert x == pytest.approx(truth.sizes[key] / 2**20, rel=1e-9)
        assert y == pytest.approx(truth.capability[key], abs=1e-9)


def test_the_answer_counts_what_nothing_beats(page: Page, truth: Truth) -> None:
    unbeaten = truth.unbeaten(truth.sizes)
    assert f"nothing beats these {len(unbeaten)} of {len(truth.sizes)}" in words(page)
    line = next(t for t in traces(page, "frontier_artifact_bytes") if t["name"] == "frontier")
    drawn = sorted(zip(line["x"], line["y"], strict=True))
    sizes = sorted((truth.sizes[key] / 2**20, truth.capability[key]) for key in unbeaten)
    assert drawn == [pytest.approx(pair) for pair in sizes]


def test_decode_rate_is_another_axis(page: Page, truth: Truth) -> None:
    press(page, "Decode rate")
    rates = truth.metric("decode", "decode_tps", depth=0)
    for key, (x, _) in points(page, truth, "frontier_decode_tps").items():
        assert x == pytest.approx(rates[key], rel=1e-9)
    unbeaten = truth.unbeaten(rates, lower=False)
    assert re.search(rf"nothing beats (these|this) {len(unbeaten)} of", words(page))


def test_peak_memory_is_an_axis_and_unmeasured_energy_a_sentence(page: Page, truth: Truth) -> None:
    press(page, "Peak memory")
    peaks = truth.metric("memory", "peak_rss_bytes")
    for key, (x, _) in points(page, truth, "frontier_peak_rss_bytes").items():
        assert x == pytest.approx(peaks[key] / 2**20, rel=1e-9)
    press(page, "Energy")
    assert "No energy was measured on" in words(page)


def test_a_click_on_a_point_opens_its_raw_samples_and_the_command(page: Page, truth: Truth) -> None:
    drawn = traces(page, "frontier_artifact_bytes")
    at = next(i for i, trace in enumerate(drawn) if trace["name"] == "small")
    click_point(page, "frontier_artifact_bytes", at, 0)
    name = re.search(r"<b>(.*?)</b>", drawn[at]["hovertext"][0])[1]  # type: ignore[index]
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    model, _, quant = name.partition(" ")
    select(page, "Measurement", "tg16")
    seconds = truth.samples("decode", "decode_s", (model, quant), depth=0)
    assert traces(page, "frontier_cell_chart")[0]["y"] == pytest.approx(seconds)
    shot(page, "frontier-cell")
    page.get_by_role("tab", name="Environment").click()
    assert "engine" in str(rows_of(page, "frontier_cell_environment"))
    page.get_by_role("tab", name="Repeat it").click()
    expect(page.get_by_text("grid sweep pages.toml")).to_be_visible()
    page.get_by_role("tab", name="Figures").click()
    figures = {row[0]: row[1] for row in rows_of(page, "frontier_cell_figures")}
    assert float(figures["decode_tps"].replace(",", "")) == pytest.approx(
        truth.metric("decode", "decode_tps", depth=0)[model, quant], rel=1e-3
    )


def test_without_a_mouse_the_box_opens_the_same(page: Page) -> None:
    select(page, "What is behind", "large Q2_K")
    expect(page.get_by_role("heading", name="large Q2_K")).to_be_visible()
    ringed = [t for t in traces(page, "frontier_artifact_bytes") if t["mode"] == "markers"][-1]
    assert len(ringed["x"]) == 1


def test_the_table_has_every_variant(page: Page, truth: Truth) -> None:
    unfold(page, "All of them as a table")
    settled(page)
    rows = rows_of(page, "frontier_table")
    head, body = rows[0], rows[1:]
    quality = {row[head.index("variant")]: row[head.index("quality")] for row in body}
    for (model, quant), value in truth.capability.items():
        assert quality[f"{model} {quant}"].startswith(f"{value:.3f}")
    on = {row[head.index("variant")] for row in body if row[head.index("on it")] == "yes"}
    assert on == {" ".join(key) for key in truth.unbeaten(truth.sizes)}


def test_a_filter_leaves_the_others_out(page: Page, truth: Truth) -> None:
    select(page, "Model", "small")
    page.keyboard.press("Escape")
    settled(page)
    assert f" of {sum(model == 'small' for model, _ in truth.sizes)} in quality" in words(page)
    assert {t["name"] for t in traces(page, "frontier_artifact_bytes")} >= {"small"}
    assert "large" not in {t["name"] for t in traces(page, "frontier_artifact_bytes")}


def test_weights_move_quality(page: Page, truth: Truth) -> None:
    unfold(page, "Weights of the tasks")
    classes = sorted(next(iter(truth.gains.values())))
    for name in classes[1:]:
        page.get_by_label(name, exact=True).fill("0")
        page.get_by_label(name, exact=True).press("Enter")
        page.wait_for_timeout(200)
        settled(page)
    first = classes[0]
    for key, (_, y) in points(page, truth, "frontier_artifact_bytes").items():
        items = list(truth.gains[key][first].values())
        assert y == pytest.approx(sum(items) / len(items), abs=1e-9)
