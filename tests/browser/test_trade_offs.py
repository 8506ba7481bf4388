"""Trade-offs says what the rows say, marks the pick, and opens what is behind a point."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.harness import (
    App,
    click_point,
    page_of,
    press,
    rerun,
    rows_of,
    select,
    settled,
    shot,
    traces,
    unfold,
    words,
)  # fmt: skip
from browser.truth import GIB, Truth, by_name

SIZE = "frontier_artifact_bytes"


@pytest.fixture
def page(app: App) -> Iterator[Page]:
    page = page_of(app, "Trade-offs")
    yield page
    page.context.close()


@pytest.fixture
def truth(swept: Path) -> Truth:
    return Truth(swept)


def test_sizes_and_qualities_are_those_of_the_rows_and_nothing_beats_the_line(
    page: Page, truth: Truth
) -> None:
    drawn = traces(page, SIZE)
    assert by_name(drawn, "x") == pytest.approx({k: s / 2**20 for k, s in truth.sizes.items()})
    assert by_name(drawn, "y") == pytest.approx(truth.capability, abs=1e-9)
    unbeaten = truth.unbeaten(truth.sizes)
    assert f"{len(unbeaten)} of {len(truth.sizes)} variants are not beaten" in words(page)
    line = next(trace for trace in drawn if trace["name"] == "frontier")
    expected = sorted((truth.sizes[key] / 2**20, truth.capability[key]) for key in unbeaten)
    assert sorted(zip(line["x"], line["y"], strict=True)) == [pytest.approx(p) for p in expected]


def test_each_cost_is_an_axis_and_what_was_not_measured_is_none(page: Page, truth: Truth) -> None:
    expect(page.get_by_role("radio", name="energy")).to_have_count(0)
    press(page, "speed")
    rates = truth.metric("decode", "decode_tps", depth=0)
    assert by_name(traces(page, "frontier_decode_tps"), "x") == pytest.approx(rates)
    unbeaten = truth.unbeaten(rates, lower=False)
    assert re.search(rf"{len(unbeaten)} of \d+ variants? (is|are) not beaten", words(page))
    press(page, "peak memory")
    peaks = truth.metric("memory", "peak_rss_bytes")
    drawn = by_name(traces(page, "frontier_peak_rss_bytes"), "x")
    assert drawn == pytest.approx({key: peak / 2**20 for key, peak in peaks.items()})


def test_the_pick_of_the_first_page_is_ringed(app: App, page: Page) -> None:
    first = page_of(app, "Pick")
    ringed = ring(first, "pick_trade_off")
    first.context.close()
    assert ring(page, SIZE) == ringed
    [dot] = [t for t in traces(page, "bang_chart") if t["name"] == "pick"] or [None]
    assert dot is None or len(dot["x"]) == 1


def test_the_ring_keeps_the_limits_that_are_set_on_pick(app: App, truth: Truth) -> None:
    page = page_of(app, "Pick")
    fastest = max(truth.metric("decode", "decode_tps", depth=0).values())
    box = page.get_by_role("combobox", name="Least speed")
    box.click()
    box.fill(f"{fastest / 2:.0f}")
    box.press("Enter")
    rerun(page)
    ringed = ring(page, "pick_trade_off")
    page.locator('[data-testid="stTopNavLink"]', has_text="Trade-offs").click()
    page.wait_for_selector(f".st-key-{SIZE} .main-svg")
    rerun(page)
    assert ring(page, SIZE) == ringed
    assert "Ring: the pick by the limits set on Pick." in words(page)
    page.context.close()


def ring(page: Page, key: str) -> tuple[str, ...]:
    """Model and quant of the point that the pick's ring is on."""
    drawn = traces(page, key)
    [pick] = [trace for trace in drawn if trace["name"] == "pick"]
    xs, ys = by_name(drawn, "x"), by_name(drawn, "y")
    place = (pick["x"][0], pick["y"][0])
    [name] = [key for key in xs if (xs[key], ys[key]) == pytest.approx(place)]
    return name


def test_a_click_on_a_point_opens_its_raw_samples_and_the_command(page: Page, truth: Truth) -> None:
    drawn = traces(page, SIZE)
    at = next(i for i, trace in enumerate(drawn) if trace["name"] == "small")
    click_point(page, SIZE, at, 0)
    name = re.search(r"<b>(.*?)</b>", drawn[at]["hovertext"][0])[1]  # type: ignore[index]
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    model, _, quant = name.partition(" ")
    select(page, "Measurement", "tg16")
    seconds = truth.samples("decode", "decode_s", (model, quant), depth=0)
    assert traces(page, "frontier_cell_chart")[0]["y"] == pytest.approx(seconds)
    shot(page, "trade-offs-cell")
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
    select(page, "Details of", "large Q2_K")
    expect(page.get_by_role("heading", name="large Q2_K")).to_be_visible()
    [opened] = [trace for trace in traces(page, SIZE) if trace["name"] == "opened"]
    assert len(opened["x"]) == 1


def test_the_table_has_every_variant(page: Page, truth: Truth) -> None:
    unfold(page, "All of them as a table")
    settled(page)
    head, *body = rows_of(page, "frontier_table")
    quality = {row[head.index("variant")]: row[head.index("quality")] for row in body}
    for (model, quant), value in truth.capability.items():
        assert quality[f"{model} {quant}"].startswith(f"{value:.3f}")
    on = {row[head.index("variant")] for row in body if row[head.index("not beaten")] == "yes"}
    assert on == {" ".join(key) for key in truth.unbeaten(truth.sizes)}


def test_a_filter_leaves_others_out_and_weights_move_quality(page: Page, truth: Truth) -> None:
    select(page, "Models", "small")
    page.keyboard.press("Escape")
    settled(page)
    small = [key for key in truth.sizes if key[0] == "small"]
    assert f" of {len(small)} variants" in words(page)
    assert set(by_name(traces(page, SIZE), "x")) == set(small)
    page.get_by_role("button", name="Filters").click()
    classes = sorted(next(iter(truth.gains.values())))
    for name in classes[1:]:
        page.get_by_label(name, exact=True).fill("0")
        page.get_by_label(name, exact=True).press("Enter")
        page.wait_for_timeout(200)
        settled(page)
    for key, y in by_name(traces(page, SIZE), "y").items():
        items = list(truth.gains[key][classes[0]].values())
        assert y == pytest.approx(sum(items) / len(items), abs=1e-9)


def test_quality_per_gib_and_bubbles(page: Page, truth: Truth) -> None:
    expected = {key: value / (truth.sizes[key] / GIB) for key, value in truth.capability.items()}
    assert by_name(traces(page, "bang_chart"), "x") == pytest.approx(expected)
    best = max(expected, key=expected.__getitem__)
    assert f"{' '.join(best)} has the most quality per GiB" in words(page)
    drawn = traces(page, "bang_bubbles")
    assert by_name(drawn, "x") == pytest.approx(truth.metric("decode", "decode_tps", depth=0))
    assert by_name(drawn, "y") == pytest.approx(truth.capability)


def test_pairs_are_of_equal_sizes_and_their_differences_those_of_quality(
    page: Page, truth: Truth
) -> None:
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
