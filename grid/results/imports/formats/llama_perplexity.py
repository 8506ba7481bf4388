"""llama-perplexity: its log, with perplexity, KL divergence, HellaSwag or WinoGrande."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from grid.cells.measurement import Metric
from grid.models.names import printed_name
from grid.results.imports import gguf_names as names
from grid.results.imports import metric
from grid.results.imports.attempt import (
    FigureOrigin,
    ImportedAttempt,
    ImportedWeights,
    task_run,
    unnamed_hardware,
)
from grid.results.imports.report_file import ReportFile, quote
from grid.results.imports.report_format import ReportFormat

ORIGIN = FigureOrigin("llama-perplexity")

_N = r"(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?|-?nan|-?inf)"
_ERROR = rf"(?:\s*(?:±|\+/-|\+-)\s*{_N})?"
_FINAL = re.compile(rf"Final estimate: PPL\s*=\s*{_N}{_ERROR}")
_LINE = re.compile(rf"\s*([A-Za-z0-9.%()/ΔΡρ -]+?)\s*:\s*{_N}\s*%?{_ERROR}\s*%?\s*")
_WINOGRANDE = re.compile(rf"Final Winogrande score\((\d{{1,9}}) tasks\):\s*{_N}{_ERROR}")
_HELLASWAG = re.compile(rf"\s*(\d{{1,9}})\s+{_N}%.*")
_CHOICES = re.compile(r"Final result:\s*[\d.]+")
_FIGURES = re.compile(
    r"Final estimate: PPL|KL divergence statistics|Perplexity statistics"
    r"|Final Winogrande score|hellaswag_score|multiple_choice_score"
)
_FACTS = {
    "file": re.compile(r"loaded meta data with .* from (.+?) \(version"),
    "header_name": re.compile(r"general\.name(?: str)? = (.+)"),
    "type": re.compile(r"(?:model ftype|file type)\s*=\s*(.+)"),
    "params": re.compile(r"model params\s*=\s*([\d.]+ [KMBT])"),
    "size": re.compile(r"(?:model size|file size)\s*=\s*([\d.]+ [KMGT]iB)"),
    "family": re.compile(r"(?:print_info|llm_load_print_meta): arch\s*=\s*(\S+)"),
    "chunks": re.compile(r"over (\d{1,9}) chunks"),
    "context": re.compile(r"n_ctx\s*=\s*(\d{1,9}), batch_size"),
    "build": re.compile(r"build(?::| =) (\d+ \([0-9a-f]+\))"),
    "cuda": re.compile(r"Device 0: (.+?), compute"),
    "metal": re.compile(r"ggml_metal_\w+: (?:found device|GPU name):\s*(.+)"),
    "vulkan": re.compile(r"ggml_vulkan: 0 = (.+?) \("),
}
_HEADER_NAME = re.compile(r"general\.name(?: str)? = (.+)")
_METRICS = {
    "Mean PPL(Q)": ("perplexity", 1.0), "Mean ln(PPL(Q)/PPL(base))": ("ln_ppl_ratio", 1.0),
    "Mean KLD": ("kld_mean", 1.0), "Maximum KLD": ("kld_max", 1.0), "99.9% KLD": ("kld_p999", 1.0),
    "99.0% KLD": ("kld_p99", 1.0), "95.0% KLD": ("kld_p95", 1.0), "90.0% KLD": ("kld_p90", 1.0),
    "Median KLD": ("kld_median", 1.0), "Minimum KLD": ("kld_min", 1.0),
    "Mean Δp": ("dp_mean", 0.01), "Maximum Δp": ("dp_max", 0.01), "99.9% Δp": ("dp_p999", 0.01),
    "99.0% Δp": ("dp_p99", 0.01), "95.0% Δp": ("dp_p95", 0.01), "90.0% Δp": ("dp_p90", 0.01),
    "75.0% Δp": ("dp_p75", 0.01), "Median Δp": ("dp_median", 0.01), "25.0% Δp": ("dp_p25", 0.01),
    "10.0% Δp": ("dp_p10", 0.01), "5.0% Δp": ("dp_p05", 0.01), "1.0% Δp": ("dp_p01", 0.01),
    "0.1% Δp": ("dp_p001", 0.01), "Minimum Δp": ("dp_min", 0.01), "RMS Δp": ("dp_rms", 0.01),
    "Same top p": ("same_top1", 0.01),
}  # fmt: skip
"""What the log calls it -> (our metric, factor to our unit)."""

_LONGEST = 1000
"""Characters of a line that are looked at: no line with a figure is longer."""

_WORDS = ("PPL(", "KLD", "Δp", "top p")
_SIGNED = ("dp_", "ln_", "kld_min")


def _read_log(source: ReportFile) -> list[ImportedAttempt]:
    """Attempts of one run: one with its text metrics, one for each task with a score."""
    lines = [" ".join(line[:_LONGEST].split()) for line in source.text.splitlines()]
    facts = {name: _first(pattern, lines) for name, pattern in _FACTS.items()}
    attempts = [*_quality(source, lines, facts), *_tasks(source, lines, facts)]
    if any(_CHOICES.search(line) for line in lines):
        source.skip("a multiple-choice score is left out: the log does not say of which questions")
    if not attempts and not source.skipped:
        raise source.error("the log ends before a final figure; give that of a whole run")
    return attempts


def _first(pattern: re.Pattern[str], lines: list[str]) -> str:
    return next((match[1].strip() for line in lines if (match := pattern.search(line))), "")


def _quality(
    source: ReportFile, lines: list[str], facts: dict[str, str]
) -> Iterator[ImportedAttempt]:
    figures = {figure.name: figure for figure in _figures(source, lines)}
    if not figures:
        return
    chunks, context = _int(facts["chunks"]), _int(facts["context"])
    run = {
        "measure": "quality",
        "label": f"quality {chunks or '?'}x{context or '?'}",
        "workload": {
            "text": "not named in the log",
            "text_sha256": "",
            "context": context or 0,
            "chunks": chunks or 0,
            "reference": "not named" if "kld_mean" in figures else None,
        },
    }
    yield _attempt(source, facts, run, tuple(figures.values()))


def _figures(source: ReportFile, lines: list[str]) -> Iterator[Metric]:
    dropped = []
    for line in lines:
        final = _FINAL.search(line)
        if final:
            yield _figure(source, "perplexity", final[1], final[2], 1.0)
        elif any(word in line for word in _WORDS) and (match := _LINE.fullmatch(line)):
            title = match[1]
            name, scale = _METRICS.get(title, ("", 1.0))
            if name:
                yield _figure(source, name, match[2], match[3], scale)
            elif title.endswith((" KLD", " Δp")):
                dropped.append(title)
    if dropped:
        source.skip(f"left out: {', '.join(dropped)}: rows hold no such percentiles")


def _figure(source: ReportFile, name: str, value: str, error: str | None, scale: float) -> Metric:
    number = _finite(source, name, value)
    if number < 0 and not name.startswith(_SIGNED):
        raise source.error(f"{name} is {value}, which cannot be negative")
    sd = None if error is None else _finite(source, name, error) * scale
    how = "llama.cpp's standard error, tokens taken as independent" if sd is not None else ""
    return metric.figure_with_error(name, number * scale, sd, ORIGIN.name, how=how)


def _finite(source: ReportFile, name: str, value: str) -> float:
    number = float(value)
    if not abs(number) < 1e300:
        raise source.error(f"{name} is {quote(value)}, not a finite number: that run failed")
    return number


def _tasks(
    source: ReportFile, lines: list[str], facts: dict[str, str]
) -> Iterator[ImportedAttempt]:
    winogrande = [match for line in lines if (match := _WINOGRANDE.search(line))]
    if winogrande:
        last = winogrande[-1]
        yield _task(source, facts, "winogrande", 0.5, int(last[1]), last[2], last[3])
    if any("hellaswag_score" in line for line in lines):
        scores = [match for line in lines if (match := _HELLASWAG.fullmatch(line))]
        if scores:
            yield _task(source, facts, "hellaswag", 0.25, int(scores[-1][1]), scores[-1][2], None)
        else:
            source.skip("no HellaSwag score is in it: the run did not end")


def _task(
    source: ReportFile,
    facts: dict[str, str],
    task: str,
    chance: float,
    n: int,
    value: str,
    error: str | None,
) -> ImportedAttempt:
    score = _finite(source, task, value) / 100
    if not 0 <= score <= 1 or n < 1:
        raise source.error(f"the score of {task} is {value} % of {n} tasks, not between 0 and 100")
    if error is None:
        spread = (score * (1 - score) / (n - 1)) ** 0.5 if n > 1 else None
        how = "standard error from the score and the number of tasks"
    else:
        spread, how = _finite(source, task, error) / 100, "its standard error"
    figures = metric.accuracy(score, spread, n, chance, ORIGIN.name, how)
    return _attempt(source, facts, task_run("commonsense", task, limit=n), figures)


def _attempt(
    source: ReportFile, facts: dict[str, str], run: dict[str, Any], figures: tuple[Metric, ...]
) -> ImportedAttempt:
    device = next((kind for kind in ("cuda", "metal", "vulkan") if facts[kind]), "unknown")
    return ImportedAttempt(
        weights=_weights(source, facts),
        **run,
        backend="llama.cpp",
        engine_version=facts["build"],
        hardware=source.hardware or facts.get(device) or unnamed_hardware(device),
        device_kind=device,
        metrics=figures,
        environment={name: value for name, value in facts.items() if value},
    )


def _weights(source: ReportFile, facts: dict[str, str]) -> ImportedWeights:
    quant = names.quant_of(facts["type"]) if facts["type"] else None
    if quant is None:
        source.skip("the log does not say the quantization in words that are known")
    name = source.model or printed_name(facts["file"], facts["header_name"])
    if name is None:
        source.skip("the log does not name the model; give it with --model")
    size, elements = names.bytes_of(facts["size"]), names.parameters_of(facts["params"])
    return ImportedWeights(
        model=name or "unnamed",
        family=facts["family"],
        quant=quant or facts["type"] or "unknown",
        format="gguf",
        parameters=elements,
        bytes=size,
        bpw=names.bits_per_weight(size, elements),
    )


def _int(digits: str) -> int | None:
    return int(digits) if digits else None


FORMATS = (
    ReportFormat(
        "llama-perplexity",
        "log of llama-perplexity (perplexity, KL divergence, HellaSwag, WinoGrande)",
        ORIGIN,
        lambda content: _FIGURES.search(content.text) is not None,
        _read_log,
    ),
)
