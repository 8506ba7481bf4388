"""llama-bench: its json, jsonl, csv and md outputs, with the fields of old and new builds."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

from grid.cells.measurement import Series
from grid.results.imports import gguf_names as names
from grid.results.imports import metric
from grid.results.imports.record import Origin, Record, Weights
from grid.results.imports.source import (
    Object,
    Source,
    clean,
    count,
    json_of,
    number,
    seconds,
    shortened,
    text,
)

ORIGIN = Origin("llama-bench")

_DEVICES = ("cuda", "rocm", "hip", "metal", "vulkan", "sycl", "kompute", "opencl", "gpu_blas")
"""What old builds say with one field each; `backends` replaced them."""

_NO_CARDS = ("", "cpu", "blas", "rpc", "accelerate")

_OPTIONS = {
    "n_threads": "threads",
    "n_batch": "batch",
    "n_ubatch": "ubatch",
    "type_k": "kv_type_k",
    "type_v": "kv_type_v",
    "n_gpu_layers": "gpu_layers",
    "flash_attn": "flash_attention",
}
"""Its fields that have a name in our rows; the others keep theirs."""

_SWITCHES = ("flash_attention", "use_mmap", "embeddings", "no_kv_offload")
"""Options that are on or off: 1 and 0 in csv and tables, truth values in json."""

_ALSO = ("split_mode", "main_gpu", "no_kv_offload", "tensor_split", "use_mmap", "embeddings")
_WHOLE = re.compile(r"-?\d{1,9}")
_TEST = re.compile(r"(pp|tg) ?(\d{1,9})(?: @ d(\d{1,9}))?")
_RATE = re.compile(r"(\d+(?:\.\d+)?)(?: (?:±|\+/-) (\d+(?:\.\d+)?))?")
_MD_OPTIONS = {
    "ngl": "gpu_layers", "threads": "threads", "n_batch": "batch", "n_ubatch": "ubatch",
    "type_k": "kv_type_k", "type_v": "kv_type_v", "fa": "flash_attention",
}  # fmt: skip


def looks_json(value: Any) -> bool:
    """Whether a parsed object is a row of llama-bench."""
    return isinstance(value, dict) and "model_type" in value and "n_gen" in value


def looks_csv(content: str) -> bool:
    head = content.lstrip().partition("\n")[0]
    return "build_commit" in head and "avg_ts" in head and "," in head


def looks_md(content: str) -> bool:
    return any(_is_head(_cells(line)) for line in content.splitlines())


def read_json(source: Source) -> list[Record]:
    """A list of rows, as `-o json` writes it."""
    whole = json_of(source, source.text)
    return _records(source, enumerate(whole if isinstance(whole, list) else [whole], 1), "entry")


def read_jsonl(source: Source) -> list[Record]:
    """A row a line, as `-o jsonl` writes them."""
    lines = [(n, line) for n, line in enumerate(source.text.splitlines(), 1) if line.strip()]
    return _records(source, ((n, json_of(source, line, n)) for n, line in lines), "line")


def read_csv(source: Source) -> list[Record]:
    """Rows under a header, as `-o csv` writes them."""
    try:
        rows = list(csv.DictReader(io.StringIO(source.text.lstrip()), strict=True))
    except csv.Error as error:
        raise source.wrong(f"not whole CSV ({error}); was it cut short?") from error
    for line, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise source.wrong(f"line {line} has not as many fields as the header; cut short?")
    return _records(source, enumerate(rows, 2), "line")


def _records(source: Source, rows: Iterable[tuple[int, Any]], what: str) -> list[Record]:
    found = []
    for at, row in rows:
        where = f"{what} {at}"
        if not looks_json(row):
            raise source.wrong(f"{where} is no row of llama-bench (model_type, n_prompt, n_gen)")
        record = _record(source, row, where)
        if record is not None:
            found.append(record)
    return found


def _record(source: Source, row: Object, where: str) -> Record | None:
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
        raise source.wrong(f"{where}: no rate (avg_ts); give llama-bench's whole output")
    series = _series(source, row, kind, where)
    sd = number(source, row, "stddev_ts", where)
    device, hardware = _place(source, row)
    commit, build = text(row, "build_commit"), text(row, "build_number")
    return Record(
        weights=_weights(source, row, where),
        measure=kind,
        label=_label(kind, tokens, depth),
        workload=_workload(tokens, depth, len(series.values) if series else None),
        backend="llama.cpp",
        engine_version=" ".join(filter(None, [f"b{build}" if build else "", commit])),
        options=_options(row),
        hardware=hardware,
        device_kind=device,
        metrics=metric.speed(kind, tokens, rate, sd, series, ORIGIN.name),
        samples=(series,) if series else (),
        started_at=seconds(row.get("test_time")),
        environment=_environment(row),
    )


def _series(source: Source, row: Object, kind: str, where: str) -> Series | None:
    """Seconds of each repetition; old builds and csv do not give them."""
    given = row.get("samples_ns")
    if not isinstance(given, list) or not given:
        return None
    values = [number(source, {"samples_ns": one}, "samples_ns", where) for one in given]
    if not all(values):
        raise source.wrong(f"{where}: samples_ns has a repetition without a duration")
    return Series(f"{kind}_s", "s", tuple(value / 1e9 for value in values if value))


def _weights(source: Source, row: Object, where: str) -> Weights:
    printed, file = text(row, "model_type"), text(row, "model_filename")
    size = count(source, row, "model_size", where) or None
    elements = count(source, row, "model_n_params", where) or None
    return weights(source, printed, file, size, elements)


def weights(
    source: Source, printed: str, file: str, size: int | None, elements: int | None
) -> Weights:
    """Of a model as llama.cpp prints it: `llama 7B Q4_0`; bits per weight from size and elements.
    A quant that is not known keeps the printed name, and that is said."""
    family, scale, quant = names.type_of(printed)
    if quant is None:
        source.skip(f"quantization of {shortened(printed)} is not known; it is kept as printed")
        quant = printed.removeprefix(f"{family} {scale}").strip() or "unknown"
    return Weights(
        model=source.model or names.name_of(file) or f"{family} {scale}".strip() or "unnamed",
        family=family,
        quant=quant,
        format="gguf",
        parameters=elements,
        bytes=size,
        bpw=names.bits_per_weight(size, elements),
    )


def _place(source: Source, row: Object) -> tuple[str, str]:
    """(device kind, hardware): what computed, and its name."""
    device = device_of(text(row, "backends"))
    if not text(row, "backends"):
        device = next((one for one in _DEVICES if text(row, one) in ("True", "1", "true")), "cpu")
    on_card = bool(text(row, "gpu_info")) and device != "cpu" and text(row, "n_gpu_layers") != "0"
    name = text(row, "gpu_info") if on_card else text(row, "cpu_info")
    return device if on_card else "cpu", source.hardware or name or unnamed(device)


def device_of(backends: str) -> str:
    """`BLAS,MTL` -> `metal`: what computes, of the backends that the build has; else `cpu`."""
    found = [one.strip().lower() for one in backends.split(",")]
    card = next((one for one in found if one not in _NO_CARDS), "cpu")
    return "metal" if card == "mtl" else card


def unnamed(device: str) -> str:
    """What a row's hardware is called that nobody named; `--hardware` gives it a name."""
    return f"unnamed {device or 'unknown'} hardware"


def _options(row: Object) -> dict[str, str | int | float | bool]:
    found: dict[str, str | int | float | bool] = {}
    for name in (*_OPTIONS, *_ALSO):
        value = row.get(name)
        if isinstance(value, str | int | float | bool) and value != "":
            found[_OPTIONS.get(name, name)] = _option(_OPTIONS.get(name, name), value)
    return found


def _option(name: str, value: str | int | float | bool) -> str | int | float | bool:
    """An option's value, the same whichever output it came in."""
    printed = clean(str(value))
    if name in _SWITCHES and printed.lower() in ("0", "1", "false", "true"):
        return printed.lower() in ("1", "true")
    if isinstance(value, str):
        return int(printed) if _WHOLE.fullmatch(printed) else printed
    return value


def _environment(row: Object) -> dict[str, str]:
    kept = ("cpu_info", "gpu_info", "backends", "model_filename", "model_type")
    return {name: text(row, name) for name in kept if text(row, name)}


def _label(kind: str, tokens: int, depth: int) -> str:
    return f"{'pp' if kind == 'prefill' else 'tg'}{tokens}" + (f" @ d{depth}" if depth else "")


def _workload(tokens: int, depth: int, repetitions: int | None) -> dict[str, int | None]:
    return {"tokens": tokens, "depth": depth, "repetitions": repetitions}


def read_md(source: Source) -> list[Record]:
    """A table with the columns model, size, params, backend, test and t/s, and any between."""
    found: list[Record] = []
    head: list[str] = []
    lines = source.text.splitlines()
    build = next((m[1] for m in map(re.compile(r"build: (.+)").match, lines) if m), "")
    for at, line in enumerate(lines, 1):
        cells = _cells(line)
        if _is_head(cells):
            head = [cell.lower() for cell in cells]
        elif head and cells and not set("".join(cells)) <= set("-: "):
            if len(cells) != len(head):
                raise source.wrong(f"line {at} has not as many cells as the table's head")
            record = _table_row(source, dict(zip(head, cells, strict=True)), at, build)
            found += [record] if record else []
    return found


def _cells(line: str) -> list[str]:
    line = line.strip()
    return [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []


def _is_head(cells: list[str]) -> bool:
    return {"model", "test", "t/s"} <= {cell.lower() for cell in cells}


def _table_row(source: Source, row: Mapping[str, str], at: int, build: str) -> Record | None:
    test, rate = _TEST.fullmatch(row["test"]), _RATE.fullmatch(row["t/s"])
    if test is None:
        source.skip(f"line {at}: the test {shortened(row['test'])} is left out: neither pp nor tg")
        return None
    if rate is None or float(rate[1]) <= 0:
        raise source.wrong(f"line {at}: t/s is {shortened(row['t/s'])}, not a rate such as 12 ± 1")
    kind = "prefill" if test[1] == "pp" else "decode"
    tokens, depth = int(test[2]), int(test[3] or 0)
    device = device_of(row.get("backend", "cpu"))
    size = names.bytes_of(row.get("size", ""))
    elements = names.parameters_of(row.get("params", ""))
    options: dict[str, str | int | float | bool] = {
        ours: _option(ours, value)
        for theirs, ours in _MD_OPTIONS.items()
        if (value := row.get(theirs, ""))
    }
    sd = float(rate[2]) if rate[2] else None
    return Record(
        weights=weights(source, row["model"], "", size, elements),
        measure=kind,
        label=_label(kind, tokens, depth),
        workload=_workload(tokens, depth, None),
        backend="llama.cpp",
        engine_version=build.strip(),
        options=options,
        hardware=source.hardware or unnamed(device),
        device_kind=device,
        metrics=metric.speed(kind, tokens, float(rate[1]), sd, None, ORIGIN.name),
        environment={"model_type": row["model"], "sizes": "rounded, as printed"},
    )
