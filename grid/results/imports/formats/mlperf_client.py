"""MLPerf Client's results.json: a line for each run, with figures by category of prompts.

Its figures are means over a category's prompts and iterations. Those over all categories are
geometric means, and left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grid.results.imports import metric
from grid.results.imports.cleaning import clean
from grid.results.imports.gguf_names import quant_in
from grid.results.imports.hidden_quant import config_options, quant_in_path
from grid.results.imports.record import (
    FigureOrigin,
    ImportedWeights,
    Record,
    RecordPlace,
    latency_run,
    speed_run,
)
from grid.results.imports.server_weights import named_weights
from grid.results.imports.source import Source
from grid.results.imports.values import (
    JsonObject,
    count,
    epoch_seconds,
    mapping,
    number,
    text,
    texts,
)

ORIGIN = FigureOrigin("MLPerf Client")

_FIELDS = frozenset({"Model Name", "Execution Provider Name", "category_results"})
_FACTS = (
    "BuildVer", "Config", "ConfigFile", "Scenario Name", "Results Verified", "SysInfo_OSName",
    "SysInfo_CPUModel",
)  # fmt: skip


class MlperfClientReader:
    """The file that the tool appends to."""

    name = "mlperf-client"
    description = "results.json of MLPerf Client: time to the first token, decode rate by category"
    origin = ORIGIN
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return any(_is_run(part.value) for part in source.json_parts)

    def records(self, source: Source) -> Iterator[Record]:
        runs = [part for part in source.json_parts if _is_run(part.value)]
        if not runs:
            raise source.error("no runs of MLPerf Client (Model Name, category_results)")
        for part in runs:
            with source.refusing():
                yield from _records(source, part.value, part.line)


def _is_run(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() >= _FIELDS


def _records(source: Source, run: JsonObject, line: int) -> Iterator[Record]:
    where = f"line {line}"
    if run.get("Benchmark Success") is not True:
        reason = clean(text(run, "Error Message"))[:200] or "no reason is given"
        raise source.error(f"{where}: the run failed: {reason}")
    if run.get("Results Verified") is False:
        source.skip(f"{where}: the answers of the run were not verified")
    iterations = count(source, run, "Iterations", where) or 1
    device, hardware = _place(run)
    path = text(run, "Model File Name") or text(run, "Model Path")
    common: dict[str, Any] = {
        "origin": ORIGIN,
        "weights": _weights(source, run, path),
        "backend": text(run, "Execution Provider Name"),
        "hardware": source.hardware_named(hardware, device),
        "device_kind": device,
        "started_at": epoch_seconds(text(run, "Benchmark Start Time")),
        "environment": texts(run, _FACTS),
        "place": RecordPlace(source.name, line),
    }
    settings = config_options(mapping(run.get("EP Configuration")))
    for category, figures in mapping(run.get("category_results")).items():
        options = {"category": clean(str(category)), **settings}
        place = f"{where}: {clean(str(category))}"
        for record in _category(source, mapping(figures), place, iterations):
            yield Record(**common, **record, options=options)


def _category(
    source: Source, figures: JsonObject, where: str, iterations: int
) -> Iterator[dict[str, Any]]:
    """The latency and the decode rate of a category."""
    lengths = [
        number(source, figures, f"Avg {end} Tokens", where) for end in ("Input", "Generated")
    ]
    prompt, generated = (round(length or 0) for length in lengths)
    if not prompt or generated < 2:
        raise source.error(f"{where}: no tokens in or out are said")
    how = "mean over prompts and iterations"
    first = number(source, figures, "Avg Time to First Token", where)
    if first:
        ttft = metric.figure("ttft_s", first, ORIGIN.name, n=iterations, how=f"{how}, no median")
        yield {**latency_run(prompt, generated, iterations), "figures": (ttft,)}
    rate = number(source, figures, "Avg 2nd+ Token Generation Rate", where)
    if rate:
        decode = metric.figure("decode_tps", rate, ORIGIN.name, n=iterations, how=how)
        yield {**speed_run("decode", generated - 1, prompt, iterations), "figures": (decode,)}


def _weights(source: Source, run: JsonObject, path: str) -> ImportedWeights:
    """The model by its name; how it is kept, by its file's."""
    file = path.replace("\\", "/")
    quant = quant_in(file) or quant_in_path(file) or quant_in_path(file.rsplit("/", 1)[0])
    return named_weights(source, text(run, "Model Name"), quant=quant, kind=_kind(file))


def _kind(file: str) -> str:
    endings = {".gguf": "gguf", ".onnx": "onnx", ".xml": "openvino", ".bin": "unknown"}
    return next((kind for end, kind in endings.items() if file.lower().endswith(end)), "unknown")


def _place(run: JsonObject) -> tuple[str, str]:
    """(device kind, hardware): the device that the run's settings name, else the only card."""
    settings = mapping(run.get("EP Configuration"))
    kind = (text(run, "Device Type") or text(settings, "device_type")).upper()
    if kind == "CPU":
        return "cpu", text(run, "SysInfo_CPUModel")
    cards = run.get("SysInfo_GPUNames")
    names = [clean(str(card)) for card in cards] if isinstance(cards, list) else []
    only = names[0] if kind == "GPU" and len(names) == 1 else ""
    return "unknown", text(settings, "device_name") or only


READERS = (MlperfClientReader(),)
