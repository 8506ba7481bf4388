"""The page Compare outputs: what can be chosen, how outputs are shown, and what goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import grid_fake
import pytest
from fake_sweep import FAKE_SWEEP
from streamlit.testing.v1 import AppTest

from grid.app.background_command import BackgroundCommand
from grid.app.pages.compare import (
    escape_markdown,
    first_choice,
    output_html,
    sentence,
    titles_of,
    token_rows,
    token_text,
)

PAGE = 'from grid.app.navigation import draw_page\ndraw_page("compare")\n'


def output(quant: str, *tokens: str, **fields: Any) -> dict[str, Any]:
    return {
        "label": f"m {quant}", "model": "m", "quant": quant, "backend": "fake", "status": "ok",
        "reason": "", "note": "", "is_reference": False, "text": "".join(tokens), "ended": False,
        "tokens": [{"id": n, "text": token} for n, token in enumerate(tokens)], "same": None,
        "parts": None, "ttft_s": 0.1, "decode_tps": 10.0, **fields,
    }  # fmt: skip


WHOLE = output("F16", " a", " cat", is_reference=True)
PARTED = output(
    "Q2", " a", " dog", same=False,
    parts={
        "index": 1, "common": 2, "token": {"id": 1, "text": " dog"},
        "reference_token": {"id": 1, "text": " cat"},
    },
)  # fmt: skip
SAME = output("Q8", " a", " cat", same=True)
FAILED = output("Q4", status="unsupported", reason="no engine for it")


class Marked(HTMLParser):
    """What is inside <mark>, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inside = False
        self.marked = self.all = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.inside = self.inside or tag == "mark"

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "mark"

    def handle_data(self, data: str) -> None:
        self.all += data
        self.marked += data if self.inside else ""


def test_the_answer_says_who_parts_where_and_who_does_not() -> None:
    assert sentence([WHOLE, PARTED, SAME, FAILED]) == (
        "No difference in m Q8; m Q2 parts at token 1, with “␣dog” instead of “␣cat”; "
        "m Q4 gave nothing."
    )


def test_one_output_is_compared_with_nothing() -> None:
    assert sentence([WHOLE]) == "One output, and nothing to compare it with."


def test_the_parting_token_is_framed_and_the_whole_text_is_there() -> None:
    shown = Marked(output_html(PARTED, "#888"))
    assert shown.marked == " dog"
    assert shown.all == " a dog"


def test_an_output_that_ended_sooner_is_marked_at_its_end() -> None:
    parts = {"index": 1, "common": 2, "token": None, "reference_token": {"id": 1, "text": " b"}}
    shown = Marked(output_html(output("Q2", " a", same=False, parts=parts), "#888"))
    assert (shown.marked, shown.all) == ("(end)", " a(end)")


def test_model_output_is_escaped() -> None:
    nasty = output("Q2", "<script>alert(1)</script>", " &amp;")
    assert Marked(output_html(nasty, "#888")).all == "<script>alert(1)</script> &amp;"
    assert escape_markdown("*a* [b](c) :red[d]") == r"\*a\* \[b\]\(c\) \:red\[d\]"


def test_spaces_and_ends_of_lines_are_seen() -> None:
    assert token_text({"id": 1, "text": " a\n"}) == "“␣a⏎”"
    assert token_text(None) == "the end of the text"


def test_the_first_choice_is_16_bits_a_middle_and_the_smallest_of_one_model() -> None:
    variants = [
        {"id": str(n), "model": "m", "quant": quant, "bytes": size, "label": quant, "backend": "b"}
        for n, (quant, size) in enumerate([("Q8", 8), ("F16", 16), ("Q2", 2), ("Q4", 4)])
    ]
    elsewhere = {**variants[0], "id": "9", "model": "n", "label": "Q8"}
    assert first_choice([*variants, elsewhere]) == ["1", "3", "2"]
    assert titles_of([*variants, elsewhere])["0"] == "Q8 (8 B, b)"
    assert titles_of(variants)["1"] == "F16 (16 B)"


def test_tokens_stand_beside_each_other() -> None:
    table = token_rows([WHOLE, output("Q2", " a"), FAILED])
    assert table == {
        "token": [0, 1], "m F16 · fake": ["' a'", "' cat'"], "m Q2 · fake": ["' a'", ""],
    }  # fmt: skip


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of a fake model's four quants."""
    folder = tmp_path_factory.mktemp("compare")
    grid_fake.write(folder / "toy.fake")
    (folder / "toy.toml").write_text(FAKE_SWEEP)
    command = ["sweep", "toy.toml", "--store", "rows", "--executor", "inline"]
    done = subprocess.run(
        [sys.executable, "-m", "grid", *command],
        cwd=folder, env={**os.environ, "QUANTGRID_CACHE": str(folder / "cache")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def page(swept: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("QUANTGRID_STORE", str(swept / "rows"))
    drawn = AppTest.from_string(PAGE, default_timeout=120).run()
    assert not drawn.exception
    return drawn


def done(page: AppTest) -> AppTest:
    """The page when the comparison that it began has ended."""
    command = page.session_state["compare_job"]
    assert isinstance(command, BackgroundCommand)
    command.wait()
    page.run()
    assert not page.exception
    return page


def words(page: AppTest) -> str:
    parts = (*page.markdown, *page.warning, *page.error, *page.info, *page.get("html"))
    return " ".join(str(getattr(part, "value", None) or part.proto.body) for part in parts)


def test_a_comparison_is_shown_side_by_side(page: AppTest) -> None:
    assert not page.error
    page.text_area(key="compare_prompt").set_value("The cat sat on")
    page.number_input(key="compare_tokens").set_value(16)
    page.button[0].click().run()
    done(page)
    text = words(page)
    for quant in ("F16", "Q2"):
        assert f"toy {quant}" in text
    assert "<mark" in text
    tokens = page.dataframe[-1].value
    assert len(tokens) == 16


def test_comparing_no_variants_is_explained(page: AppTest) -> None:
    page.multiselect(key="compare_variants").set_value([])
    page.button[0].click().run()
    assert page.error[0].value == "choose at least one variant"
    assert not page.exception


def test_an_empty_prompt_is_explained(page: AppTest) -> None:
    page.text_area(key="compare_prompt").set_value("  ")
    page.button[0].click().run()
    assert page.error[0].value == "the prompt is empty; give a text to go on with"
    assert not page.exception


def test_a_comparison_can_be_cancelled(page: AppTest) -> None:
    page.session_state["compare_job"] = BackgroundCommand(
        ["compare", "--store", "none", "--prompt", "-"], limit_s=60
    )
    command = page.session_state["compare_job"]
    command.cancel()
    done(page)
    assert "nothing was compared: cancelled" in page.error[0].value


def test_a_store_of_imports_cannot_be_compared_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grid.results.imports import published_store

    monkeypatch.setenv("QUANTGRID_STORE", published_store())
    drawn = AppTest.from_string(PAGE, default_timeout=60).run()
    assert not drawn.exception
    assert "only what was measured here can be run" in words(drawn)


def test_a_command_is_ended_at_its_time_limit(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(swept)
    (swept / "slow.toml").write_text(FAKE_SWEEP + '[options.fake]\nhang_on = "generate"\n')
    started = time.monotonic()
    command = BackgroundCommand(
        ["compare", "slow.toml", "--quants", "F16", "--prompt", "-"], "x", limit_s=3
    )
    command.wait()
    assert command.why_ended == "it took longer than 3.0 s"
    assert command.code != 0
    assert time.monotonic() - started < 20
