"""Compare outputs: what can be chosen, how outputs are shown, and what goes wrong."""

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

from grid.app.compare_process import CompareProcess
from grid.app.sections.compare_outputs import PROCESS, first_choice, titles_of
from grid.app.sections.output_texts import output_html, sentence, token_rows, token_text

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


def test_the_answer_says_which_outputs_differ_and_where() -> None:
    assert sentence([WHOLE, PARTED, SAME, FAILED]) == (
        "No difference in m Q8; m Q2 differs from token 1 on: “␣dog” instead of “␣cat”; "
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
    """The page when its process has said what runs here."""
    monkeypatch.setenv("QUANTGRID_STORE", str(swept / "rows"))
    monkeypatch.setenv("QUANTGRID_CACHE", str(swept / "cache"))
    drawn = AppTest.from_string(PAGE, default_timeout=120).run()
    assert not drawn.exception
    return answered(drawn)


def process_of(page: AppTest) -> CompareProcess:
    process = page.session_state[PROCESS]
    assert isinstance(process, CompareProcess)
    return process


def answered(page: AppTest) -> AppTest:
    """The page when what it waits for is there."""
    process_of(page).wait()
    page.run()
    assert not page.exception
    return page


def press(page: AppTest) -> AppTest:
    return next(button for button in page.button if button.label == "Compare").click().run()


def words(page: AppTest) -> str:
    parts = (*page.markdown, *page.warning, *page.error, *page.info, *page.get("html"))
    texts = (str(getattr(part, "value", None) or part.proto.body) for part in parts)
    return " ".join(texts).replace("\\", "")


def test_a_comparison_is_shown_side_by_side_and_the_next_needs_no_new_process(
    page: AppTest,
) -> None:
    assert not page.error
    page.text_area(key="compare_prompt").set_value("The cat sat on")
    page.number_input(key="compare_tokens").set_value(16)
    answered(press(page))
    text = words(page)
    for quant in ("F16", "Q2"):
        assert f"toy {quant}" in text
    assert "<mark" in text
    assert len(page.dataframe[-1].value) == 16
    process = process_of(page)
    page.number_input(key="compare_tokens").set_value(8)
    answered(press(page))
    assert len(page.dataframe[-1].value) == 8
    assert process_of(page) is process


def test_outputs_come_one_after_the_other(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(swept / "cache"))
    process = CompareProcess(str(swept / "rows"))
    process.wait()
    assert process.variants is not None
    process.ask([variant["id"] for variant in process.variants], "The cat", 8)
    process.wait()
    assert process.comparison is not None
    final = process.comparison["outputs"]
    assert [process.outputs[i]["text"] for i in range(len(final))] == [o["text"] for o in final]
    process.close()


def test_comparing_no_variants_is_explained(page: AppTest) -> None:
    page.multiselect(key="compare_variants").set_value([])
    press(page)
    assert page.error[0].value == "choose at least one variant"
    assert not page.exception


def test_an_empty_prompt_is_explained(page: AppTest) -> None:
    page.text_area(key="compare_prompt").set_value("  ")
    press(page)
    assert page.error[0].value == "the prompt is empty; give a text to go on with"
    assert not page.exception


def test_a_comparison_can_be_cancelled_and_another_begun(page: AppTest) -> None:
    page.number_input(key="compare_tokens").set_value(512)
    process_of(page).ask([v["id"] for v in process_of(page).variants or ()], "a", 512)
    process_of(page).close()
    answered(page)
    assert "Nothing was compared: cancelled" in words(page)
    page.number_input(key="compare_tokens").set_value(4)
    answered(press(page))
    assert not page.error
    assert len(page.dataframe[-1].value) == 4


def test_a_store_of_imports_has_no_outputs_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grid.results.imports import published_store

    monkeypatch.setenv("QUANTGRID_STORE", published_store())
    drawn = AppTest.from_string(PAGE, default_timeout=60).run()
    assert not drawn.exception
    assert "Compare outputs" not in [box.value for box in drawn.subheader]
    assert PROCESS not in drawn.session_state


def test_a_process_is_ended_at_its_time_limit(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(swept / "cache"))
    started = time.monotonic()
    process = CompareProcess(str(swept / "rows"), limit_s=0.2)
    process.wait()
    assert process.failure == "it took longer than 200 ms"
    assert process.variants is None
    assert time.monotonic() - started < 20


def test_a_store_that_is_gone_is_explained(tmp_path: Path) -> None:
    process = CompareProcess(str(tmp_path / "none"))
    process.wait()
    assert "has no rows" in process.failure or "no results" in process.failure
