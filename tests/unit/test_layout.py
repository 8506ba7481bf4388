"""The size of the house: few rooms, files that fit a head, functions with one thing to say."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).parents[2]
MOST_ROOMS = 20
MEDIAN_LINES, P90_LINES, MOST_LINES = 110, 250, 400
MOST_FUNCTION_LINES = 60
MOST_LAYERS = 12


def sources() -> list[Path]:
    return [
        path
        for folder in ("grid", "backends")
        for path in (ROOT / folder).rglob("*.py")
        if not {".venv", "build"} & {*path.parts}
    ]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            last = node.end_lineno or node.lineno
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", last - node.lineno + 1


def test_the_package_has_few_entries_side_by_side() -> None:
    entries = [path.name for path in (ROOT / "grid").iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MOST_ROOMS, sorted(entries)


def test_files_fit_a_head() -> None:
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in sources()]
    assert median(lines) <= MEDIAN_LINES
    assert quantiles(lines, n=10)[-1] <= P90_LINES
    assert max(lines) <= MOST_LINES


def test_no_function_is_longer_than_a_page() -> None:
    sizes = (size for path in sources() for size in functions(path))
    assert {name: lines for name, lines in sizes if lines > MOST_FUNCTION_LINES} == {}


def test_arrows_run_through_few_layers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        contract
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    assert len(contract["layers"]) <= MOST_LAYERS
