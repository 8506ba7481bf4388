"""Names explain themselves: words that say nothing where they stand are kept out, file by file."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("grid", "backends", "tests", "scripts")
EMPTY = frozenset(
    {
        "one", "found", "known", "asked", "there", "told", "said", "here", "those", "given", "seen",
        "heard", "made", "kept", "rest", "again", "but", "more", "other", "both",
    }
)  # fmt: skip
"""Pronouns and participles. A name is a noun of the field for a thing, a verb for an action."""


def sources(*folders: str) -> list[Path]:
    files = (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    return [path for path in files if not {".venv", "build"} & {*path.parts}]


def defined_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every name that a module binds: variables, parameters, attributes, functions, classes."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, line
            case ast.ClassDef(name=name) | ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                yield name, line
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, line
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, line
            case ast.MatchMapping(rest=str(name)):
                yield name, line
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from ((alias.asname, line) for alias in aliases if alias.asname)


def empty_names(path: Path) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for name, line in defined_names(ast.parse(path.read_text(encoding="utf-8")))
        if name.strip("_").lower() in EMPTY
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_name_is_an_empty_word(folder: str) -> None:
    assert [line for path in sources(folder) for line in empty_names(path)] == []


def test_empty_words_are_seen_wherever_a_name_is_bound() -> None:
    code = (
        "import a as one\nfound: int = 1\ndef told(asked, *rest, **more): ...\n"
        "class Kept: seen = 1\nfor given in (): ...\nx = [both for both in ()]\n"
        "self.heard = 1\ntry: ...\nexcept E as other: ...\n"
        "match x:\n    case [here, *there]: ...\n    case {**again}: ...\n"
        "    case A() as said: ...\n"
    )
    names = {name for name, _ in defined_names(ast.parse(code)) if name.strip("_").lower() in EMPTY}
    assert names == {
        "one", "found", "told", "asked", "rest", "more", "Kept", "seen", "given", "both", "heard",
        "other", "here", "there", "again", "said",
    }  # fmt: skip


def test_no_class_name_is_defined_twice() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in sources("grid"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
