"""The Advise page without rows shows what the command says from public figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from grid.advice import Ask
from grid.advice.public_figures import BASIS, public_answer
from grid.advice.public_figures.sentences import answer_rows, headline, offers_table
from grid.units import GIB


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("QUANTGRID_STORE", str(tmp_path / "none"))
    script = "from grid.app.navigation import draw_page\ndraw_page('advise')\n"
    return AppTest.from_string(script, default_timeout=120).run()


def text_of(page: AppTest) -> str:
    return " ".join(element.value for element in (*page.markdown, *page.text, *page.caption))


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
    page.selectbox(key="public_memory").set_value(8)
    page.selectbox(key="public_chip").set_value("NVIDIA GeForce RTX 4090").run()
    assert not page.exception
    assert headline(public_answer(Ask(chip="RTX 4090"))).removeprefix("try ") in text_of(page)
    assert "token/s; predicted" in text_of(page)


def test_chip_and_memory_change_the_answer(page: AppTest) -> None:
    page.selectbox(key="public_memory").set_value(8).run()
    assert "Qwen3-8B" in text_of(page)
    page.number_input(key="public_context").set_value(200_000).run()
    assert not page.exception
    assert "lower --context to 131,072" in page.warning[0].value
