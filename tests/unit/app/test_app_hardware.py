"""The page Pick asked the other way round: which hardware runs a model."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from advice_cases import OWN_CLASS, family, write_store
from streamlit.testing.v1 import AppTest

from grid.advice import Ask
from grid.advice.for_model import RUNS, choose_hardware, find_target
from grid.advice.for_model.sentences import headline
from grid.analysis.dataset import Dataset
from grid.app.hardware_question import hardware_table, is_path


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    write_store(family(), tmp_path / "store")
    monkeypatch.setenv("QUANTGRID_STORE", str(tmp_path / "store"))
    script = "from grid.app.navigation import draw_page\ndraw_page('pick')\n"
    drawn = AppTest.from_string(script, default_timeout=120)
    drawn.query_params["hardware_for_a_model"] = "true"
    return drawn.run()


def titles(page: AppTest) -> list[str]:
    return [title.value.replace("\\", "") for title in page.subheader]


def tables(page: AppTest) -> list[pd.DataFrame]:
    """Those of machines."""
    return [table.value for table in page.dataframe if "machine" in table.value]


def test_the_page_has_the_facts_of_the_command(page: AppTest, tmp_path: Path) -> None:
    assert not page.exception
    store = Dataset(tmp_path / "store")
    choice = choose_hardware(store, find_target("base", None, store), Ask())
    machines = list(tables(page)[0]["machine"])
    assert headline(choice) in titles(page)
    assert machines[0] == OWN_CLASS
    assert machines == hardware_table(choice, RUNS)["machine"][: len(machines)]


def test_sessions_and_the_model_change_the_answer(page: AppTest) -> None:
    page.text_input(key="target").set_value("Lama-3.1-8B").run()
    assert not page.exception
    assert "Nearest: Llama-3.1-8B" in page.error[0].value.replace("\\", "")
    page.number_input(key="target_sessions").set_value(4)
    page.text_input(key="target").set_value("Llama-3.1-8B").run()
    assert not page.exception
    headlines = [text for text in titles(page) if text.startswith("Llama-3.1-8B Q4_K_M")]
    assert [text.partition(" at ")[2][:24] for text in headlines] == ["4 sessions of 10 token/s"]


@pytest.mark.parametrize(
    ("text", "path"),
    [("8B", False), ("30B-A3B", False), ("Llama-3.1-8B", False), ("x" * 5000, False),
     ("/etc/passwd", True), ("~nobody/x", True), ("../x.gguf", True), (".", True)],
)  # fmt: skip
def test_the_page_takes_no_file_from_a_link(text: str, path: bool) -> None:
    assert is_path(text) == path
