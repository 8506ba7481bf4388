"""Rows of HumanEval and MBPP as programs that test what a model wrote."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grid.engine.sandbox.program import Program
from grid.errors import InputError


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL file, which may be gzipped. Raises InputError naming the line."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            rows.append(dict(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}, line {number}: not a JSON object ({error})") from error
    return rows


def humaneval_program(row: Mapping[str, Any], completion: str) -> Program:
    """The prompt, its completion, the tests and the call of them, as the HumanEval harness joins
    them. Raises InputError where the row has not the fields of HumanEval."""
    prompt, test, entry_point = _fields(row, "prompt", "test", "entry_point")
    return Program(f"{prompt}{completion}\n{test}\ncheck({entry_point})\n")


def mbpp_program(row: Mapping[str, Any], completion: str) -> Program:
    """What a model wrote, what the tests need (`test_setup_code`, `test_imports` of the sanitized
    rows), and the tests. Raises InputError where the row has not the fields of MBPP."""
    (tests,) = _fields(row, "test_list")
    setup = [row.get("test_setup_code", ""), *row.get("test_imports", [])]
    return Program("\n".join([completion, *setup, *tests, ""]))


def _fields(row: Mapping[str, Any], *names: str) -> list[Any]:
    missing = [name for name in names if name not in row]
    if missing:
        label = row.get("task_id", "without task_id")
        raise InputError(f"row {label}: it has no field {', '.join(missing)}")
    return [row[name] for name in names]
