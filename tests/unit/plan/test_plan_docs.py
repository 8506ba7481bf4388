"""docs/sweep-files.md names every key, and its examples are sweep files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from grid.cells.items import Item
from grid.plan import sweep as tables
from grid.plan.load import parse_sweep

PAGE = (Path(__file__).parents[3] / "docs" / "sweep-files.md").read_text()
TABLES = (
    tables.SweepTable,
    tables.ModelEntry,
    tables.SpeedTable,
    tables.LatencyTable,
    tables.MemoryTable,
    tables.QualityTable,
    tables.TasksTable,
    tables.Budget,
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", blocks("toml"))
def test_examples_are_sweep_files(text: str) -> None:
    assert parse_sweep(text.encode(), "example.toml", Path("/data")).models


def test_the_long_example_uses_every_key() -> None:
    example = parse_sweep(blocks("toml")[1].encode(), "example.toml", Path("/data"))
    written = blocks("toml")[1]
    for table in TABLES:
        for key in table.__struct_fields__:
            assert re.search(rf"^\[*{key}\b", written, re.MULTILINE), key
    assert example.options["llamacpp"]["threads"] == 2


def test_every_key_is_explained() -> None:
    for table in TABLES[1:]:
        for key in table.__struct_fields__:
            assert re.search(rf"\| `{key}` \|", PAGE), key


def test_the_stated_defaults_are_the_defaults() -> None:
    for table in TABLES[2:]:
        name = table.__name__.removesuffix("Table").lower()
        place = PAGE.index(f"\n| `[{name}]` |")
        for field in msgspec.structs.fields(table):
            row = re.search(rf"\| `{field.name}` \| (.*?) \|", PAGE[place:])
            assert row is not None
            stated = row[1].strip("`")
            default = getattr(table(), field.name)
            if stated in ("see below", "all", "all of the node"):
                assert not default
            else:
                assert msgspec.convert(json.loads(stated), field.type) == default, field.name


def test_the_item_is_an_item() -> None:
    item = msgspec.json.decode(blocks("json")[0], type=Item)
    assert item.choices[item.answer] == " green"
