"""Weights split into several files: GGUF and safetensors both name them `NAME-00001-of-00003`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.(gguf|safetensors)")
_MAX_PARTS = 10_000


class SplitName(NamedTuple):
    """A part's file name taken apart; `number` counts from 1."""

    stem: str
    number: int
    parts: int
    suffix: str


def parse_split_name(name: str) -> SplitName | None:
    """The pieces of a part's name or path; None for the name of a whole file."""
    match = _NAME.fullmatch(name)
    if match is None or not 0 < int(match[3]) <= _MAX_PARTS:
        return None
    return SplitName(match[1], int(match[2]), int(match[3]), match[4])


def part_names(name: str) -> list[str]:
    """Names of all the parts that `name` is one of; itself alone where it is not split."""
    part = parse_split_name(name)
    if part is None:
        return [name]
    numbers = range(1, part.parts + 1)
    return [f"{part.stem}-{number:05}-of-{part.parts:05}.{part.suffix}" for number in numbers]


def part_paths(path: Path) -> list[Path]:
    """Paths of all the parts that `path` is one of, in its folder; they need not exist."""
    return [path.with_name(name) for name in part_names(path.name)]
