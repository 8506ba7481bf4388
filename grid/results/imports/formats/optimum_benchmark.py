"""optimum-benchmark: benchmark.json, or benchmark_report.json with benchmark_config.json beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grid.cells.measurement import Metric, Series
from grid.errors import InputError
from grid.results.imports import metric
from grid.results.imports.cleaning import clean, quote
from grid.results.imports.content import read_text
from grid.results.imports.formats.optimum_cards import used_cards
from grid.results.imports.formats.optimum_rates import NoRate, durations_of, rate_of
from grid.results.imports.hidden_quant import (
    config_options,
    quant_in_config,
    quant_in_path,
)
from grid.results.imports.record import (
    FigureOrigin,
    ImportedWeights,
    Record,
    RecordPlace,
    memory_run,
    speed_run,
)
from grid.results.imports.source import Source
from grid.results.imports.units import factor
from grid.results.imports.values import count, mapping, number, parse_json, text, texts

ORIGIN = FigureOrigin("optimum-benchmark")

PHASES = ("prefill", "decode")
_LOADS_AND_PHASES = ("load", "load_model", *PHASES)
_KNOWN_PHASES = (
    *PHASES, "load", "load_model", "load_from_hub", "warmup", "first_generate", "per_token",
)  # fmt: skip
_OPTIONS = (
    "device", "torch_dtype", "attn_implementation", "torch_compile", "cache_implementation",
    "device_map", "device_ids", "tp_plan",
)  # fmt: skip
_ENVIRONMENT = (
    "optimum_benchmark_version", "transformers_version", "torch_version", "platform", "cpu",
)  # fmt: skip
_CONFIG = "benchmark_config.json"
_COUNTERS = ("cpu", "gpu", "ram")

_MEMORY = {"max_ram": "peak_rss_bytes", "max_process_vram": "peak_vram_bytes"}


def _is_report(value: Any) -> bool:
    """Whether a parsed object is a report, alone or with its configuration."""
    report = _report(value)
    return any(
        {"latency", "memory", "throughput"} & set(mapping(report.get(phase)))
        for phase in ("load", "load_model", *PHASES)
    )


def _report(value: Any) -> dict[str, Any]:
    whole = mapping(value)
    return mapping(whole["report"]) if "report" in whole else whole


class OptimumReader:
    """benchmark.json, or benchmark_report.json with its configuration beside it."""

    name = "optimum-benchmark"
    description = "benchmark.json or benchmark_report.json of optimum-benchmark"
    origin = ORIGIN
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return any(_is_report(part.value) for part in source.json_parts)

    def records(self, source: Source) -> list[Record]:
        return _read_json(source)


def _read_json(source: Source) -> list[Record]:
    """Prefill and decode rates with energy per token, load time and peak memory."""
    parts = [part.value for part in source.json_parts if _is_report(part.value)]
    if not parts:
        parts = [parse_json(source, source.text)]
    records: list[Record] = []
    for whole in parts:
        with source.refusing():
            records += _records(source, mapping(whole))
    return records


def _records(source: Source, whole: Mapping[str, Any]) -> list[Record]:
    report, config = _report(whole), mapping(whole.get("config")) or _config_beside(source)
    if not config:
        source.skip("no benchmark_config.json beside it: nothing says model, shapes and hardware")
    for name in report:
        if name not in _KNOWN_PHASES:
            source.skip(f"{quote(name)} is left out: only prefill, decode, load are known")
    runs: list[Record | None] = []
    for phase in PHASES:
        try:
            runs.append(_speed(source, config, phase, report.get(phase)))
        except NoRate as error:
            source.refuse(str(error))
        except InputError as error:
            source.refused.append(str(error))
    with source.refusing():
        runs.append(_memory(source, config, report))
    records = [run for run in runs if run is not None]
    if not records and not source.skipped and not source.refused:
        raise source.error("no prefill, decode or load in the report; give that of a whole run")
    return records


def _config_beside(source: Source) -> dict[str, Any]:
    beside = source.path.with_name(_CONFIG)
    if source.name == beside.name or not beside.is_file():
        return {}
    return mapping(parse_json(Source(beside, ""), read_text(beside)))


def _speed(
    source: Source, config: Mapping[str, Any], phase: str, phase_report: Any
) -> Record | None:
    part, shapes = mapping(phase_report), _shapes(source, config)
    if not part:
        return None
    batch, prompt, generated = shapes
    tokens = prompt if phase == "prefill" else (generated - 1 if generated else None)
    if batch not in (None, 1):
        source.skip(f"{phase} of a batch of {batch} is left out: rows are of one request")
        return None
    if not tokens:
        source.skip(f"{phase} is left out: the configuration does not say how many tokens")
        return None
    values = durations_of(source, mapping(part.get("latency")), phase)
    rate = rate_of(source, part, phase, tokens)
    if not rate:
        source.skip(f"{phase} is left out: it has neither throughput nor latency")
        return None
    depth = 0 if phase == "prefill" else prompt or 0
    series = Series(f"{phase}_s", "s", values) if values else None
    energy, scope = _energy(source, part, phase, tokens)
    figures = (*metric.speed(phase, tokens, rate, None, series, ORIGIN.name), *energy)
    run = speed_run(phase, tokens, depth, len(values) or None)
    environment = {"energy_scope": scope} if scope else {}
    return _attempt(source, config, run, figures, (series,) if series else (), environment)


def _shapes(source: Source, config: Mapping[str, Any]) -> tuple[int | None, int | None, int | None]:
    """(batch, prompt tokens, generated tokens) that the configuration asks for."""
    scenario = mapping(config.get("scenario")) or mapping(config.get("benchmark"))
    shapes = mapping(scenario.get("input_shapes"))
    generation = mapping(scenario.get("generate_kwargs"))
    where = "config.scenario"
    generated = count(source, generation, "max_new_tokens", where)
    return (
        count(source, shapes, "batch_size", where),
        count(source, shapes, "sequence_length", where),
        generated or count(source, scenario, "new_tokens", where),
    )


def _energy(
    source: Source, part: Mapping[str, Any], phase: str, tokens: int
) -> tuple[tuple[Metric, ...], str]:
    """J/token of one pass over the phase's tokens, and the scope: which counters are in it.

    The report's counters are mean kWh of a pass. Nothing where they are all zero: not measured."""
    energy = mapping(part.get("energy"))
    unit = text(energy, "unit") or "kWh"
    parts = {name: number(source, energy, name, f"{phase}.energy") or 0.0 for name in _COUNTERS}
    counted = [name for name in _COUNTERS if parts[name] > 0]
    if not counted:
        return (), ""
    scale = factor(unit, "J")
    if scale is None:
        source.skip(f"{phase}: energy in {quote(unit)} is left out; kWh, Wh and J are known")
        return (), ""
    scope = "+".join(counted)
    joule = sum(parts.values()) * scale / tokens
    name = f"{phase}_j_per_token"
    how = f"gross energy of {scope}, mean of a pass / tokens"
    return (metric.figure(name, joule, ORIGIN.name, how=how),), scope


def _memory(source: Source, config: Mapping[str, Any], report: Mapping[str, Any]) -> Record | None:
    """Load time, and the largest memory of all phases."""
    load = mapping(report.get("load")) or mapping(report.get("load_model"))
    figures = []
    latency = mapping(load.get("latency"))
    seconds = number(source, latency, "mean", "load.latency")
    if seconds:
        unit = text(latency, "unit") or "s"
        figures.append(metric.figure("load_s", seconds, ORIGIN.name, unit=unit))
    for theirs, ours in _MEMORY.items():
        peaks = [_peak(source, report, phase, theirs) for phase in _LOADS_AND_PHASES]
        most = max((peak for peak in peaks if peak), default=None)
        if most:
            how = "largest of load, prefill and decode"
            figures.append(metric.figure(ours, most, ORIGIN.name, how=how))
    if not figures:
        return None
    _, prompt, generated = _shapes(source, config)
    run = memory_run((prompt or 0) + (generated or 0))
    return _attempt(source, config, run, tuple(figures), (), {})


def _peak(source: Source, report: Mapping[str, Any], phase: str, name: str) -> float | None:
    """Bytes of a phase's memory; None where it is not there, or in a unit that is none."""
    memory = mapping(mapping(report.get(phase)).get("memory"))
    peak, unit = number(source, memory, name, phase), text(memory, "unit") or "MB"
    scale = factor(unit, "B")
    if peak and scale is None:
        source.skip(f"{phase}: memory in {quote(unit)} is left out; MB and MiB are known")
    return peak * scale if peak and scale else None


def _attempt(
    source: Source,
    config: Mapping[str, Any],
    run: dict[str, Any],
    figures: tuple[Metric, ...],
    samples: tuple[Series, ...],
    environment: Mapping[str, str],
) -> Record:
    backend, about = mapping(config.get("backend")), mapping(config.get("environment"))
    device = text(backend, "device").split(":")[0] or "unknown"
    name = used_cards(config) if device != "cpu" else ""
    name = name or ("" if about.get("gpu") and device != "cpu" else text(about, "cpu"))
    return Record(
        origin=ORIGIN,
        weights=_weights(source, backend),
        **run,
        backend=text(backend, "name") or "unknown",
        engine_version=text(backend, "version"),
        options=texts(backend, _OPTIONS) | _quant_options(backend),
        hardware=source.hardware_named(name, device),
        device_kind=device,
        figures=figures,
        samples=samples,
        environment={**texts(about, _ENVIRONMENT), **environment},
        place=RecordPlace(source.name),
    )


def _quant_options(backend: Mapping[str, Any]) -> dict[str, str]:
    return config_options(mapping(backend.get("quantization_config")))


_DTYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}


def _weights(source: Source, backend: Mapping[str, Any]) -> ImportedWeights:
    path = text(backend, "model")
    stated = clean(path.rstrip("/").rsplit("/", 1)[-1])
    adapter = text(backend, "peft_type") or text(backend, "peft_strategy")
    name = source.model_named(f"{stated or 'unnamed'}+{adapter}" if adapter else stated)
    if not name:
        source.skip("the report does not name the model; give it with --model")
    quant = _quant(backend, path)
    if not quant:
        source.skip("the report does not say the precision; it is called as published")
    return ImportedWeights(
        model=name or "unnamed", quant=quant or "as published", format="safetensors"
    )


def _quant(backend: Mapping[str, Any], path: str) -> str:
    """The quantization: its scheme with bits or type, else what path and name say of weights that
    were quantized before, else the type that the rest is computed in."""
    about = mapping(backend.get("quantization_config"))
    kind = text(backend, "torch_dtype")
    method = text(backend, "quantization_scheme") or text(backend, "quantization_strategy")
    scheme = quant_in_config(method, about)
    return scheme or quant_in_path(path) or _DTYPES.get(kind, kind)


class OptimumConfigReader:
    """benchmark_config.json, which is read with its report."""

    name = "optimum-benchmark-config"
    description = "benchmark_config.json of optimum-benchmark"
    origin = ORIGIN
    selectable = False

    def recognizes(self, source: Source) -> bool:
        value = mapping(source.json)
        return source.name == _CONFIG and isinstance(value.get("backend"), dict)

    def records(self, source: Source) -> list[Record]:
        report = source.path.with_name("benchmark_report.json")
        if not report.is_file():
            raise source.error(
                f"a configuration of optimum-benchmark; give {report.name} beside it"
            )
        source.skip(f"it is read with {report.name}")
        return []


READERS = (OptimumReader(), OptimumConfigReader())
