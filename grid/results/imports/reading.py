"""From a file to rows: which tool wrote it, and that tool's reader."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grid.errors import InputError, did_you_mean
from grid.results.imports import llama_bench, lm_eval, lm_eval_samples, optimum, perplexity
from grid.results.imports.imported import Imported, imported
from grid.results.imports.record import Origin, Record
from grid.results.imports.source import Source, json_of, text_of

Reader = Callable[[Source], list[Record]]

FORMATS: dict[str, tuple[str, Origin, Reader]] = {
    "llama-bench-json": (
        "llama-bench -o json", llama_bench.ORIGIN, llama_bench.read_json,
    ),
    "llama-bench-jsonl": (
        "llama-bench -o jsonl", llama_bench.ORIGIN, llama_bench.read_jsonl,
    ),
    "llama-bench-csv": (
        "llama-bench -o csv", llama_bench.ORIGIN, llama_bench.read_csv,
    ),
    "llama-bench-md": (
        "llama-bench -o md, as posted in discussions", llama_bench.ORIGIN, llama_bench.read_md,
    ),
    "llama-perplexity": (
        "log of llama-perplexity (perplexity, KL divergence, HellaSwag, WinoGrande)",
        perplexity.ORIGIN, perplexity.read_log,
    ),
    "lm-eval": (
        "results_*.json of lm-evaluation-harness, with samples_*.jsonl beside it",
        lm_eval.ORIGIN, lm_eval.read_json,
    ),
    "optimum-benchmark": (
        "benchmark.json or benchmark_report.json of optimum-benchmark",
        optimum.ORIGIN, optimum.read_json,
    ),
}  # fmt: skip
"""By name: what it is in words, who measured, and its reader."""

_SAMPLES = "lm-eval-samples"
_EXPECTED = "reports of llama-bench, llama-perplexity, lm-evaluation-harness, optimum-benchmark"


def read(
    path: str | Path,
    format: str | None = None,
    hardware: str | None = None,
    model: str | None = None,
) -> Imported:
    """What a tool's report says, as rows. `format` is detected where it is not given; `hardware`
    and `model` name what the report does not, or otherwise.

    Raises InputError, one line with the file and what is expected, for anything that is not a whole
    report with sensible figures.
    """
    path = Path(path)
    if format is not None and format not in FORMATS:
        raise InputError(f"unknown format {format!r}. {did_you_mean(format, FORMATS)}")
    content = text_of(path)
    name = format or detect(str(path), content)
    source = Source(path, content, hardware=_named(hardware), model=_named(model))
    if name == _SAMPLES:
        return _samples(source)
    _, origin, reader = FORMATS[name]
    try:
        records = reader(source)
    except RecursionError as error:
        raise source.wrong("nested too deeply for a report") from error
    if not records and not source.skipped:
        raise source.wrong("no figures in it; give the report of a whole run")
    return imported(records, source.skipped, origin, path.name, content)


def _named(given: str | None) -> str | None:
    return " ".join(given.split()) or None if given else None


def _samples(source: Source) -> Imported:
    """Items are read with the results that they belong to, never by themselves."""
    results = lm_eval_samples.results_of(source.path)
    if results is None:
        raise source.wrong(
            "items of lm-evaluation-harness; give the results_*.json of the same run beside it"
        )
    source.skip(f"its items are read with {results.name}")
    return imported([], source.skipped, lm_eval.ORIGIN, source.name, source.text)


def detect(name: str, text: str) -> str:
    """The name of the format, from the content. Raises InputError where it is none that is known,
    with `name` as the file's name."""
    start = text.lstrip()[:200].lower()
    if start.startswith(("<!doctype", "<html", "<?xml", "<head")):
        raise InputError(f"{name} is a web page; save the report itself, for example the raw file")
    if start.startswith(("{", "[")):
        return _json_format(name, text)
    if llama_bench.looks_csv(text):
        return "llama-bench-csv"
    if llama_bench.looks_md(text):
        return "llama-bench-md"
    if perplexity.looks(text):
        return "llama-perplexity"
    raise InputError(f"{name} is no report that is known; known are {_EXPECTED}")


def _json_format(name: str, text: str) -> str:
    whole = _parsed(text)
    if whole is None:
        lines = text.strip().splitlines()
        whole = _parsed(lines[0]) if len(lines) > 1 else None
        if llama_bench.looks_json(whole):
            return "llama-bench-jsonl"
        if lm_eval_samples.looks_json(whole):
            return _SAMPLES
        json_of(Source(Path(name), text), text)  # says where the JSON breaks off
    if llama_bench.looks_json(whole):
        return "llama-bench-jsonl" if re.match(r"\s*\{", text) else "llama-bench-json"
    if isinstance(whole, list) and whole and llama_bench.looks_json(whole[0]):
        return "llama-bench-json"
    for format, looks in _LOOKS.items():
        if looks(whole):
            return format
    raise InputError(f"{name} is JSON, but no report that is known; known are {_EXPECTED}")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_LOOKS: dict[str, Callable[[Any], bool]] = {
    "lm-eval": lm_eval.looks_json,
    "optimum-benchmark": optimum.looks_json,
    _SAMPLES: lm_eval_samples.looks_json,
}
