"""llama-perplexity: its log, with perplexity, KL divergence, HellaSwag or WinoGrande."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from grid.cells.measurement import Metric
from grid.models.names import printed_name
from grid.results.imports import gguf_names as names
from grid.results.imports import metric
from grid.results.imports.cleaning import clean, quote
from grid.results.imports.formats.perplexity_runs import LogRun, PrintedFigure, runs_of
from grid.results.imports.record import (
    FigureOrigin,
    ImportedWeights,
    Record,
    RecordPlace,
    task_run,
)
from grid.results.imports.source import Source

ORIGIN = FigureOrigin("llama-perplexity")

_FIGURES = re.compile(
    r"Final estimate: PPL|KL divergence statistics|Perplexity statistics"
    r"|Mean\s+KLD\s*:|Mean PPL\(Q\)|Final Winogrande score|hellaswag_score|multiple_choice_score"
)
_METRICS = {
    "PPL": "perplexity", "Mean PPL(Q)": "perplexity",
    "Mean ln(PPL(Q)/PPL(base))": "ln_ppl_ratio",
    "Mean KLD": "kld_mean", "Maximum KLD": "kld_max", "99.9% KLD": "kld_p999",
    "99.0% KLD": "kld_p99", "95.0% KLD": "kld_p95", "90.0% KLD": "kld_p90",
    "Median KLD": "kld_median", "Minimum KLD": "kld_min",
    "Mean Δp": "dp_mean", "Maximum Δp": "dp_max", "99.9% Δp": "dp_p999", "99.0% Δp": "dp_p99",
    "95.0% Δp": "dp_p95", "90.0% Δp": "dp_p90", "75.0% Δp": "dp_p75", "Median Δp": "dp_median",
    "25.0% Δp": "dp_p25", "10.0% Δp": "dp_p10", "5.0% Δp": "dp_p05", "1.0% Δp": "dp_p01",
    "0.1% Δp": "dp_p001", "Minimum Δp": "dp_min", "RMS Δp": "dp_rms",
    "Same top p": "same_top1",
}  # fmt: skip
"""Our metric by what the log calls it."""

_IN_PERCENT = ("dp_", "same_top1")
_DERIVED = re.compile(r"Mean PPL\(base\)|Mean PPL\(Q\)[-/]PPL\(base\)|Cor\(")
"""Titles that other figures of the same block hold already."""

_PERCENTILE = re.compile(r"\d+\.\d+% (?:KLD|Δp)")


class PerplexityReader:
    """Logs of one run or of several, whole or with a logger's prefixes, in a note or by itself."""

    name = "llama-perplexity"
    description = "log of llama-perplexity (perplexity, KL divergence, HellaSwag, WinoGrande)"
    origin = ORIGIN
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return source.json is None and _FIGURES.search(source.text) is not None

    def records(self, source: Source) -> Iterator[Record]:
        runs = list(runs_of(source.lines))
        for run in runs:
            with source.refusing():
                yield from _run_records(source, run, len(runs))
        if not any(run.has_figures for run in runs):
            raise source.error("the log ends before a final figure; give that of a whole run")


def _run_records(source: Source, run: LogRun, runs: int) -> Iterator[Record]:
    prefix = f"run {run.number}: " if runs > 1 else ""
    figures = tuple(_figures(source, run, prefix))
    if figures:
        yield _quality(source, run, figures, prefix)
    for task, (items, score) in run.scores.items():
        yield _task(source, run, task, items, score, prefix)
    if run.choices:
        source.skip(
            f"{prefix}a multiple-choice score is left out: the log does not say of which questions"
        )
    if run.hellaswag and "hellaswag" not in run.scores:
        source.skip(f"{prefix}no HellaSwag score is in it: the run did not end")
    if run.facts.get("file") and not run.has_figures and not run.hellaswag:
        source.skip(f"{prefix}{clean(run.facts['file'])} has no final figure: the run did not end")


def _quality(source: Source, run: LogRun, figures: tuple[Metric, ...], prefix: str) -> Record:
    chunks, context = _int(run.facts.get("chunks")), _int(run.facts.get("context"))
    divergence = any(figure.name.startswith("kld_") for figure in figures)
    workload = {
        "measure": "quality",
        "label": f"quality {chunks or '?'}x{context or '?'}",
        "workload": {
            "text": "not named in the log",
            "text_sha256": "",
            "context": context or 0,
            "chunks": chunks or 0,
            "reference": "not named" if divergence else None,
        },
    }
    first = min(figure.line for figure in run.figures.values())
    return _record(source, run, workload, figures, first, prefix)


def _figures(source: Source, run: LogRun, prefix: str) -> Iterator[Metric]:
    dropped, percentiles = [], []
    for title, printed in run.figures.items():
        name = _METRICS.get(title)
        if name is not None:
            yield _metric(source, name, printed)
        elif _PERCENTILE.fullmatch(title):
            percentiles.append(title)
        elif not _DERIVED.match(title) and ("KLD" in title or "PPL" in title or "p" in title):
            dropped.append(title)
    if percentiles:
        titles = ", ".join(percentiles)
        source.skip(f"{prefix}left out: {titles}: rows hold no such percentiles")
    unread = [quote(title) for title in dict.fromkeys([*dropped, *run.unread])]
    if unread:
        source.skip(f"{prefix}left out: {', '.join(unread[:20])}: figures that are not known")


def _metric(source: Source, name: str, printed: PrintedFigure) -> Metric:
    where = f"line {printed.line}"
    value = _finite(source, name, printed.value, where)
    percent = name.startswith(_IN_PERCENT)
    if percent != (printed.unit == "%"):
        raise source.error(
            f"{where}: {name} is {printed.value} {printed.unit}, not in the usual unit"
        )
    error = _number(printed.error) if printed.error else None
    error = error if error is not None and math.isfinite(error) and error >= 0 else None
    how = "llama.cpp's standard error, tokens taken as independent" if error is not None else ""
    scale = 0.01 if percent else 1.0
    scaled = None if error is None else error * scale
    return metric.figure_with_error(name, value * scale, scaled, ORIGIN.name, how=how)


def _finite(source: Source, name: str, value: str, where: str) -> float:
    number = _number(value)
    if not abs(number) < 1e300:
        raise source.error(
            f"{where}: {name} is {quote(value)}, not a finite number: that run failed"
        )
    return number


def _task(
    source: Source, run: LogRun, task: str, n: int, printed: PrintedFigure, prefix: str
) -> Record:
    where = f"line {printed.line}"
    score = _finite(source, task, printed.value, where) / 100
    if not 0 <= score <= 1 or n < 1:
        raise source.error(
            f"{where}: the score of {task} is {printed.value} % of {n} tasks, not between 0 and 100"
        )
    if printed.error is None:
        spread = (score * (1 - score) / (n - 1)) ** 0.5 if n > 1 else None
        how = "standard error from the score and the number of tasks"
    else:
        spread, how = _finite(source, task, printed.error, where) / 100, "its standard error"
    chance = {"winogrande": 0.5, "hellaswag": 0.25}[task]
    figures = metric.accuracy(score, spread, n, chance, ORIGIN.name, how)
    workload = task_run("commonsense", task, limit=n)
    return _record(source, run, workload, figures, printed.line, prefix)


def _record(
    source: Source,
    run: LogRun,
    workload: dict[str, Any],
    figures: tuple[Metric, ...],
    line: int,
    prefix: str,
) -> Record:
    device = run.devices.kind or "unknown"
    cards = run.devices.cards(device)
    names_of_cards = {device: cards[0]} if 0 in cards else {}
    return Record(
        origin=ORIGIN,
        weights=_weights(source, run, prefix),
        **workload,
        backend="llama.cpp",
        engine_version=run.facts.get("build", ""),
        hardware=source.hardware_named(run.devices.of(device), device),
        device_kind=device,
        figures=figures,
        environment={name: clean(value) for name, value in (run.facts | names_of_cards).items()},
        place=RecordPlace(source.name, line, run.number if prefix else None),
    )


def _weights(source: Source, run: LogRun, prefix: str) -> ImportedWeights:
    facts = run.facts
    file, printed = facts.get("file", ""), facts.get("type", "")
    quant = names.quant_of(printed) if printed else names.quant_in(file)
    if quant is None:
        source.skip(f"{prefix}the log does not say the quantization in words that are known")
    name = source.model_named(printed_name(file, facts.get("header_name", "")))
    if not name:
        source.skip(f"{prefix}the log does not name the model; give it with --model")
        name = f"unnamed ({source.name}{', ' + prefix.rstrip(': ') if prefix else ''})"
    size, elements = (
        names.bytes_of(facts.get("size", "")),
        names.parameters_of(facts.get("params", "")),
    )
    return ImportedWeights(
        model=clean(name),
        family=clean(facts.get("family", "")),
        quant=quant or clean(printed) or "unknown",
        format="gguf",
        parameters=elements,
        bytes=size,
        bpw=names.bits_per_weight(size, elements),
    )


def _number(printed: str) -> float:
    """A number as printed, which may be nan; a comma stands between thousands."""
    return float(printed.replace(",", ""))


def _int(digits: str | None) -> int | None:
    return int(digits) if digits else None


READERS = (PerplexityReader(),)
