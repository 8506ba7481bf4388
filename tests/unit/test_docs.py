"""What the documents say is true of the program: commands, options, files, links."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from grid.cli import command_line
from grid.cli.document import document
from grid.plan.load import parse_sweep

ROOT = Path(__file__).parents[2]
GENERATED = "commands.md"
DOCS = sorted(path.name for path in (ROOT / "docs").glob("*.md") if path.name != GENERATED)
PAGES = ("README.md", "results/README.md", "CONTRIBUTING.md", *(f"docs/{name}" for name in DOCS))
COMMAND_LINE = re.compile(r"^(?: {4}|)(?:.*&& )?(?:uv run )?grid ([a-z][^#\n|]*)", re.MULTILINE)
INLINE = re.compile(r"`grid ([a-z][^`]*)`")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s:]+)\)")


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def command_lines(page: str) -> Iterator[str]:
    """What follows `grid` on a page: lines of blocks to type, and inline code."""
    text = _text(page)
    prose = FENCE.sub("", text)
    blocks = [block for language, block in FENCE.findall(text) if language in ("", "sh")]
    indented = "\n".join(line for line in prose.splitlines() if line.startswith("    "))
    for block in (indented, *blocks):
        yield from (match[1].strip() for match in COMMAND_LINE.finditer(block))
    yield from (" ".join(match[1].split()) for match in INLINE.finditer(prose))


def command_of(words: list[str]) -> Any:
    """The command that the words name, or None; one that help hides does not count."""
    command: Any = typer.main.get_command(command_line)
    for word in words:
        children = getattr(command, "commands", None)
        if not children or word.startswith("-"):
            break
        command = children.get(word)
        if command is None or command.hidden:
            return None
    return command


def problem(line: str) -> str:
    """What is wrong with a documented command line; empty where it could be typed."""
    words = shlex.split(line)
    command = command_of(words)
    if command is None:
        return f"no such command: grid {line}"
    options = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    named = {word.partition("=")[0] for word in words if word.startswith("--")}
    lacking = named - options - {"--help"}
    return f"grid {line}: no option {', '.join(sorted(lacking))}" if lacking else ""


@pytest.mark.parametrize("page", PAGES)
def test_documented_commands_and_options_exist(page: str) -> None:
    assert [text for line in command_lines(page) if (text := problem(line))] == []


def test_a_wrong_command_or_option_is_noticed() -> None:
    assert {"sweep", "sweep smollm2"} <= set(command_lines("README.md"))
    assert "no such command" in problem("swep my.toml")
    assert "no such command" in problem("frontier")
    assert "no option --chipp" in problem("recommend --chipp 'RTX 4090'")
    assert problem("recommend --chip 'RTX 4090' --context=8192") == ""


def test_the_command_reference_is_up_to_date() -> None:
    written = _text("docs/commands.md")
    assert written == document(), "run: python -m grid.cli.document > docs/commands.md"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "results/README.md"])
def test_every_link_leads_to_a_file_and_a_heading(page: str) -> None:
    """Of pages on a code host; those of docs/ are held by `mkdocs build --strict`."""
    links = LINK.findall(_text(page))
    assert links
    for link in links:
        name, _, heading = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        assert not heading or heading in _headings(target), link


@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
def test_the_sweep_file_on_the_page_is_one(page: str) -> None:
    (text,) = [block for language, block in FENCE.findall(_text(page)) if language == "toml"]
    assert parse_sweep(text.encode(), page, ROOT).models


def test_the_readme_and_the_site_begin_with_the_same_command() -> None:
    """The two lines that do all set-up, as they stand in the README."""
    setup = "    pip install uv && uv run grid sweep\n"
    assert setup in _text("README.md")
    assert "    uv run pytest\n" in _text("README.md")
    assert setup in _text("docs/index.md")


def _headings(path: Path) -> set[str]:
    """Anchors of a page's headings, as code hosts and mkdocs make them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


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
