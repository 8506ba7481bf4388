"""docs/results.md, made from the schema: `python -m grid.results.fields > docs/results.md`."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from grid.results.schema import SCHEMA_VERSION, TABLES

_ABOUT = {
    "attempts": "One row for each attempt at a cell, also for failed ones.",
    "metrics": "Computed figures, one row for each attempt and metric.",
    "samples": "Raw samples, one row for each attempt and quantity. Single facts have one value.",
    "items": "Task items, one row for each attempt and item.",
}

_INTRO = f"""# Results: the four tables

A store is a folder (or any pyarrow filesystem URI) of Arrow IPC files. Each flush writes one
file for each table, named `<table>-<UTC time>-<random>.arrow`. A file's metadata has its table
(`quantgrid.table`) and its version of the schema (`quantgrid.schema`, now {SCHEMA_VERSION}).
Older versions stay readable. Files that are torn, foreign or of a newer version are reported and
skipped, never deleted. `writer.lock` exists while a sweep writes.

Read them with `grid results`, with anything that reads Arrow, or in Python with
`grid.open("results/")`: `attempts()`, `metrics()`, `samples()`, `items()`, `final()` and
`wide()` give Arrow tables, `frame(table)` gives pandas frames, `query(sql)` runs SQL.

* A row of metrics, samples or items counts only if its attempt is in `attempts`.
* The **final** attempt of a cell is the one that counts: the newest that is `ok`, `oom` or
  `unsupported`; without one the newest `skipped`; otherwise the newest of all.
* The **wide** table has one row for each final attempt, with its metrics as columns `<name>`,
  `<name>_low` and `<name>_high`. A metric named like a column of attempts is `<name>_metric`.
* Absent values are null, never zero.
"""


def document() -> str:
    """The text of docs/results.md, from the fields' own docs."""
    parts = [_INTRO]
    for table, schema in TABLES.items():
        parts.append(f"## {table}\n\n{_ABOUT[table]}\n")
        lines = ["| field | type | meaning |", "|---|---|---|"]
        lines += [_line(schema.field(name)) for name in schema.names]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _line(field: pa.Field[Any]) -> str:
    doc = (field.metadata or {})[b"doc"].decode().replace("|", "\\|")
    return f"| `{field.name}` | {_type(field.type)} | {doc} |"


def _type(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "timestamp, µs, UTC"
    if pa.types.is_list(kind):
        return f"list of {kind.value_type}"
    if pa.types.is_map(kind):
        return f"map of {kind.key_type} to {kind.item_type}"
    return str(kind)


if __name__ == "__main__":
    print(document(), end="")
