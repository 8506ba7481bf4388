"""optimum-benchmark: benchmark.json, or benchmark_report.json with benchmark_config.json beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grid.cells.measurement import Metric, Series
from grid.results.imports import metric
from grid.results.imports.llama_bench import unnamed
from grid.results.imports.record import Origin, Record, Weights
from grid.results.imports.source import (
    Source,
    clean,
    count,
    json_of,
    mapping,
    number,
    shortened,
    text,
    text_of,
)

ORIGIN = Origin("optimum-benchmark")

PHASES = ("prefill", "decode")
_KNOWN = (*PHASES, "load", "load_model", "load_from_hub", "warmup", "first_generate", "per_token")
_MB = 10**6
_J_PER_KWH = 3.6e6
_PARTS = ("cpu", "gpu", "ram")

_MEMORY = {"max_ram": "peak_rss_bytes", "max_process_vram": "peak_vram_bytes"}


def looks_json(value: Any) -> bool:
    """Whether a parsed object is a report, alone or with its configuration."""
    report = _report(value)
    return any(
        {"latency", "memory", "throughput"} & set(mapping(report.get(phase)))
        for phase in ("load", "load_model", *PHASES)
    )


def _report(value: Any) -> dict[str, Any]:
    whole = mapping(value)
    return mapping(whole["report"]) if "report" in whole else whole


def read_json(source: Source) -> list[Record]:
    """Prefill and decode rates with energy per token, load time and peak memory."""
    whole = mapping(json_of(source, source.text))
    report, config = _report(whole), mapping(whole.get("config")) or _config_beside(source)
    if not config:
        source.skip("no benchmark_config.json beside it: nothing says model, shapes and hardware")
    for name in report:
        if name not in _KNOWN:
            source.skip(f"{shortened(name)} is left out: only prefill, decode, load are known")
    found = [_speed(source, config, phase, report.get(phase)) for phase in PHASES]
    found.append(_memory(source, config, report))
    records = [one for one in found if one is not None]
    if not records and not source.skipped:
        raise source.wrong("no prefill, decode or load in the report; give that of a whole run")
    return records


def _config_beside(source: Source) -> dict[str, Any]:
    beside = source.path.with_name("benchmark_config.json")
    if source.name == beside.name or not beside.is_file():
        return {}
    return mapping(json_of(Source(beside, ""), text_of(beside)))


def _speed(source: Source, config: Mapping[str, Any], phase: str, given: Any) -> Record | None:
    part, shapes = mapping(given), _shapes(source, config)
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
    latency = mapping(part.get("latency"))
    values = _values(source, latency, phase)
    throughput = number(source, mapping(part.get("throughput")), "value", f"{phase}.throughput")
    mean = number(source, latency, "mean", f"{phase}.latency")
    rate = throughput or (tokens / mean if mean else None)
    rate = rate or (tokens * len(values) / sum(values) if values else None)
    if not rate:
        source.skip(f"{phase} is left out: it has neither throughput nor latency")
        return None
    depth = 0 if phase == "prefill" else prompt or 0
    series = Series(f"{phase}_s", "s", values) if values else None
    energy, scope = _energy(source, part, phase, tokens)
    figures = (*metric.speed(phase, tokens, rate, None, series, ORIGIN.name), *energy)
    label = f"{'pp' if phase == 'prefill' else 'tg'}{tokens}" + (f" @ d{depth}" if depth else "")
    workload = {"tokens": tokens, "depth": depth, "repetitions": len(values) or None}
    environment = {"energy_scope": scope} if scope else {}
    return _record(
        source, config, phase, label, workload, figures, (series,) if series else (), environment
    )


def _shapes(source: Source, config: Mapping[str, Any]) -> tuple[int | None, int | None, int | None]:
    """(batch, prompt tokens, generated tokens) that the configuration asks for."""
    scenario = mapping(config.get("scenario")) or mapping(config.get("benchmark"))
    shapes = mapping(scenario.get("input_shapes"))
    asked = mapping(scenario.get("generate_kwargs"))
    where = "config.scenario"
    generated = count(source, asked, "max_new_tokens", where)
    return (
        count(source, shapes, "batch_size", where),
        count(source, shapes, "sequence_length", where),
        generated or count(source, scenario, "new_tokens", where),
    )


def _values(source: Source, latency: Mapping[str, Any], phase: str) -> tuple[float, ...]:
    """Seconds of each repetition."""
    given = latency.get("values")
    if not isinstance(given, list):
        return ()
    where = f"{phase}.latency"
    values = [number(source, {"values": one}, "values", where) for one in given]
    if not all(values):
        raise source.wrong(f"{where}: a repetition without a duration")
    return tuple(value for value in values if value)


def _energy(
    source: Source, part: Mapping[str, Any], phase: str, tokens: int
) -> tuple[tuple[Metric, ...], str]:
    """J/token of one pass over the phase's tokens, and the scope: which counters are in it.

    The report's parts are mean kWh of a pass. Nothing where they are all zero: not measured."""
    given = mapping(part.get("energy"))
    unit = text(given, "unit") or "kWh"
    parts = {name: number(source, given, name, f"{phase}.energy") or 0.0 for name in _PARTS}
    counted = [name for name in _PARTS if parts[name] > 0]
    if not counted:
        return (), ""
    if unit != "kWh":
        source.skip(f"{phase}: energy in {shortened(unit)} is left out; kWh is known")
        return (), ""
    scope = "+".join(counted)
    joule = sum(parts.values()) * _J_PER_KWH / tokens
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
        figures.append(metric.figure("load_s", seconds, ORIGIN.name))
    for theirs, ours in _MEMORY.items():
        peaks = [
            number(source, mapping(mapping(report.get(phase)).get("memory")), theirs, phase)
            for phase in ("load", "load_model", *PHASES)
        ]
        most = max((peak for peak in peaks if peak), default=None)
        if most:
            how = "largest of load, prefill and decode"
            figures.append(metric.figure(ours, most * _MB, ORIGIN.name, how=how))
    if not figures:
        return None
    _, prompt, generated = _shapes(source, config)
    context = (prompt or 0) + (generated or 0)
    workload = {"context": context}
    return _record(source, config, "memory", f"memory c{context}", workload, tuple(figures), (), {})


def _record(
    source: Source,
    config: Mapping[str, Any],
    measure: str,
    label: str,
    workload: Mapping[str, int | None],
    figures: tuple[Metric, ...],
    samples: tuple[Series, ...],
    environment: Mapping[str, str],
) -> Record:
    backend, about = mapping(config.get("backend")), mapping(config.get("environment"))
    device = text(backend, "device").split(":")[0] or "unknown"
    cards = about.get("gpu")
    card = clean(str(cards[0])) if isinstance(cards, list) and cards else text(about, "gpu")
    name = card if device != "cpu" and card else text(about, "cpu")
    kept = ("optimum_benchmark_version", "transformers_version", "torch_version", "platform", "cpu")
    return Record(
        weights=_weights(source, backend),
        measure=measure,
        label=label,
        workload=workload,
        backend=text(backend, "name") or "unknown",
        engine_version=text(backend, "version"),
        options=_options(backend),
        hardware=source.hardware or name or unnamed(device),
        device_kind=device,
        metrics=figures,
        samples=samples,
        environment={key: text(about, key) for key in kept if text(about, key)} | {**environment},
    )


def _options(backend: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    kept = ("device", "torch_dtype", "attn_implementation", "torch_compile", "cache_implementation")
    return {name: text(backend, name) for name in kept if text(backend, name)}


_DTYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}


def _weights(source: Source, backend: Mapping[str, Any]) -> Weights:
    path = text(backend, "model")
    name = source.model or clean(path.rstrip("/").rsplit("/", 1)[-1])
    if not name:
        source.skip("the report does not name the model; give it with --model")
    scheme, kind = text(backend, "quantization_scheme"), text(backend, "torch_dtype")
    bits = text(mapping(backend.get("quantization_config")), "bits")
    quant = f"{scheme}-{bits}bit" if scheme and bits else scheme or _DTYPES.get(kind, kind)
    if not quant:
        source.skip("the report does not say the precision; it is called as published")
    return Weights(model=name or "unnamed", quant=quant or "as published", format="safetensors")
