"""The figures of Quality loss are those of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from browser.harness import App, page_of, press, rows_of, settled, traces, unfold, words
from browser.truth import Truth, by_name


@pytest.fixture
def page(app: App) -> Iterator[Page]:
    page = page_of(app, "Quality loss")
    yield page
    page.context.close()


@pytest.fixture
def truth(swept: Path) -> Truth:
    return Truth(swept)


def test_the_heatmap_is_what_is_kept_of_16_bits(page: Page, truth: Truth) -> None:
    drawn = traces(page, "sensitivity_map")[0]
    for quant, row in zip(drawn["y"], drawn["z"], strict=True):
        for task_class, value in zip(drawn["x"], row, strict=True):
            if value is not None:
                assert value == pytest.approx(truth.retained(("large", quant), task_class))


def test_another_model_has_another_heatmap_and_its_intervals_are_in_the_table(
    page: Page, truth: Truth
) -> None:
    box = page.get_by_role("combobox", name="Model", exact=True)
    box.click()
    page.get_by_role("option", name="small", exact=True).click()
    page.wait_for_timeout(200)
    settled(page)
    assert "small:" in words(page)
    unfold(page, "As a table, with 95 % intervals")
    head, *body = rows_of(page, "sensitivity_table")
    for row in body:
        quant, task_class, retained = (
            row[head.index(n)] for n in ("quant", "task", "kept (95 % interval)")
        )
        if retained != "-":
            shown = float(retained.split()[0].removeprefix(">"))
            assert shown == pytest.approx(
                100 * truth.retained(("small", quant), task_class), abs=0.51
            )
            assert "to" in retained or shown == 100


def test_divergences_and_perplexity_ratios(page: Page, truth: Truth) -> None:
    for trace in traces(page, "sensitivity_kld"):
        name = {"90 %": "p90", "99 %": "p99", "largest": "max"}.get(trace["name"], trace["name"])
        expected = truth.metric("quality", f"kld_{name}")
        for quant, value in zip(trace["y"], trace["x"], strict=True):
            assert value == pytest.approx(expected["large", quant])
    press(page, "probability of the true token")
    medians = truth.metric("quality", "dp_median")
    [middle] = [t for t in traces(page, "sensitivity_dp") if t["name"] == "median"]
    for quant, value in zip(middle["y"], middle["x"], strict=True):
        assert value == pytest.approx(medians["large", quant], abs=1e-12)
    press(page, "perplexity ratio")
    perplexity = truth.metric("quality", "perplexity")
    ratios = by_name(traces(page, "sensitivity_ppl"), "x")
    for key, ratio in ratios.items():
        if key[1] != "F16":
            assert ratio == pytest.approx(perplexity[key] / perplexity["large", "F16"], rel=1e-3)
