"""What an import brought, for people."""

from __future__ import annotations

from collections.abc import Sequence

from grid.cli.views.console import console, print_json, table
from grid.results.imports import FORMATS, ImportedReport, all_publications
from grid.results.imports.mapped.map_files import map_titles
from grid.units import count_of


def print_formats(as_json: bool = False) -> None:
    """The formats and maps that are read with, and the tables that are bundled."""
    if as_json:
        published = {
            report.name: {"title": report.title, "origin": report.origin, "licence": report.licence}
            for report in all_publications()
        }
        formats = {name: format.description for name, format in FORMATS.items()}
        print_json({"formats": formats, "maps": map_titles(), "published": published})
        return
    out = console()
    rows = [[name, format.description] for name, format in FORMATS.items()]
    out.print(table(["format", "what it is"], rows, wrap=[1]))
    out.print()
    maps = [[name, title] for name, title in map_titles().items()]
    out.print(table(["map", "what it reads, by --map"], maps, wrap=[1]))
    out.print()
    tables = [
        [report.name, f"{report.title}; {report.origin}; {report.licence}"]
        for report in all_publications()
    ]
    out.print(table(["published", "what it is; source; licence"], tables, wrap=[1]))


def print_report(report: ImportedReport, new: int, dry_run: bool) -> None:
    """How many of a report's attempts are new; with `dry_run` each of them, which came nowhere."""
    would = " would be added" if dry_run else ""
    before = f", {report.count - new} were there already" if new < report.count else ""
    source = f"source: {report.origin}; licence: {report.licence}"
    lines = [f"{count_of(new, 'attempt')}{would} from {report.name} ({source}){before}"]
    if dry_run:
        lines += [f"  {line}" for line in _contents(report)]
    lines += [f"note: {skipped}" for skipped in report.skipped]
    for line in lines:
        console().print(line)


def print_conflicts(conflicts: Sequence[str]) -> None:
    """Which cells have different figures."""
    for line in conflicts:
        console().print(f"note: {line}")


def print_reports_json(
    reports: Sequence[ImportedReport],
    new: Sequence[int],
    dry_run: bool,
    failures: Sequence[str] = (),
    conflicts: Sequence[str] = (),
) -> None:
    """The same of several reports as JSON; `new` are the attempts of each that are new. Files that
    could not be read have an `error`, cells with different figures are `conflicts` at the end."""
    beside: list[dict[str, object]] = [{"error": line} for line in failures]
    beside += [{"conflicts": list(conflicts)}] if conflicts else []
    print_json(
        [
            {
                "report": report.name,
                "origin": report.origin,
                "licence": report.licence,
                "attempts": report.count,
                "new": count,
                "written": not dry_run,
                "skipped": report.skipped,
                "refused": report.refused,
            }
            for report, count in zip(reports, new, strict=True)
        ]
        + beside
    )


def _contents(report: ImportedReport) -> list[str]:
    """A line for each attempt: what was measured of what, where, and the first figure."""
    first: dict[str, str] = {}
    for metric in report.rows.get("metrics", []):
        if metric["value"] is not None:
            figure = f"{metric['name']} {metric['value']:.6g} {metric['unit']}".removesuffix(" 1")
            first.setdefault(metric["attempt_id"], figure)
    return [
        f"{row['model']} {row['quant']}  {row['label']}  on {row['hardware_class']}: "
        + first.get(row["attempt_id"], "no figure")
        for row in report.rows.get("attempts", [])
    ]
