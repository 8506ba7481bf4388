"""The text of each command, compared exactly with the files in tests/snapshots.

    RENEW_SNAPSHOTS=1 pytest tests/unit/cli/test_snapshots.py

writes the files anew; review their diff.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer
from advice_cases import OWN_CLASS, add_ladder, family, write_store
from analysis_cases import Rows
from typer.testing import CliRunner

from grid.cli import command_line

ROOT = Path(__file__).parents[3]
SNAPSHOTS = ROOT / "tests" / "snapshots"
STORE = "tests/data/results-v2"
NODE_FILE = 'name = "box"\nchip = "Chip X"\nmemory = "16GiB"\nbandwidth = "20GB/s"\ncores = 4\n'

FROZEN_STORE_COMMANDS = {
    "frontier-without-capability": ("frontier",),
    "results": ("results",),
    "results-columns": ("results", "--columns", "model,quant,label,status,decode_tps"),
    "folklore-without-tasks": ("folklore",),
}
FAMILY_COMMANDS = {
    "frontier": ("frontier",),
    "recommend": ("recommend", "--hardware", OWN_CLASS),
    "recommend-why": ("recommend", "--hardware", OWN_CLASS, "--why"),
    "recommend-nothing": ("recommend", "--hardware", OWN_CLASS, "--min-decode", "1000"),
    "recommend-sessions": ("recommend", "--hardware", OWN_CLASS, "--sessions", "4"),
    "recommend-for": ("recommend", "--for", "base", "--quant", "Q8_0", "--hardware", OWN_CLASS),
    "recommend-rack": ("recommend", "--rack", "store"),
    "folklore": ("folklore",),
    "folklore-all": ("folklore", "--all"),
}
"""Over four quants of one model, measured in everything."""


LADDER_COMMANDS = {
    "frontier-kld": ("frontier",),
    "recommend-kld": ("recommend", "--hardware", OWN_CLASS, "--max-size", "9KB"),
}
"""Over four quants of one model that no tasks were run on."""


def _commands(
    command: click.Command, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """The command and all below it that `--help` lists."""
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from _commands(child, (*words, name))


COMMANDS = [words for words, _ in _commands(typer.main.get_command(command_line))]


@pytest.fixture(autouse=True)
def _terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("grid.cli.views.console.PIPE_WIDTH", 80)


def output_of(*words: str) -> str:
    """What `grid WORDS` prints, without the spaces that pad a table's lines."""
    result = CliRunner().invoke(command_line, words, prog_name="grid", catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return "".join(f"{line.rstrip()}\n" for line in result.stdout.splitlines())


def assert_snapshot(name: str, text: str) -> None:
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("RENEW_SNAPSHOTS"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), "RENEW_SNAPSHOTS=1 writes the snapshots anew"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_of_each_command(words: tuple[str, ...]) -> None:
    assert_snapshot("-".join(("help/grid", *words)), output_of(*words, "--help"))


def test_each_help_snapshot_belongs_to_a_command() -> None:
    names = {"-".join(("grid", *words)) for words in COMMANDS}
    assert {path.stem for path in (SNAPSHOTS / "help").iterdir()} == names


@pytest.mark.parametrize("name", FROZEN_STORE_COMMANDS)
def test_output_over_the_frozen_store(name: str) -> None:
    assert_snapshot(name, output_of(*FROZEN_STORE_COMMANDS[name], "--store", STORE))


@pytest.mark.parametrize("name", FAMILY_COMMANDS)
def test_output_over_a_measured_family(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_store(family(), tmp_path / "family")
    assert_snapshot(name, output_of(*FAMILY_COMMANDS[name], "--store", "family"))


@pytest.mark.parametrize("name", LADDER_COMMANDS)
def test_output_over_a_ladder_without_tasks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = Rows()
    add_ladder(rows)
    write_store(rows, tmp_path / "ladder")
    assert_snapshot(name, output_of(*LADDER_COMMANDS[name], "--store", "ladder"))


def test_plan_of_a_sweep(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (toy / "node.toml").write_text(NODE_FILE)
    monkeypatch.setenv("QUANTGRID_NODE_FILE", str(toy / "node.toml"))
    monkeypatch.chdir(toy)
    assert_snapshot("plan", output_of("plan", "toy.toml", "--store", "none"))
