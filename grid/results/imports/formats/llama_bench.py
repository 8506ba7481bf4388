"""llama-bench: its json, jsonl, csv and md outputs, with the fields of old and new builds."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

from grid.cells.cell import Options
from grid.cells.measurement import Series
from grid.models.names import printed_name
from grid.results.imports import gguf_names as names
from grid.results.imports import metric
from grid.results.imports.attempt import (
    FigureOrigin,
    ImportedAttempt,
    ImportedWeights,
    speed_run,
    unnamed_hardware,
)
from grid.results.imports.report_file import (
    JsonObject,
    ReportFile,
    clean,
    count,
    epoch_seconds,
    number,
    parse_json,
    quote,
    text,
    texts,
)
from grid.results.imports.report_format import ReportFormat

ORIGIN = FigureOrigin("llama-bench")

_DEVICES = ("cuda", "rocm", "hip", "metal", "vulkan", "sycl", "kompute", "opencl", "gpu_blas")
"""Fields of old builds, one a backend; `backends` replaced them."""

_NO_CARDS = ("", "cpu", "blas", "rpc", "accelerate")

_OPTIONS = {
    "n_threads": "threads",
    "n_batch": "batch",
    "n_ubatch": "ubatch",
    "type_k": "kv_type_k",
    "type_v": "kv_type_v",
    "n_gpu_layers": "gpu_layers",
    "flash_attn": "flash_attention",
    "n_cpu_moe": "cpu_expert_layers",
    "tensor_buft_overrides": "tensor_overrides",
}
"""Fields of llama-bench that have another name in our rows."""

_SWITCHES = (
    "flash_attention", "use_mmap", "embeddings", "no_kv_offload", "no_op_offload", "no_host",
)  # fmt: skip
"""Options that are on or off: 1 and 0 in csv and tables, truth values in json."""

_KEPT_OPTIONS = (
    "split_mode",
    "main_gpu",
    "no_kv_offload",
    "tensor_split",
    "use_mmap",
    "embeddings",
    "devices",
    "no_op_offload",
    "no_host",
)
_USUAL_PLACEMENT: dict[str, object] = {
    "cpu_expert_layers": 0, "tensor_overrides": "none", "devices": "auto", "no_op_offload": False,
    "no_host": False,
}  # fmt: skip
"""What newer builds print where nothing is placed otherwise, and older ones do not print at all:
left out, so that both are one cell."""
_ENVIRONMENT = ("cpu_info", "gpu_info", "backends", "model_filename", "model_type")
_WHOLE = re.compile(r"-?\d{1,9}")
_TEST = re.compile(r"(pp|tg) ?(\d{1,9})(?: @ d(\d{1,9}))?")
_RATE = re.compile(r"(\d+(?:\.\d+)?)(?: (?:±|\+/-) (\d+(?:\.\d+)?))?")
_MD_OPTIONS = {
    "ngl": "gpu_layers", "threads": "threads", "n_batch": "batch", "n_ubatch": "ubatch",
    "type_k": "kv_type_k", "type_v": "kv_type_v", "fa": "flash_attention",
    "n_cpu_moe": "cpu_expert_layers", "ot": "tensor_overrides", "dev": "devices",
    "nopo": "no_op_offload", "noh": "no_host", "nkvo": "no_kv_offload", "sm": "split_mode",
    "mg": "main_gpu", "ts": "tensor_split", "mmap": "use_mmap", "embd": "embeddings",
}  # fmt: skip


def _is_row(value: Any) -> bool:
    """Whether a parsed JSON value is a row of llama-bench."""
    return isinstance(value, dict) and "model_type" in value and "n_gen" in value


def _is_csv(text: str) -> bool:
    head = text.lstrip().partition("\n")[0]
    return "build_commit" in head and "avg_ts" in head and "," in head


def _is_table(text: str) -> bool:
    return any(_is_head(_cells(line)) for line in text.splitlines())


def _read_json(source: ReportFile) -> list[ImportedAttempt]:
    """A list of rows, as `-o json` writes it."""
    whole = parse_json(source, source.text)
    return _read_rows(source, enumerate(whole if isinstance(whole, list) else [whole], 1), "entry")


def _read_jsonl(source: ReportFile) -> list[ImportedAttempt]:
    """A row a line, as `-o jsonl` writes them."""
    lines = [(n, line) for n, line in enumerate(source.text.splitlines(), 1) if line.strip()]
    return _read_rows(source, ((n, parse_json(source, line, n)) for n, line in lines), "line")


def _read_csv(source: ReportFile) -> list[ImportedAttempt]:
    """Rows under a header, as `-o csv` writes them."""
    try:
        rows = list(csv.DictReader(io.StringIO(source.text.lstrip()), strict=True))
    except csv.Error as error:
        raise source.error(f"not whole CSV ({error}); was it cut short?") from error
    for line, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise source.error(f"line {line} has not as many fields as the header; cut short?")
    return _read_rows(source, enumerate(rows, 2), "line")


def _read_rows(
    source: ReportFile, rows: Iterable[tuple[int, Any]], what: str
) -> list[ImportedAttempt]:
    attempts = []
    for at, row in rows:
        where = f"{what} {at}"
        if not _is_row(row):
            raise source.error(f"{where} is no row of llama-bench (model_type, n_prompt, n_gen)")
        attempt = _attempt(source, row, where)
        if attempt is not None:
            attempts.append(attempt)
    return attempts


def _attempt(source: ReportFile, row: JsonObject, where: str) -> ImportedAttempt | None:
    prompt = count(source, row, "n_prompt", where) or 0
    generated = count(source, row, "n_gen", where) or 0
    depth = count(source, row, "n_depth", where) or 0
    if bool(prompt) == bool(generated):
        test = f"pp{prompt}+tg{generated}"
        source.skip(f"{where}: {test} is left out: prompt and generation in one figure")
        return None
    kind, tokens = ("prefill", prompt) if prompt else ("decode", generated)
    rate = number(source, row, "avg_ts", where)
    if not rate:
        raise source.error(f"{where}: no rate (avg_ts); give llama-bench's whole output")
    series = _series(source, row, kind, where)
    sd = number(source, row, "stddev_ts", where)
    device, hardware = _place(source, row)
    commit, build = text(row, "build_commit"), text(row, "build_number")
    return ImportedAttempt(
        weights=_weights(source, row, where),
        **speed_run(kind, tokens, depth, len(series.values) if series else None),
        backend="llama.cpp",
        engine_version=" ".join(filter(None, [f"b{build}" if build else "", commit])),
        options=_options(row),
        hardware=hardware,
        device_kind=device,
        metrics=metric.speed(kind, tokens, rate, sd, series, ORIGIN.name),
        samples=(series,) if series else (),
        started_at=epoch_seconds(row.get("test_time")),
        environment=texts(row, _ENVIRONMENT),
    )


def _series(source: ReportFile, row: JsonObject, kind: str, where: str) -> Series | None:
    """Seconds of each repetition; old builds and csv do not give them."""
    repetitions = row.get("samples_ns")
    if not isinstance(repetitions, list) or not repetitions:
        return None
    values = [
        number(source, {"samples_ns": nanoseconds}, "samples_ns", where)
        for nanoseconds in repetitions
    ]
    if not all(values):
        raise source.error(f"{where}: samples_ns has a repetition without a duration")
    return Series(f"{kind}_s", "s", tuple(value / 1e9 for value in values if value))


def _weights(source: ReportFile, row: JsonObject, where: str) -> ImportedWeights:
    printed, file = text(row, "model_type"), text(row, "model_filename")
    size = count(source, row, "model_size", where) or None
    elements = count(source, row, "model_n_params", where) or None
    return _printed_weights(source, printed, file, size, elements)


def _printed_weights(
    source: ReportFile, printed: str, file: str, size: int | None, elements: int | None
) -> ImportedWeights:
    """Weights of a model as llama.cpp prints it, such as `llama 7B Q4_0`; bits per weight from size
    and elements. An unknown quant keeps the printed name, with a note."""
    family, scale, quant = names.type_of(printed)
    if quant is None:
        source.skip(f"quantization of {quote(printed)} is not known; it is kept as printed")
        quant = printed.removeprefix(f"{family} {scale}").strip() or "unknown"
    return ImportedWeights(
        model=source.model or printed_name(file) or f"{family} {scale}".strip() or "unnamed",
        family=family,
        quant=quant,
        format="gguf",
        parameters=elements,
        bytes=size,
        bpw=names.bits_per_weight(size, elements),
    )


def _place(source: ReportFile, row: JsonObject) -> tuple[str, str]:
    """(device kind, hardware): what computed, and its name."""
    device = _device_of(text(row, "backends"))
    if not text(row, "backends"):
        device = next(
            (backend for backend in _DEVICES if text(row, backend) in ("True", "1", "true")), "cpu"
        )
    on_card = bool(text(row, "gpu_info")) and device != "cpu" and text(row, "n_gpu_layers") != "0"
    name = text(row, "gpu_info") if on_card else text(row, "cpu_info")
    return device if on_card else "cpu", source.hardware or name or unnamed_hardware(device)


def _device_of(backends: str) -> str:
    """`BLAS,MTL` -> `metal`: what computes, of the backends that the build has; else `cpu`."""
    present = [name.strip().lower() for name in backends.split(",")]
    card = next((name for name in present if name not in _NO_CARDS), "cpu")
    return "metal" if card == "mtl" else card


def _options(row: JsonObject) -> Options:
    options: Options = {}
    for name in (*_OPTIONS, *_KEPT_OPTIONS):
        value = row.get(name)
        if isinstance(value, str | int | float | bool) and value != "":
            options[_OPTIONS.get(name, name)] = _option(_OPTIONS.get(name, name), value)
    return _without_usual_placement(options)


def _without_usual_placement(options: Options) -> Options:
    return {
        name: value
        for name, value in options.items()
        if name not in _USUAL_PLACEMENT or value != _USUAL_PLACEMENT[name]
    }


def _option(name: str, value: str | int | float | bool) -> str | int | float | bool:
    """An option's value, the same whichever output it came in."""
    printed = clean(str(value))
    if name in _SWITCHES and printed.lower() in ("0", "1", "false", "true"):
        return printed.lower() in ("1", "true")
    if isinstance(value, str):
        return int(printed) if _WHOLE.fullmatch(printed) else printed
    return value


def _read_md(source: ReportFile) -> list[ImportedAttempt]:
    """A table with the columns model, size, params, backend, test and t/s, and any between."""
    attempts: list[ImportedAttempt] = []
    head: list[str] = []
    lines = source.text.splitlines()
    build = next((m[1] for m in map(re.compile(r"build: (.+)").match, lines) if m), "")
    for at, line in enumerate(lines, 1):
        cells = _cells(line)
        if _is_head(cells):
            head = [cell.lower() for cell in cells]
        elif head and cells and not set("".join(cells)) <= set("-: "):
            if len(cells) != len(head):
                raise source.error(f"line {at} has not as many cells as the table's head")
            attempt = _table_row(source, dict(zip(head, cells, strict=True)), at, build)
            attempts += [attempt] if attempt else []
    return attempts


def _cells(line: str) -> list[str]:
    line = line.strip()
    return [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []


def _is_head(cells: list[str]) -> bool:
    return {"model", "test", "t/s"} <= {cell.lower() for cell in cells}


def _table_row(
    source: ReportFile, row: Mapping[str, str], at: int, build: str
) -> ImportedAttempt | None:
    test, rate = _TEST.fullmatch(row["test"]), _RATE.fullmatch(row["t/s"])
    if test is None:
        source.skip(f"line {at}: the test {quote(row['test'])} is left out: neither pp nor tg")
        return None
    if rate is None or float(rate[1]) <= 0:
        raise source.error(f"line {at}: t/s is {quote(row['t/s'])}, not a rate such as 12 ± 1")
    kind = "prefill" if test[1] == "pp" else "decode"
    tokens, depth = int(test[2]), int(test[3] or 0)
    device = _device_of(row.get("backend", "cpu"))
    size = names.bytes_of(row.get("size", ""))
    elements = names.parameters_of(row.get("params", ""))
    options = _without_usual_placement(
        {
            ours: _option(ours, value)
            for theirs, ours in _MD_OPTIONS.items()
            if (value := row.get(theirs, ""))
        }
    )
    sd = float(rate[2]) if rate[2] else None
    return ImportedAttempt(
        weights=_printed_weights(source, row["model"], "", size, elements),
        **speed_run(kind, tokens, depth),
        backend="llama.cpp",
        engine_version=build.strip(),
        options=options,
        hardware=source.hardware or unnamed_hardware(device),
        device_kind=device,
        metrics=metric.speed(kind, tokens, float(rate[1]), sd, None, ORIGIN.name),
        environment={"model_type": row["model"], "sizes": "rounded, as printed"},
    )


FORMATS = (
    ReportFormat(
        "llama-bench-json",
        "llama-bench -o json",
        ORIGIN,
        lambda content: isinstance(content.json, list) and any(map(_is_row, content.json[:1])),
        _read_json,
    ),
    ReportFormat(
        "llama-bench-jsonl",
        "llama-bench -o jsonl",
        ORIGIN,
        lambda content: _is_row(content.json) or _is_row(content.first_line),
        _read_jsonl,
    ),
    ReportFormat(
        "llama-bench-csv",
        "llama-bench -o csv",
        ORIGIN,
        lambda content: _is_csv(content.text),
        _read_csv,
    ),
    ReportFormat(
        "llama-bench-md",
        "llama-bench -o md, as posted in discussions",
        ORIGIN,
        lambda content: _is_table(content.text),
        _read_md,
    ),
)
