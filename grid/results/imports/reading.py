"""From a file to rows: which tool wrote it, and that tool's reader."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from grid.errors import InputError, did_you_mean
from grid.results.imports import formats
from grid.results.imports.attempt import ImportedReport, import_report
from grid.results.imports.publication_tables import TABLES
from grid.results.imports.report_file import ReportFile, parse_json, read_text
from grid.results.imports.report_format import ReportFormat, content_of


def _find_formats() -> list[ReportFormat]:
    """All formats that the modules of `imports/formats` declare, in the order of their names."""
    names = sorted(module.name for module in iter_modules(formats.__path__))
    modules = [import_module(f"{formats.__name__}.{name}") for name in names]
    return [format for module in modules for format in getattr(module, "FORMATS", ())]


_RECOGNISED = {format.name: format for format in _find_formats()}

FORMATS = {name: format for name, format in _RECOGNISED.items() if format.selectable}
"""Formats that can be asked for, by name."""


def read_report(
    path: str | Path,
    format: str | None = None,
    hardware: str | None = None,
    model: str | None = None,
) -> ImportedReport:
    """What a tool's report says, as rows. `format` is detected where it is not given; `hardware`
    and `model` name what the report does not, or otherwise.

    Raises InputError, one line with the file and what is expected, for anything that is not a whole
    report with sensible figures.
    """
    path = Path(path)
    if format is not None and format not in FORMATS:
        raise InputError(f"unknown format {format!r}. {did_you_mean(format, FORMATS)}")
    text = read_text(path)
    report_format = _RECOGNISED[format or detect_format(str(path), text)]
    source = ReportFile(path, text, hardware=_one_line(hardware), model=_one_line(model))
    try:
        attempts = report_format.read(source)
    except RecursionError as error:
        raise source.error("nested too deeply for a report") from error
    if not attempts and not source.skipped:
        raise source.error("no figures in it; give the report of a whole run")
    return import_report(attempts, source.skipped, report_format.origin, path.name, text)


def _one_line(name: str | None) -> str | None:
    return " ".join(name.split()) or None if name else None


def detect_format(name: str, text: str) -> str:
    """The name of the format, from the content. Raises InputError where it is none that is known,
    with `name` as the file's name."""
    start = text.lstrip()[:200].lower()
    if start.startswith(("<!doctype", "<html", "<?xml", "<head")):
        raise InputError(f"{name} is a web page; save the report itself, for example the raw file")
    content = content_of(text)
    for format in _RECOGNISED.values():
        if format.matches(content):
            return format.name
    if content.is_json and content.json is None:
        parse_json(ReportFile(Path(name), text), text)  # says where the JSON breaks off
    if Path(name).stem in TABLES:
        raise InputError(
            f"{name} is a published table, which comes with quantgrid: "
            f"grid import --published {Path(name).stem}"
        )
    tools = ", ".join(dict.fromkeys(format.origin.name for format in FORMATS.values()))
    what = "is JSON, but no report" if content.is_json else "is no report"
    raise InputError(f"{name} {what} that is known; known are reports of {tools}")
