"""The figures of Bang per bit, Sensitivity and Speed are those of the rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from browser.harness import App, page_of, press, rows_of, select, settled, traces, unfold, words
from browser.truth import GIB, Truth, mean


@pytest.fixture
def truth(swept: Path) -> Truth:
    return Truth(swept)


def by_name(drawn: list[dict[str, Any]], field: str) -> dict[tuple[str, str], float]:
    """A coordinate of a chart's points by the model and quant that their hover names."""
    by_label = {}
    for trace in drawn:
        for value, text in zip(trace[field], trace["hovertext"] or [], strict=False):
            name = re.search(r"<b>(.*?)</b>", text)
            assert name
            model, _, quant = name[1].partition(" ")
            by_label[model, quant] = value
    return by_label


def test_quality_per_gib(app: App, truth: Truth) -> None:
    page = page_of(app, "Bang per bit")
    expected = {key: value / (truth.sizes[key] / GIB) for key, value in truth.capability.items()}
    assert by_name(traces(page, "bang_chart"), "x") == pytest.approx(expected)
    best = max(expected, key=expected.__getitem__)
    assert f"{' '.join(best)} has the most quality per GiB" in words(page)


def test_bubbles_are_speed_and_quality(app: App, truth: Truth) -> None:
    page = page_of(app, "Bang per bit")
    drawn = traces(page, "bang_bubbles")
    assert by_name(drawn, "x") == pytest.approx(truth.metric("decode", "decode_tps", depth=0))
    assert by_name(drawn, "y") == pytest.approx(truth.capability)


def test_duels_are_of_equal_sizes_and_their_differences_those_of_quality(
    app: App, truth: Truth
) -> None:
    page = page_of(app, "Bang per bit")
    head, *body = rows_of(page, "bang_duels")
    sizes, names = truth.sizes, {" ".join(key): key for key in truth.sizes}
    alike = [
        (a, b)
        for a in sizes
        for b in sizes
        if a[0] > b[0] and max(sizes[a], sizes[b]) <= 1.1 * min(sizes[a], sizes[b])
    ]
    pairs = "1 pair is" if len(body) == 1 else f"{len(body)} pairs are"
    assert f"{pairs} of equal size within 10 %" in words(page)
    assert len(body) >= len(alike) > 0
    for row in body:
        left, right = (names[row[head.index(f"{which} model")]] for which in ("smaller", "larger"))
        difference = float(row[head.index("difference")].split()[0])
        expected = truth.capability[left] - truth.capability[right]
        assert difference == pytest.approx(expected, abs=6e-4)


def test_the_heatmap_is_what_is_kept_of_16_bits(app: App, truth: Truth) -> None:
    page = page_of(app, "Sensitivity")
    [drawn] = traces(page, "sensitivity_map")
    for quant, row in zip(drawn["y"], drawn["z"], strict=True):
        for task_class, value in zip(drawn["x"], row, strict=True):
            if value is not None:
                assert value == pytest.approx(truth.retained(("large", quant), task_class))


def test_another_model_has_another_heatmap_and_its_intervals_are_in_the_table(
    app: App, truth: Truth
) -> None:
    page = page_of(app, "Sensitivity")
    # the sidebar's filter is called alike, and comes first
    box = page.get_by_test_id("stMainBlockContainer").get_by_role("combobox", name="Model")
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


def test_divergences_and_perplexity_ratios(app: App, truth: Truth) -> None:
    page = page_of(app, "Sensitivity")
    for trace in traces(page, "sensitivity_kld"):
        name = {"90 %": "p90", "99 %": "p99", "largest": "max"}.get(trace["name"], trace["name"])
        expected = truth.metric("quality", f"kld_{name}")
        for quant, value in zip(trace["y"], trace["x"], strict=True):
            assert value == pytest.approx(expected["large", quant])
    press(page, "Probability of the true token")
    medians = truth.metric("quality", "dp_median")
    [middle] = [t for t in traces(page, "sensitivity_dp") if t["name"] == "median"]
    for quant, value in zip(middle["y"], middle["x"], strict=True):
        assert value == pytest.approx(medians["large", quant], abs=1e-12)
    press(page, "Perplexity ratio")
    perplexity = truth.metric("quality", "perplexity")
    ratios = by_name(traces(page, "sensitivity_ppl"), "x")
    for key, ratio in ratios.items():
        if key[1] != "F16":
            assert ratio == pytest.approx(perplexity[key] / perplexity["large", "F16"], rel=1e-3)


def test_rates_by_depth_and_relative_to_16_bits(app: App, truth: Truth) -> None:
    page = page_of(app, "Speed")
    deep, empty = "128 tokens of context", "empty context"
    for measure, button in (("decode", None), ("prefill", "Prefill")):
        if button:
            press(page, button)
        drawn = {trace["name"]: trace for trace in traces(page, f"speed_{measure}_rate")}
        for name, depth in ((empty, 0), (deep, 128)):
            expected = truth.metric(measure, f"{measure}_tps", depth=depth)
            assert by_name([drawn[name]], "x") == pytest.approx(expected)
    press(page, "relative to 16 bits")
    drawn = {trace["name"]: trace for trace in traces(page, "speed_prefill_relative")}
    seconds = {key: truth.samples("prefill", "prefill_s", key, depth=0) for key in truth.capability}
    rates = {key: mean([1 / time_s for time_s in series]) for key, series in seconds.items()}
    expected = {key: rate / rates[key[0], "F16"] for key, rate in rates.items()}
    assert by_name([drawn[empty]], "x") == pytest.approx(expected)


def test_time_to_the_first_token_against_size(app: App, truth: Truth) -> None:
    page = page_of(app, "Speed")
    drawn = traces(page, "speed_ttft")
    sizes = by_name(drawn, "x")
    assert sizes == pytest.approx({key: size / 2**20 for key, size in truth.sizes.items()})
    seconds = truth.metric("latency", "ttft_s")
    scale = 1 if max(seconds.values()) >= 1 else 1e-3
    waits = by_name(drawn, "y")
    assert waits == pytest.approx({key: value / scale for key, value in seconds.items()})


def test_the_model_filter_narrows_the_speed_chart(app: App) -> None:
    page = page_of(app, "Speed")
    select(page, "Model", "small")
    page.keyboard.press("Escape")
    settled(page)
    names = by_name(traces(page, "speed_decode_rate"), "x")
    assert {model for model, _ in names} == {"small"}
