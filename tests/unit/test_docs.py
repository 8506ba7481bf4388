"""What the documents say is true of the program."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(r"^ {4}(?:.*&& )?(?:uv run )?grid ([a-z]+(?: [a-z]+)?)", re.MULTILINE)


def commands() -> list[str]:
    """Sub-commands of `grid` that the documents name in indented blocks."""
    names = set()
    for name in ("README.md", "results/README.md", "CONTRIBUTING.md"):
        for match in COMMAND.finditer((ROOT / name).read_text()):
            first, _, second = match[1].partition(" ")
            nested = first == "results" and second in ("export", "compact")
            names.add(f"{first} {second}" if nested else first)
    return sorted(names)


def test_the_readme_names_commands() -> None:
    assert {"sweep", "plan", "frontier", "results", "results export"} <= set(commands())


@pytest.mark.parametrize("command", commands())
def test_a_documented_command_exists(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "grid", *command.split(), "--help"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_every_file_that_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_help_loads_neither_arrow_nor_ray_nor_an_engine() -> None:
    heavy = ("pyarrow", "ray", "numpy", "llama_cpp", "duckdb", "pandas", "rich", "scipy")
    code = f"import grid.cli, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_file_on_the_map_is_there(page: str) -> None:
    paths = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", (ROOT / page).read_text())
    assert len(paths) > 3
    assert [path for path in paths if not {ROOT / path, ROOT / "grid" / path} & _files()] == []


@cache
def _files() -> frozenset[Path]:
    folders = ("grid", "scripts", "tests", "backends")
    return frozenset(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
