"""From a sweep to a running model: the script of a recommendation, pasted into bash."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_sweep import Run


@pytest.fixture
def store(toy: Path, grid: Run) -> str:
    """A store of a small sweep whose picks are made weights, named as the command line does."""
    text = (toy / "toy.toml").read_text()
    (toy / "toy.toml").write_text(text.replace('"F16", "Q8", "Q4", "Q2"', '"F16", "Q4"'))
    done = grid("sweep", "toy.toml", "--store", "my rows", "--here", timeout=300)
    assert done.returncode == 0, done.stderr
    return "my rows"


def serving(grid: Run, store: str, *arguments: str) -> dict[str, Any]:
    done = grid("recommend", "--store", store, "--quant", "Q4", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)["serving"]
    return answer


def in_bash(script: str, folder: Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    """As if it was pasted, with this interpreter for `grid` and `python`."""
    python = shlex.quote(sys.executable)
    functions = f'grid() {{ {python} -m grid "$@"; }}; python() {{ {python} "$@"; }}; '
    return subprocess.run(
        ["bash", "-c", functions + script],
        cwd=folder, input=typed, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_printed_script_brings_the_weights_and_runs_them(
    store: str, toy: Path, grid: Run
) -> None:
    first = serving(grid, store)
    weights = Path(first["weights"]["path"])
    assert first["weights"]["present"]
    assert first["weights"]["obtain"] == []
    content = weights.read_bytes()
    weights.unlink()

    gone = serving(grid, store)
    assert not gone["weights"]["present"]
    (line,) = gone["weights"]["obtain"]
    brought = in_bash(line, toy)
    assert brought.returncode == 0, brought.stderr
    assert brought.stdout == f"{weights}\n"
    assert weights.read_bytes() == content
    answer = in_bash(gone["commands"][0]["text"], toy, "the cat")
    assert answer.returncode == 0, answer.stderr
    assert len(answer.stdout) == 2  # a byte and the end of the line


def test_a_terminal_shows_the_script_right_after_the_answer(store: str, grid: Run) -> None:
    done = grid("recommend", "--store", store, "--quant", "Q4", "--sessions", "2")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("run toy Q4 in fake, on ")
    script = "\n".join(lines[1:]).partition("\n\n")[0]
    assert script.startswith("python -m grid_fake ")
    assert "--sessions 2" in script


def test_a_program_that_does_not_run_the_pick_is_said_with_those_that_do(
    store: str, grid: Run
) -> None:
    done = grid("recommend", "--store", store, "--quant", "Q4", "--serve", "ollama")
    assert done.returncode == 0
    assert "no command: ollama does not run this pick; fake can" in done.stdout


def test_weights_of_an_unknown_variant_are_refused_in_one_line(store: str, grid: Run) -> None:
    done = grid("weights", "--store", store, "toy Q5")
    assert done.returncode == 2
    assert done.stderr == f"grid: no variant 'toy Q5' in {store}. Did you mean 'toy Q4'?\n"


def test_weights_whose_source_is_gone_say_so_in_one_line(store: str, toy: Path, grid: Run) -> None:
    Path(serving(grid, store)["weights"]["path"]).unlink()
    (toy / "toy.fake").unlink()
    done = grid("weights", "--store", store, "toy Q4")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "toy.fake" in done.stderr
