"""The page Pick answers five questions on the first screen: what to run, how to run it, how good
it is against 16 bits, how fast it is, whether it fits."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from playwright.sync_api import Browser, Page, expect

from browser.harness import (
    App,
    click_point,
    fits,
    page_of,
    rerun,
    rows_of,
    select,
    serving,
    settled,
    shot,
    traces,
    unfold,
    words,
)  # fmt: skip
from browser.layout import resize
from browser.pick_page import CARD, CHART, SIZES, answers_of, figure, opened
from browser.truth import Truth


@pytest.fixture
def truth(swept: Path) -> Truth:
    return Truth(swept)


@pytest.fixture(scope="module")
def ladder(swept: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows of one model of the real sweep without its tasks: a ladder with KLD only."""
    return part_of(
        swept,
        tmp_path_factory.mktemp("ladder") / "rows",
        (pc.field("model") == "large") & (pc.field("measure") != "tasks"),
    )


@pytest.fixture(scope="module")
def ladder_app(
    ladder: Path, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[App]:
    with serving(ladder, tmp_path_factory.mktemp("cache")) as url:
        yield App(url, browser)


def part_of(store: Path, folder: Path, condition: pc.Expression) -> Path:
    """The attempts of a store for which a condition holds, with their rows."""
    folder.mkdir()
    chosen_ids: set[str] = set()
    for name in ("attempts", "metrics", "samples", "items"):
        for path in sorted(store.glob(f"{name}-*.arrow")):
            with pa.ipc.open_file(path) as reader:
                table = reader.read_all()
            if name == "attempts":
                table = table.filter(condition)
                chosen_ids.update(table["attempt_id"].to_pylist())
            ids = pa.array(sorted(chosen_ids), pa.string())
            table = table.filter(pc.is_in(table["attempt_id"], value_set=ids))
            with pa.ipc.new_file(folder / path.name, table.schema) as writer:
                writer.write_table(table)
    return folder


def recommended(store: Path | str, *options: str) -> dict[str, Any]:
    """What the terminal says; its own figures are checked in tests of the advice."""
    command = [sys.executable, "-m", "grid", "recommend", "--store", str(store), "--json"]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=120, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("store", ["app", "ladder_app"])
def test_five_questions_are_answered_on_the_first_screen(
    size: str, store: str, request: pytest.FixtureRequest
) -> None:
    page = opened(request.getfixturevalue(store), size)
    width, _, lowest = SIZES[size]
    for question, place in answers_of(page).items():
        expect(place).to_be_visible()
        box = place.bounding_box()
        assert box is not None, question
        assert box["x"] >= 0, question
        assert box["x"] + box["width"] <= width, question
        assert box["y"] >= 0, question
        assert box["y"] + box["height"] <= lowest, question
        assert len(place.inner_text().strip()) > 3, question
    assert fits(page)
    shot(page, f"first-page-{store}-{size}")
    page.context.close()


@pytest.mark.parametrize(("store", "rows"), [("app", "swept"), ("ladder_app", "ladder")])
def test_the_answers_are_those_of_the_terminal(
    store: str, rows: str, request: pytest.FixtureRequest
) -> None:
    page = opened(request.getfixturevalue(store), "laptop")
    advice = recommended(request.getfixturevalue(rows))
    pick = advice["pick"]
    assert page.locator(f"{CARD} .answer h2").inner_text() == f"{pick['model']} {pick['quant']}"
    shown = page.locator(f"{CARD} [data-testid=stCode]").first.inner_text()
    assert "llama-server" in shown
    assert f"-c {pick['context']}" in shown
    assert figure(page, "Memory").inner_text().count("Fits") == 1
    page.context.close()


def test_the_figures_are_those_of_the_rows(app: App, swept: Path, truth: Truth) -> None:
    page = opened(app, "laptop")
    pick = recommended(swept)["pick"]
    key = (pick["model"], pick["quant"])
    assert f"{truth.capability[key]:.3f}" in figure(page, "Capability").inner_text()
    rate = truth.metric("decode", "decode_tps", depth=0)[key]
    assert f"{rate:,.0f} token/s" in figure(page, "Speed").inner_text()
    assert "measured here" in figure(page, "Speed").inner_text()
    share = truth.capability[key] / truth.capability[key[0], "F16"]
    assert f"{100 * share:.0f} %" in figure(page, "Against 16 bits").inner_text() or share == 1
    for x, size in places(page, truth).values():
        assert x == pytest.approx(size / 2**20, rel=1e-9)
    page.context.close()


def places(page: Page, truth: Truth) -> dict[tuple[str, str], tuple[float, int]]:
    """The chart's x and the rows' bytes by model and quant."""
    by_key = {}
    for trace in traces(page, CHART):
        for x, text in zip(trace["x"], trace["hovertext"] or [], strict=False):
            name = re.search(r"<b>(.*?)</b>", text)
            assert name is not None
            model, _, quant = name[1].partition(" ")
            by_key[model, quant] = (x, truth.sizes[model, quant])
    assert set(by_key) == set(truth.sizes)
    return by_key


def test_on_a_phone_the_pick_comes_first(app: App) -> None:
    page = opened(app, "phone")
    places = (CARD, ".st-key-bar", ".st-key-pick_chart", ".st-key-pick_table")
    tops = [box["y"] for place in places if (box := page.locator(place).bounding_box())]
    assert len(tops) == len(places)
    assert tops == sorted(tops)
    page.context.close()


def test_the_card_does_not_wait_for_the_chart(app: App) -> None:
    page = app.browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.add_init_script(
        """window.order = [];
        const note = (name, selector) => {
            if (!window.order.includes(name) && document.querySelector(selector))
                window.order.push(name);
        };
        new MutationObserver(() => {
            note('card', '.st-key-pick_card .answer');
            note('chart', '.js-plotly-plot .main-svg');
        }).observe(document, {childList: true, subtree: true});"""
    )
    page.goto(app.url)
    settled(page)
    assert page.evaluate("window.order") == ["card", "chart"]
    page.context.close()


def test_a_click_opens_figures_beside_the_chart(app: App, truth: Truth) -> None:
    page = opened(app, "laptop")
    drawn = traces(page, CHART)
    at = next(i for i, trace in enumerate(drawn) if trace["name"] == "small")
    click_point(page, CHART, at, 0)
    name = re.search(r"<b>(.*?)</b>", drawn[at]["hovertext"][0])
    assert name is not None
    panel, chart = page.locator(".details"), page.locator(f".st-key-{CHART}")
    expect(panel.locator("thead")).to_contain_text(name[1])
    model, _, quant = name[1].partition(" ")
    expect(panel).to_contain_text(f"{truth.capability[model, quant]:.3f}")
    beside, drawing = panel.bounding_box(), chart.bounding_box()
    assert beside is not None
    assert drawing is not None
    assert beside["x"] >= drawing["x"] + drawing["width"]
    assert beside["y"] < drawing["y"] + drawing["height"]
    select(page, "Compare with", "large F16")
    expect(panel.locator("thead")).to_contain_text("large F16")
    assert "variant=" in page.url
    assert "with=" in page.url
    page.context.close()


def test_a_limit_that_nothing_meets_says_what_to_relax(app: App) -> None:
    page = opened(app, "laptop", "?size=0.0001")
    shown = words(page)
    assert "To get an answer" in shown
    assert re.search(r"raise size from \S+ KiB to \S+ [KM]iB for", shown)
    page.context.close()


def test_a_card_that_nobody_measured_gets_a_prediction_marked_as_one(app: App) -> None:
    page = opened(app, "laptop")
    page.get_by_role("button", name="Other hardware").click()
    page.get_by_role("radio", name="a card, Mac or memory").click()
    rerun(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text("RTX 4090")
    expect(figure(page, "Speed")).to_contain_text("predicted")
    page.keyboard.press("Escape")
    shot(page, "first-page-predicted")
    page.context.close()


def test_the_table_is_searched_and_downloaded(app: App, truth: Truth, tmp_path: Path) -> None:
    page = opened(app, "laptop")
    head, *body = rows_of(page, "pick_candidates")
    quants = {(row[head.index("model")], row[head.index("quant")]) for row in body}
    assert quants <= set(truth.sizes)
    box = page.get_by_role("textbox", name="Search")
    box.fill("small q8_0")
    box.press("Enter")
    rerun(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download table").click()
    target = tmp_path / "pick.csv"
    waiting.value.save_as(target)
    lines = target.read_text().splitlines()
    assert lines[0].startswith("model,quant,")
    assert any(line.startswith("small,Q8_0,") for line in lines[1:])
    assert all("small" in line and "Q8_0" in line for line in lines[1:])
    page.context.close()


def test_reasons_name_the_evidence(app: App) -> None:
    page = opened(app, "laptop")
    unfold(page, "Why this one")
    shown = words(page)
    assert "How sure:" in shown
    assert "Measure it again:" in shown
    head, *rows = rows_of(page, "pick_evidence")
    assert any("measured here" in row[head.index("where from")] for row in rows)
    page.context.close()


def test_two_sweeps_stand_beside_each_other_and_below_on_a_phone(
    browser: Browser, swept: Path, tmp_path: Path
) -> None:
    store = tmp_path / "rows"
    store.mkdir()
    for number, name in enumerate(("early", "later")):
        add_as_sweep(store, swept, name, number)
    with serving(store, tmp_path / "cache") as url:
        page = opened(App(url, browser), "laptop", "?sweep=early&beside=sweep+later")
        boxes = [card.bounding_box() for card in page.locator(".answer:not(.choice)").all()]
        assert len(boxes) == 2
        left, right = boxes
        assert left is not None
        assert right is not None
        assert right["x"] >= left["x"] + left["width"]
        assert len(page.locator("[data-testid=stPlotlyChart]").all()) == 2
        assert fits(page)
        resize(page, *SIZES["phone"][:2])
        boxes = [card.bounding_box() for card in page.locator(".answer:not(.choice)").all()]
        assert boxes[1]["y"] > boxes[0]["y"] + boxes[0]["height"]  # type: ignore[index]
        assert fits(page)
        shot(page, "first-page-beside-phone")
        page.context.close()


def add_as_sweep(store: Path, source: Path, sweep: str, number: int) -> None:
    """Add the rows of another store as those of a sweep of this name and number."""
    renamed: dict[str, Callable[[str], str]] = {
        "attempt_id": lambda name: f"{name}-{sweep}",
        "sweep_id": lambda _: sweep,
        "sweep": lambda _: sweep,
    }
    for path in sorted(source.glob("*.arrow")):
        with pa.ipc.open_file(path) as reader:
            table = reader.read_all()
        for name in set(renamed) & set(table.schema.names):
            at = table.schema.get_field_index(name)
            values = pa.array([renamed[name](value) for value in table[name].to_pylist()])
            table = table.set_column(at, table.schema.field(at), values)
        target = store / f"{path.stem[:-1]}{number}{path.suffix}"
        with pa.ipc.new_file(target, table.schema) as writer:
            writer.write_table(table)


def test_an_empty_store_says_what_to_type(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path / "none", tmp_path / "cache") as url:
        page = opened(App(url, browser), "phone")
        expect(page.get_by_role("heading", level=1)).to_have_text("What to run")
        assert f"grid sweep --store {tmp_path / 'none'}" in words(page)
        assert fits(page)
        page.context.close()


def test_a_store_of_imported_rows_answers_as_the_terminal(browser: Browser, tmp_path: Path) -> None:
    store = tmp_path / "rows"
    command = [sys.executable, "-m", "grid", "import", "--published", "--store", str(store)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with serving(store, tmp_path / "cache") as url:
        page = opened(App(url, browser), "laptop")
        heading = page.get_by_role("heading", level=1).inner_text()
        hardware = heading.removeprefix("What to run on ")
        pick = recommended(store, "--hardware", hardware)["pick"]
        shown = page.locator(f"{CARD} .answer h2").inner_text()
        assert shown == f"{pick['model']} {pick['quant']}"
        assert "Third-party figures" in words(page)
        page.context.close()


def test_page_of_the_navigation_is_the_first(app: App) -> None:
    page = page_of(app, "Pick")
    expect(page.locator(f"{CARD} .answer h2")).to_be_visible()
    page.context.close()
