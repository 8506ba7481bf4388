"""The page Pick without rows shows what the command says from public figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from grid.advice import Ask
from grid.advice.public_figures import BASIS, public_answer
from grid.advice.public_figures.sentences import answer_rows, headline, offers_table
from grid.units import GIB


@pytest.fixture
def unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("QUANTGRID_STORE", str(tmp_path / "none"))
    script = "from grid.app.navigation import draw_page\ndraw_page('pick')\n"
    return AppTest.from_string(script, default_timeout=120)


@pytest.fixture
def page(unopened: AppTest) -> AppTest:
    return unopened.run()


def text_of(page: AppTest) -> str:
    elements = (*page.markdown, *page.text, *page.caption)
    return " ".join(element.value for element in elements).replace("\\", "")


def test_page_without_rows_has_the_facts_of_the_command(page: AppTest) -> None:
    assert not page.exception
    expected = public_answer(Ask(memory_bytes=24 * GIB, context=4096))
    shown = text_of(page)
    assert headline(expected).removeprefix("try ") in shown
    assert BASIS in shown
    assert all(fact in shown for _, fact in answer_rows(expected))
    assert all(note in shown for note in expected.notes)
    columns, rows = offers_table(expected)
    table = page.dataframe[0].value
    assert list(table.columns) == columns
    assert table.to_numpy().tolist() == rows
    assert expected.run in [code.value for code in page.code]


def test_a_card_has_its_own_memory(page: AppTest) -> None:
    page.selectbox(key="memory").set_value("8 GiB")
    page.selectbox(key="chip").set_value("NVIDIA GeForce RTX 4090").run()
    assert not page.exception
    assert headline(public_answer(Ask(chip="RTX 4090"))).removeprefix("try ") in text_of(page)
    assert re.search(r"token/s\W+predicted", text_of(page))


def test_memory_changes_the_answer(page: AppTest) -> None:
    page.selectbox(key="memory").set_value("8 GiB").run()
    assert "Qwen3-8B" in text_of(page)


def test_a_context_that_nothing_is_made_for_says_what_to_lower(unopened: AppTest) -> None:
    unopened.query_params["memory"] = "8 GiB"
    unopened.query_params["context"] = "200000"
    page = unopened.run()
    assert not page.exception
    assert "lower --context to 131,072" in page.warning[0].value.replace("\\", "")
