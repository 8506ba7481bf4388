"""Every command on terminals of 80, 100 and 160 columns and in a pipe: lines fit, numbers are
whole, nothing trails, JSON is valid."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from advice_cases import family, write_store
from page_stores import write_kld_ladder, write_long_names
from terminals import Shown, Terminals, faults

from grid.analysis import Posterior
from grid.analysis.dataset import Dataset
from grid.cli import command_line
from grid.cli.views.console import PIPE_WIDTH

WIDTHS = (80, 100, 160)
STORES = ("family", "ladder", "long", "empty")
SLOW = {("show", "long"), ("folklore", "long"), ("recommend", "long")}
"""Seconds each: at the narrowest width alone."""
NO_LIMIT = "5000"

STORE_COMMANDS = {
    "show": "show",
    "recommend": "recommend --hardware {machine}",
    "results": "results",
    "results of columns": "results --columns model,quant,status,decode_tps,environment,options",
    "folklore": "folklore",
    "compare": "compare --list",
    "weights": "weights nothing-of-this-name",
    "predict": "predict --chip 4090",
    "diff": "diff quant:Q8_0 quant:Q4_K_M --all",
    "compare-with": "compare-with nothing-there.zip",
}
"""With --store, over each store."""

CHANGING_COMMANDS = {
    "merge": "merge {other}",
    "compact": "compact",
    "import": "import --published llama3-8b-gguf-quality",
    "report": "report {other}.html",
    "publish": "publish copy-bundle",
}
"""With --store, over a copy of a store."""

COMMANDS = {
    "": "",
    "doctor": "doctor",
    "node": "node",
    "backends": "backends",
    "backends install": "backends install nothing-of-this-name",
    "backends new": "backends new my_engine {tmp}/new",
    "import formats": "import --list",
    "models": "models",
    "load": "load http://127.0.0.1:9 --model none",
    "plan": "plan {toy}/toy.toml --all --store {tmp}/none",
    "sweep": "sweep {tmp}/missing.toml",
    "predict list": "predict --list {nothing}",
    "recommend without a store": "recommend --chip 4090 --store {tmp}/none",
    "recommend for": "recommend --for 8B --store {tmp}/none",
    "tasks list": "tasks list",
    "tasks check": "tasks check {tmp}/items.jsonl",
    "tasks needles": "tasks needles {tmp}/text.txt {tmp}/needles.jsonl --words 20 --items 2",
    "cluster up": "cluster up {tmp}/cluster.yaml",
    "cluster status": "cluster status {tmp}/cluster.yaml",
    "cluster down": "cluster down {tmp}/cluster.yaml",
    "cluster runs": "cluster runs",
    "cluster attach": "cluster attach",
    "cluster pull": "cluster pull",
    "cluster stop": "cluster stop",
}
"""Without a store of their own."""

ELSEWHERE = {
    "tasks show": "needs the harness's environment, which takes minutes to make",
    "app": "serves a page",
    "export": "writes a file's content, not lines for people",
    "tasks": "prints its help",
    "cluster": "prints its help",
}

JSON_ELSEWHERE = {
    "frontier": "show, by its old name",
    "runs": "cluster runs, by its old name",
    "results merge": "merge, by its old name",
    "results compact": "compact, by its old name",
    "tasks show": ELSEWHERE["tasks show"],
}
"""Commands with --json that are not run here."""


def words_of(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[str]:
    """Commands that are no aliases of others."""
    if words and not (command.hidden and words[0] != "node"):
        yield " ".join(words)
    for name, child in getattr(command, "commands", {}).items():
        yield from words_of(child, (*words, name))


def test_every_command_is_here() -> None:
    names = set(words_of(typer.main.get_command(command_line)))
    lines = [*STORE_COMMANDS.values(), *CHANGING_COMMANDS.values(), *COMMANDS.values()]
    assert names - {name_of(line, names) for line in lines} == set(ELSEWHERE)


def name_of(line: str, names: set[str]) -> str:
    """The command that a line runs, empty where it is none of these."""
    fitting = [name for name in names if line == name or line.startswith(f"{name} ")]
    return max(fitting, key=len, default="")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    write_store(family(), folder / "family")
    write_kld_ladder(folder / "ladder")
    write_long_names(folder / "long")
    (folder / "empty").mkdir()
    return folder


@pytest.fixture(scope="module", autouse=True)
def _one_posterior_a_class() -> Iterator[None]:
    """The draws of a class do not depend on the terminal: each is made once."""
    original: Callable[..., Posterior] = Dataset.posterior
    drawn: dict[tuple[Any, ...], Posterior] = {}

    def posterior(self: Dataset, *arguments: Any, **settings: Any) -> Posterior:
        key = (self.display_name, arguments, tuple(settings.items()))
        if key not in drawn:
            drawn[key] = original(self, *arguments, **settings)
        return drawn[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dataset, "posterior", posterior)
        yield


@pytest.fixture
def terminals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Terminals:
    monkeypatch.chdir(tmp_path)
    return Terminals(monkeypatch)


@cache
def machine_of(store: Path) -> str:
    """The first hardware class of a store."""
    return next((hardware.name for hardware in Dataset(store).classes), "none")


def assert_fits(
    terminals: Terminals,
    run: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    widths: Sequence[int] = WIDTHS,
) -> None:
    """A command's output fits every width; `run` gives its words, over a new copy of what it
    changes."""
    with monkeypatch.context() as patch:
        patch.setenv("COLUMNS", NO_LIMIT)
        whole = terminals.on_terminal(run(), 80)
    assert whole.text
    for columns in widths:
        shown = terminals.on_terminal(run(), columns)
        assert faults(shown, columns, whole) == [], f"{columns} columns"
        assert shown.code == whole.code
    if len(widths) > 1:
        assert faults(terminals.in_pipe(run()), PIPE_WIDTH, whole) == []


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("name", STORE_COMMANDS)
def test_lines_over_a_store_fit(
    name: str,
    store: str,
    stores: Path,
    terminals: Terminals,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = stores / store
    words = [
        machine_of(place) if word == "{machine}" else word for word in STORE_COMMANDS[name].split()
    ]
    widths = WIDTHS[:1] if (name, store) in SLOW else WIDTHS
    assert_fits(terminals, lambda: [*words, "--store", str(place)], monkeypatch, widths)


@pytest.mark.parametrize("name", CHANGING_COMMANDS)
def test_lines_about_a_change_fit(
    name: str,
    stores: Path,
    terminals: Terminals,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    words = CHANGING_COMMANDS[name].format(other=stores / "long").split()

    def run() -> list[str]:
        for name in ("copy", "copy-bundle"):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
        shutil.copytree(stores / "ladder", tmp_path / "copy")
        return [*words, "--store", "copy"]

    assert_fits(terminals, run, monkeypatch)


@pytest.mark.parametrize("name", COMMANDS)
def test_lines_of_other_commands_fit(
    name: str,
    terminals: Terminals,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    toy: Path,
) -> None:
    words = other_words(name, tmp_path, toy)

    def run() -> list[str]:
        shutil.rmtree(tmp_path / "new", ignore_errors=True)
        (tmp_path / "needles.jsonl").unlink(missing_ok=True)
        return words

    assert_fits(terminals, run, monkeypatch)


def other_words(name: str, folder: Path, toy: Path) -> list[str]:
    """The words of a command without a store, over files in a folder."""
    (folder / "items.jsonl").write_text('{"question": "?"}\n' * 3)
    (folder / "text.txt").write_text(" ".join(f"word{place}" for place in range(400)))
    line = COMMANDS[name].format(tmp=folder, toy=toy, nothing="")
    return [*line.split(), *([""] if line.endswith("--list ") else [])]


def commands_with_json() -> set[str]:
    """Names of the commands that have --json, in words."""

    def walk(command: click.Command, words: tuple[str, ...]) -> Iterator[str]:
        if any("--json" in parameter.opts for parameter in command.params):
            yield " ".join(words)
        for name, child in getattr(command, "commands", {}).items():
            yield from walk(child, (*words, name))

    return set(walk(typer.main.get_command(command_line), ()))


def test_every_command_with_json_is_run() -> None:
    names = commands_with_json()
    lines = [*STORE_COMMANDS.values(), *CHANGING_COMMANDS.values(), *COMMANDS.values()]
    run = {name_of(line, names) for line in lines}
    assert names - run == set(JSON_ELSEWHERE)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("name", STORE_COMMANDS)
def test_json_over_a_store_is_valid(
    name: str, store: str, stores: Path, terminals: Terminals
) -> None:
    place = stores / store
    words = [
        machine_of(place) if word == "{machine}" else word for word in STORE_COMMANDS[name].split()
    ]
    assert_json(terminals.in_pipe([*words, "--json", "--store", str(place)]))


@pytest.mark.parametrize("name", CHANGING_COMMANDS)
def test_json_about_a_change_is_valid(
    name: str, stores: Path, terminals: Terminals, tmp_path: Path
) -> None:
    words = CHANGING_COMMANDS[name].format(other=stores / "long").split()
    shutil.copytree(stores / "ladder", tmp_path / "copy")
    assert_json(terminals.in_pipe([*words, "--json", "--store", "copy"]))


@pytest.mark.parametrize("name", COMMANDS)
def test_json_of_other_commands_is_valid(
    name: str, terminals: Terminals, tmp_path: Path, toy: Path
) -> None:
    if not name_of(COMMANDS[name], commands_with_json()):
        pytest.skip("has no --json")
    assert_json(terminals.in_pipe([*other_words(name, tmp_path, toy), "--json"]))


def assert_json(shown: Shown) -> None:
    """Standard output is JSON, or nothing where the command fails."""
    if shown.code == 0 or shown.text:
        assert parsed(shown)


def parsed(shown: Shown) -> list[Any]:
    """The values of JSON, or of lines of JSON."""
    try:
        return [json.loads(shown.text)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in shown.text.splitlines()]
