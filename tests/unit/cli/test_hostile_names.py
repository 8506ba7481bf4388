"""A store of somebody else whose names act on terminals, on markup and on readers: all of it shows,
none of it acts, and the store stays as it is."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from pathlib import Path

import pytest
from hostile_names import NAME, hostile_store
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from terminals import Terminals

from grid.models.display_names import visible
from grid.results.merge import merge
from grid.results.reader import Results

ACTING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def acting(text: str) -> set[str]:
    """Characters of an output that act, besides line ends and our own colours."""
    plain = COLOUR.sub("", text).replace("\n", "")
    return {c for c in plain if unicodedata.category(c) in ACTING}


@pytest.fixture
def terminals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Terminals:
    monkeypatch.chdir(tmp_path)
    return Terminals(monkeypatch)


@pytest.mark.parametrize(
    "command",
    ["results", "results --json", "results --columns model,cell_id,hardware_class", "show",
     "export --format csv", "export --format md", "export --format json", "compare --list"],
)  # fmt: skip
def test_no_name_of_a_store_acts(command: str, terminals: Terminals, tmp_path: Path) -> None:
    store = hostile_store(tmp_path / "theirs", NAME)
    shown = terminals.on_terminal([*command.split(), "--store", str(store)], 80)
    assert acting(shown.text) == set()
    assert "\x1b]" not in shown.text
    assert "Traceback" not in shown.text


def test_rows_are_chosen_by_the_name_that_is_shown(terminals: Terminals, tmp_path: Path) -> None:
    store = hostile_store(tmp_path / "theirs", NAME)
    words = ["results", "--json", "--store", str(store), "--model", visible(NAME)]
    rows = json.loads(terminals.in_pipe(words).text)
    assert {row["model"] for row in rows} == {visible(NAME)}


def test_reading_and_merging_change_no_name(tmp_path: Path) -> None:
    store = hostile_store(tmp_path / "theirs", NAME)
    before = {path: path.read_bytes() for path in store.iterdir()}
    Results(store).final()
    merge([store], tmp_path / "ours")
    assert {path: path.read_bytes() for path in store.iterdir()} == before
    assert set(Results(tmp_path / "ours", exact=True).final()["model"].to_pylist()) == {NAME}


def test_arguments_in_errors_do_not_act(terminals: Terminals) -> None:
    shown = terminals.on_terminal(["results", "--store", "none\x1b]0;x\x07\u202e"], 80)
    assert acting(shown.text) == set()
    assert shown.code == 2


def test_exports_hold_no_markup_and_no_formula(terminals: Terminals, tmp_path: Path) -> None:
    store = hostile_store(tmp_path / "theirs", "=HYPERLINK(1)<img src=x>[a](b)")
    text = terminals.in_pipe(["export", "--format", "csv", "--store", str(store)]).text
    cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    assert not [cell for cell in cells if cell.startswith("=")]
    table = terminals.in_pipe(["export", "--format", "md", "--store", str(store)]).text
    assert r"\<img src=x>\[a](b)" in table


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=12))
def test_neighbours_of_these_names_do_not_act_either(
    name: str, terminals: Terminals, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = hostile_store(tmp_path_factory.mktemp("theirs"), name)
    shown = terminals.on_terminal(["results", "--store", str(store)], 80)
    assert shown.code == 0
    assert acting(shown.text) == set()
