"""The Advise page asked the other way round: which hardware runs a model."""

from __future__ import annotations

from pathlib import Path

import pytest
from advice_cases import OWN_CLASS, family, write_store
from streamlit.testing.v1 import AppTest

from grid.advice import Ask
from grid.advice.for_model import RUNS, choose_hardware, find_target
from grid.advice.for_model.sentences import headline
from grid.analysis.dataset import Dataset
from grid.app.hardware_question import WHICH, hardware_table


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    write_store(family(), tmp_path / "store")
    monkeypatch.setenv("QUANTGRID_STORE", str(tmp_path / "store"))
    script = "from grid.app.navigation import draw_page\ndraw_page('advise')\n"
    drawn = AppTest.from_string(script, default_timeout=120).run()
    return drawn.segmented_control(key="advise_direction").set_value(WHICH).run()


def test_the_page_has_the_facts_of_the_command(page: AppTest, tmp_path: Path) -> None:
    assert not page.exception
    store = Dataset(tmp_path / "store")
    choice = choose_hardware(store, find_target("base", None, store), Ask())
    machines = list(page.dataframe[0].value["machine"])
    assert page.subheader[0].value == headline(choice)
    assert machines[0] == OWN_CLASS
    assert machines == hardware_table(choice, RUNS)["machine"][: len(machines)]


def test_sessions_and_the_model_change_the_answer(page: AppTest) -> None:
    page.text_input(key="advise_target").set_value("Lama-3.1-8B").run()
    assert not page.exception
    assert "Nearest: Llama-3.1-8B" in page.error[0].value
    page.number_input(key="advise_sessions").set_value(4)
    page.text_input(key="advise_target").set_value("Llama-3.1-8B").run()
    assert not page.exception
    assert page.subheader[0].value.startswith("Llama-3.1-8B Q4_K_M at 4 sessions of 10 token/s")
