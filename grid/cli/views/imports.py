"""What an import brought, for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grid.cli.views.console import console, table

if TYPE_CHECKING:
    from grid.results.imports import Imported


def import_files(
    paths: Sequence[Path],
    store: str,
    kind: str | None,
    hardware: str | None,
    model: str | None,
    *,
    dry_run: bool = False,
) -> None:
    """Read all files, then write; nothing is written where one of them is wrong."""
    from grid.results.imports import read

    _import([read(path, kind, hardware, model) for path in paths], store, dry_run)


def import_published(names: Sequence[str], store: str, *, dry_run: bool = False) -> None:
    """Import published tables by name; all of them for `all` or none."""
    from grid.results.imports.publications import publication, published

    every = not names or "all" in names
    found = published() if every else [publication(name) for name in dict.fromkeys(names)]
    _import([one.imported for one in found], store, dry_run)


def list_formats() -> None:
    """The formats that are read and the tables that are bundled."""
    from grid.results.imports import FORMATS, published

    out = console()
    formats = [[name, text] for name, (text, _, _) in FORMATS.items()]
    out.print(table(["format", "what it is"], formats, wrap=[1]))
    out.print()
    tables = [[one.name, f"{one.title}; {one.source}; {one.licence}"] for one in published()]
    out.print(table(["published", "what it is; source; licence"], tables, wrap=[1]))


def _import(several: Sequence[Imported], store: str, dry_run: bool) -> None:
    from grid.results.imports.writing import add_all

    out = console()
    added = [one.count for one in several] if dry_run else add_all(several, store)
    for one, new in zip(several, added, strict=True):
        for line in _lines(one, new, dry_run):
            out.print(line, markup=False, soft_wrap=True)
        for skipped in one.skipped:
            out.print(f"note: {skipped}", markup=False, soft_wrap=True)


def _lines(one: Imported, new: int, dry_run: bool) -> list[str]:
    attempts = "attempt" if new == 1 else "attempts"
    would = " would come" if dry_run else ""
    before = f", {one.count - new} were there already" if new < one.count else ""
    source = f"source: {one.origin}; licence: {one.licence}"
    lines = [f"{new} {attempts}{would} from {one.name} ({source}){before}"]
    if dry_run:
        lines += [f"  {line}" for line in _contents(one)]
    return lines


def _contents(one: Imported) -> list[str]:
    """A line for each attempt: what was measured of what, where, and the first figure."""
    first: dict[str, str] = {}
    for metric in one.rows.get("metrics", []):
        if metric["value"] is not None:
            figure = f"{metric['name']} {metric['value']:.6g} {metric['unit']}".removesuffix(" 1")
            first.setdefault(metric["attempt_id"], figure)
    return [
        f"{row['model']} {row['quant']}  {row['label']}  on {row['hardware_class']}: "
        + first.get(row["attempt_id"], "no figure")
        for row in one.rows.get("attempts", [])
    ]
