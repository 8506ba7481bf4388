"""The figures of Speed and memory are those of the rows, and its boxes change them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from browser.harness import App, page_of, press, rerun, select, settled, traces, words
from browser.truth import Key, Truth, by_name, mean

MIB = 2**20


@pytest.fixture
def page(app: App) -> Iterator[Page]:
    page = page_of(app, "Speed and memory")
    yield page
    page.context.close()


@pytest.fixture
def truth(swept: Path) -> Truth:
    return Truth(swept)


def test_rates_by_depth_and_relative_to_16_bits(page: Page, truth: Truth) -> None:
    deep, empty = "128 tokens of context", "empty context"
    for measure, button in (("decode", None), ("prefill", "prefill")):
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


def test_time_to_the_first_token_against_size(page: Page, truth: Truth) -> None:
    drawn = traces(page, "speed_ttft")
    sizes = by_name(drawn, "x")
    assert sizes == pytest.approx({key: size / 2**20 for key, size in truth.sizes.items()})
    seconds = truth.metric("latency", "ttft_s")
    scale = 1 if max(seconds.values()) >= 1 else 1e-3
    waits = by_name(drawn, "y")
    assert waits == pytest.approx({key: value / scale for key, value in seconds.items()})


def test_the_model_filter_narrows_the_speed_chart(page: Page) -> None:
    select(page, "Models", "small")
    page.keyboard.press("Escape")
    settled(page)
    names = by_name(traces(page, "speed_decode_rate"), "x")
    assert {model for model, _ in names} == {"small"}


def cache_bytes(truth: Truth, tokens: int) -> dict[Key, int]:
    """KV cache at 16 bits from the layers that the rows keep."""
    sizes = {}
    for row in truth.attempts.values():
        layers = json.loads(row["kv_cache"])
        each = sum(layer["key"] + layer["value"] for layer in layers)
        sizes[row["model"], row["quant"]] = 2 * tokens * each
    return sizes


def total_bytes(truth: Truth, tokens: int) -> dict[Key, float]:
    """Weights, cache, and what the process took beside both when 512 tokens were measured."""
    peaks = truth.metric("memory", "peak_rss_bytes")
    measured, wanted = cache_bytes(truth, 512), cache_bytes(truth, tokens)
    return {key: peaks[key] - measured[key] + wanted[key] for key in peaks}


def test_memory_adds_weights_cache_and_the_rest(page: Page, truth: Truth) -> None:
    totals = total_bytes(truth, 4096)
    assert f"{len(totals)} of {len(totals)} fit 8 GiB with 4,096 tokens" in words(page)
    drawn = [trace for trace in traces(page, "memory_chart") if trace["type"] == "bar"]
    sums = sorted(sum(parts) for parts in zip(*(trace["x"] for trace in drawn), strict=True))
    assert sums == pytest.approx(sorted(total / MIB for total in totals.values()), rel=1e-6)
    assert "were made for a shorter context" in words(page)


def test_a_small_budget_leaves_the_large_ones_out(page: Page, truth: Truth) -> None:
    totals = total_bytes(truth, 4096)
    budget = sorted(totals.values())[len(totals) // 2] / 2**30
    select(page, "Memory", "other")
    box = page.get_by_role("spinbutton", name="GiB")
    box.fill(f"{budget:.2f}")
    box.press("Enter")
    rerun(page)
    inside = sum(total <= float(f"{budget:.2f}") * 2**30 for total in totals.values())
    if inside:
        assert f"{inside} of {len(totals)} fit" in words(page)
    else:
        assert "Nothing fits" in words(page)
