"""Errors of leaving out chips, sources and platforms of the bundled tables: `errors.json`.

A fit for each chip takes seconds, so they come with quantgrid: `python scripts/eval_prediction.py
--write` makes them anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

from grid.advice.prediction.leave_one_out import LeftOutBy
from grid.advice.prediction.result import LooRow

FILE = Path(__file__).parent / "errors.json"
LEFT_OUT_BY: tuple[LeftOutBy, ...] = ("group", "source", "platform")
_DIGITS = 4


@cache
def bundled_errors() -> tuple[LooRow, ...]:
    """All of them; `left_out` says what was."""
    table = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple(LooRow(**dict(zip(table["columns"], row, strict=True))) for row in table["rows"])


def write_errors(tables: Iterable[tuple[str, Sequence[LooRow]]]) -> Path:
    """Write the rows of tables of all that is left out; the file's path."""
    rows = [{name: _short(value) for name, value in asdict(row).items()} for _, table in tables
            for row in table]  # fmt: skip
    lines = ",\n  ".join(json.dumps(list(row.values())) for row in rows)
    columns = json.dumps(list(rows[0]))
    FILE.write_text(f'{{\n "columns": {columns},\n "rows": [\n  {lines}\n ]\n}}\n', "utf-8")
    return FILE


def _short(value: object) -> object:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
