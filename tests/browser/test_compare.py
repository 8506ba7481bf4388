"""Compare, clicked through: figures side by side, and outputs of a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
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
    select,
    serving,
    settled,
    shot,
    unfold,
    words,
)
from browser.truth import Truth


def test_two_variants_figures_stand_side_by_side(app: App, swept: Path) -> None:
    truth = Truth(swept)
    page = page_of(app, "Compare")
    select(page, "Variant", "large F16")
    select(page, "Compare with", "small Q2_K")
    table = page.locator(".details").inner_text()
    for key in (("large", "F16"), ("small", "Q2_K")):
        assert " ".join(key) in table
        assert f"{truth.capability[key]:.3f}" in table
    ratio = truth.sizes["small", "Q2_K"] / truth.sizes["large", "F16"]
    assert f"small Q2_K is {ratio:.2f} times the size" in words(page)
    assert fits(page)
    page.reload()
    settled(page)
    assert "Against large F16, small Q2_K" in words(page)
    page.context.close()


@pytest.fixture
def compare(app: App) -> Iterator[Page]:
    page = ready(page_of(app, "Compare"))
    yield page
    page.context.close()


def ready(page: Page) -> Page:
    """The page when it is known what runs here."""
    expect(page.get_by_label("Prompt")).to_be_visible(timeout=WAIT_MS * 2)
    return settled(page)


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
    assert "differs from token" in shown or "No difference in" in shown
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
            assert f"from token {differing[0]} on" in shown
            assert repr(marks.pop(0)) == mine[differing[0]]
    assert marks == []
    assert fits(compare)
    shot(compare, "compare-result-1280-light")


def test_on_a_phone_outputs_stack(app: App) -> None:
    page = ready(page_of(app, "Compare", width=390, dark=True))
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
    expect(compare.get_by_text("Nothing was compared: cancelled")).to_be_visible(timeout=WAIT_MS)
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
        page = page_of(App(url, browser), "Compare")  # type: ignore[arg-type]
        gone = page.get_by_text("None of the store's variants can be run on this machine")
        expect(gone).to_be_visible(timeout=WAIT_MS * 2)
        unfold(page, "cannot be run on this machine")
        assert "no file /nowhere/model.gguf" in words(page)
        page.context.close()
