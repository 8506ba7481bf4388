"""docs/results.md says of every field what the schema says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from grid.results.fields import document
from grid.results.schema import TABLES

ROOT = Path(__file__).parents[3]


def test_results_document_is_up_to_date() -> None:
    written = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert written == document(), "run: python -m grid.results.fields > docs/results.md"


def test_every_schema_field_is_documented() -> None:
    text = document()
    for schema in TABLES.values():
        for field in schema:
            assert f"| `{field.name}` |" in text
            assert field.metadata[b"doc"].decode() in text


def test_every_duration_and_size_field_names_its_unit() -> None:
    for schema in TABLES.values():
        for field in schema:
            doc = field.metadata[b"doc"].decode()
            if field.name.endswith("_s"):
                assert doc.endswith(", s")
            if field.name.endswith("_bytes"):
                assert doc.endswith(", bytes")


def test_importing_grid_imports_no_arrow() -> None:
    code = (
        "import sys, grid, grid.results; "
        "assert callable(grid.open); "
        "heavy = {'pyarrow', 'duckdb', 'pandas', 'numpy', 'msgspec'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert out.stdout.strip() == "[]"
