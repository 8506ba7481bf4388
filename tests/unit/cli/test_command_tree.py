"""What holds for all commands: panels, aliases, shared options, completion, time of the help."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from advice_cases import family, write_store
from typer.testing import CliRunner, Result

from grid.cli import command_line
from grid.cli.help_text import PANELS

ROOT = typer.main.get_command(command_line)
STORE = "tests/data/results-v2"
WIDTH = 80

ALIASES = {
    ("frontier",): ("show",),
    ("runs",): ("cluster", "runs"),
    ("attach",): ("cluster", "attach"),
    ("pull",): ("cluster", "pull"),
    ("stop",): ("cluster", "stop"),
    ("results", "export"): ("export",),
    ("results", "merge"): ("merge",),
    ("results", "compact"): ("compact",),
}
"""Former names, and the commands that they still are."""

WITHOUT_PLACE = {("node",), ("node-flags",)}
"""Hidden commands that are no alias: what the doctor shows too, and what cluster files call."""

WRITERS = {("cluster", "attach"), ("cluster", "pull"), ("load",)}
"""Their --store is where rows go, by default where the sweep was started for."""


def commands(hidden: bool = True) -> dict[tuple[str, ...], Any]:
    def walk(group: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        for name, command in getattr(group, "commands", {}).items():
            if hidden or not command.hidden:
                yield (*words, name), command
                yield from walk(command, (*words, name))

    return dict(walk(ROOT, ()))


def options(command: Any) -> dict[str, Any]:
    """A command's visible options by their long names."""
    return {
        param.opts[-1]: param
        for param in command.params
        if param.param_type_name == "option" and not param.hidden
    }


def run(*words: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(command_line, words, prog_name="grid", env=env)


def test_each_command_stands_in_one_panel_or_is_hidden() -> None:
    top = {words[0]: command for words, command in commands().items() if len(words) == 1}
    for name, command in top.items():
        assert command.hidden or command.rich_help_panel in PANELS, name
    text = run("--help").output
    panels = [line.removesuffix(":") for line in text.splitlines() if line.endswith(":")]
    assert panels == [*PANELS, "Options", "Examples"]
    for name, command in top.items():
        assert text.count(f"\n  {name} ") == (not command.hidden), name


def test_hidden_commands_are_aliases() -> None:
    hidden = {words for words, command in commands().items() if command.hidden}
    assert hidden == {*ALIASES, *WITHOUT_PLACE}


@pytest.mark.parametrize(("alias", "words"), ALIASES.items(), ids=lambda words: " ".join(words))
def test_an_alias_takes_the_same_and_does_the_same(
    alias: tuple[str, ...], words: tuple[str, ...]
) -> None:
    former, command = commands()[alias], commands()[words]
    assert former.callback.__wrapped__ is command.callback.__wrapped__
    assert options(former).keys() == options(command).keys()


@pytest.mark.parametrize("alias", [("frontier",), ("results", "export")], ids=" ".join)
def test_an_alias_prints_the_same(alias: tuple[str, ...]) -> None:
    former = run(*alias, "--store", STORE)
    assert former.exit_code == 0
    assert former.output == run(*ALIASES[alias], "--store", STORE).output


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_help_fits_80_columns(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    text = run(*words, "-h").output
    assert text == run(*words, "--help").output
    assert text.startswith(f"Usage: grid {' '.join(words)}")
    assert [line for line in text.splitlines() if len(line) > WIDTH] == []
    assert [line for line in text.splitlines()[1:] if line.endswith("...")] == []


ONE_QUANT = {("recommend",), ("load",)}
"""Asked for, and of what a server has loaded."""


@pytest.mark.parametrize("words", commands(hidden=False), ids=" ".join)
def test_shared_options_are_the_same_everywhere(words: tuple[str, ...]) -> None:
    own = options(commands()[words])
    if store := own.get("--store"):
        assert store.envvar == (None if words in WRITERS else "QUANTGRID_STORE")
        assert store.metavar == "FOLDER | URI"
    for name in ("--model", "--quant", "--hardware", "--json", "--columns", "--where"):
        if name in own:
            assert own[name].is_flag == (name == "--json")
            assert name == "--json" or own[name].metavar
    if "--quant" in own:
        assert own["--quant"].multiple or words in ONE_QUANT


@pytest.mark.parametrize("words", [("show",), ("results",), ("export",), ("recommend",)])
def test_commands_over_variants_take_model_quant_and_hardware(words: tuple[str, ...]) -> None:
    own = options(commands()[words])
    assert {"--store", "--model", "--quant", "--hardware"} <= own.keys()


def test_the_environment_names_the_store() -> None:
    assert run("results", env={"QUANTGRID_STORE": STORE}).exit_code == 0
    refused = run("results", "--store", "none", env={"QUANTGRID_STORE": STORE})
    assert refused.exit_code != 0


def test_quants_are_repeated_or_separated_by_commas(tmp_path: Path) -> None:
    write_store(family(), tmp_path / "store")
    store = ("--store", str(tmp_path / "store"), "--columns", "quant", "--json")
    commas = run("results", *store, "--quant", "q8_0,Q2_K").output
    assert commas == run("results", *store, "--quant", "Q8_0", "--quant", "Q2_K").output
    assert '"Q8_0"' in commas
    assert '"Q2_K"' in commas
    assert '"F16"' not in commas


def completed(words: str, env: dict[str, str] | None = None) -> list[str]:
    """What bash is given for the last word, which may be empty."""
    variables = {
        "_GRID_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        **(env or {}),
    }
    return run(env=variables).output.split()


def test_names_are_completed_from_the_store(tmp_path: Path) -> None:
    write_store(family(hardware="Chip One, 8 GiB"), tmp_path / "store")
    store = str(tmp_path / "store")
    assert completed(f"grid results --store {store} --model b") == ["base"]
    assert completed(f"grid results --store {store} --quant Q8_0,Q2") == ["Q8_0,Q2_K"]
    assert completed("grid export --model ", {"QUANTGRID_STORE": store}) == ["base"]
    hardware = " ".join(completed(f"grid results --store {store} --hardware Chip"))
    assert hardware == "Chip One, 8 GiB"
    assert completed("grid results --store none --model b") == []


def test_commands_sweeps_and_backends_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-sweep.toml").touch()
    assert completed("grid sw") == ["sweep"]
    assert completed("grid fro") == []
    assert completed("grid sweep my") == ["my-sweep.toml"]
    assert completed("grid plan qui") == ["quick", "quick-formats"]
    assert completed("grid backends install llamacpp-") == ["llamacpp-converter"]


def test_version_names_the_package() -> None:
    import grid

    assert run("--version").output == f"quantgrid {grid.__version__}\n"


def test_help_takes_less_than_three_bare_starts_of_python() -> None:
    """In processor time, which other programs on the machine change little."""

    def seconds(*words: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    bare = min(seconds("-c", "import inspect, subprocess, json") for _ in range(3))
    assert min(seconds("-m", "grid", "--help") for _ in range(3)) < max(0.3, 3 * bare)
