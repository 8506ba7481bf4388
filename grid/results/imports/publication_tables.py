"""Each bundled table as attempts. A figure that a table lacks is null, and its method says so."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from grid.cells.measurement import Metric
from grid.models.model import LayerState
from grid.results.imports import metric
from grid.results.imports.record import (
    FigureOrigin,
    ImportedWeights,
    Record,
    memory_run,
    speed_run,
    task_run,
)
from grid.results.imports.rows import artifact_id
from grid.results.imports.values import JsonObject
from grid.units import GIB

_GB = 10**9


def gguf_quality(about: JsonObject, models: JsonObject) -> Iterator[Record]:
    """Perplexity and divergence of GGUF quants: size, PPL with its error, KLD, dp."""
    origin = about["source"]
    reference = _gguf(about, models, next(r for r in about["rows"] if r["quant"] == "f16"))
    for row in about["rows"]:
        figures = tuple(_quality_metrics(row, origin))
        if _gguf(about, models, row) == reference:
            yield _quality(about, models, row, reference, figures[:1], {})
            figures, options = figures[1:], {"reference_logits": "as stored, 16 bits each"}
            yield _quality(about, models, row, reference, figures, options)
        else:
            yield _quality(about, models, row, reference, figures, {})


def _quality(
    about: JsonObject,
    models: JsonObject,
    row: JsonObject,
    reference: ImportedWeights,
    figures: tuple[Metric, ...],
    options: Mapping[str, str],
) -> Record:
    """The divergence of the reference from itself, as stored, is the noise floor: a run of its own
    under `options`, beside its perplexity."""
    return Record(
        origin=_origin(about),
        weights=_gguf(about, models, row),
        measure="quality",
        label=f"quality {about['corpus']}",
        workload={
            "text": about["corpus"],
            "text_sha256": "",
            "context": about["context"],
            "chunks": 0,
            "reference": _reference(reference, about["source"]),
        },
        backend="llama.cpp",
        engine_version=about["engine_version"],
        options=options,
        hardware=about["hardware"],
        device_kind="cuda",
        figures=figures,
        environment=_stated(row, "imatrix"),
    )


def _quality_metrics(row: JsonObject, origin: str) -> Iterator[Metric]:
    how = "standard error as given, tokens taken as independent"
    yield metric.figure_with_error("perplexity", row["ppl"], row["ppl_se"], origin, how=how)
    yield metric.figure_with_error("kld_mean", row["kld"], row["kld_se"], origin, how=how)
    rise = math.log(row["ppl"] / (row["ppl"] - row["delta_ppl"]))
    yield metric.figure("ln_ppl_ratio", rise, origin, how="from delta PPL as given")
    yield metric.figure("dp_mean", row["mean_dp_pct"] / 100, origin)
    yield metric.figure("dp_rms", row["rms_dp_pct"] / 100, origin)


def _origin(about: JsonObject) -> FigureOrigin:
    return FigureOrigin(about["source"], about["licence"])


def _reference(weights: ImportedWeights, origin: str) -> str:
    return f"{artifact_id(weights, FigureOrigin(origin))}@llama.cpp"


def _gguf(about: JsonObject, models: JsonObject, row: JsonObject) -> ImportedWeights:
    model = models[about["model"]]
    head, _, tail = row["quant"].partition("_")
    quant = f"{head}_{tail}".strip("_").upper()
    matrix = row.get("imatrix")
    size = round(row["size_gib"] * GIB)
    return ImportedWeights(
        model=about["model"],
        family=model["family"],
        quant=quant,
        format="gguf",
        quantizer="llama.cpp" + (f", importance matrix {matrix}" if matrix else ""),
        parameters=model["parameters"],
        bytes=size,
        bpw=row.get("bpw_file", 8 * size / model["parameters"]),
        **_shape(model),
    )


def _shape(model: JsonObject) -> dict[str, Any]:
    layers = (LayerState(model["key"], model["value"]),) * model["layers"]
    return {"context_length": model.get("context_length"), "layers": layers}


def gguf_speed(about: JsonObject, models: JsonObject) -> Iterator[Record]:
    """Rates of GGUF quants on one machine, mean and sd as llama-bench prints them."""
    for row in about["rows"]:
        for kind, tokens in (("prefill", about["prompt"]), ("decode", about["generate"])):
            yield _speed(
                _gguf(about, models, row),
                kind,
                (tokens, 0),
                (row[f"{kind}_tps"], row[f"{kind}_tps_sd"]),
                about,
                hardware=about["hardware"],
                device="cuda",
            )


def _speed(
    weights: ImportedWeights,
    kind: str,
    tokens_and_depth: tuple[int, int],
    rate: tuple[float, float | None],
    about: JsonObject,
    *,
    hardware: str,
    device: str,
    backend: str = "llama.cpp",
    environment: Mapping[str, str] | None = None,
) -> Record:
    """`asked` is tokens and depth, `rate` the mean in token/s and its sd."""
    tokens, depth = tokens_and_depth
    return Record(
        origin=_origin(about),
        weights=weights,
        **speed_run(kind, tokens, depth),
        backend=backend,
        hardware=hardware,
        device_kind=device,
        figures=metric.speed(kind, tokens, rate[0], rate[1], None, about["source"]),
        environment=environment or {},
    )


def speed_by_chip(about: JsonObject, models: JsonObject) -> Iterator[Record]:
    """Rates of one model at three quants, chip by chip, with each chip's memory bandwidth."""
    for row in about["rows"]:
        for quant, size in about["size_gib"].items():
            weights = _gguf(about, models, {"quant": quant, "size_gib": size})
            for kind, tokens in (("prefill", about["prompt"]), ("decode", about["generate"])):
                rate = row.get(f"{quant.lower()}_{kind}_tps")
                if rate is not None:
                    bandwidth = f"{row['bandwidth_gb_s'] * _GB:.0f}"
                    yield _speed(
                        weights,
                        kind,
                        (tokens, 0),
                        (rate, None),
                        about,
                        hardware=row["chip"],
                        device="metal" if row["chip"].startswith("Apple") else "cuda",
                        environment={
                            "bandwidth_bytes_s": bandwidth,
                            "bandwidth": "as the maker states it",
                        },
                    )


def mlx_quants(about: JsonObject, models: JsonObject) -> Iterator[Record]:
    """MMLU-Pro, rates after and into a prompt, and peak memory, of MLX quants."""
    source, prompt = about["source"], about["prompt_tokens"]
    for row in about["rows"]:
        model, bits = models[row["model"]], about["bits_per_weight"][row["format"]]
        weights = ImportedWeights(
            model=row["model"],
            family=model["family"],
            quant="BF16" if row["format"] == "bf16" else row["format"],
            format="mlx",
            quantizer="mlx-lm",
            parameters=model["parameters"],
            bytes=round(model["parameters"] * bits / 8),
            bpw=bits,
            **_shape(model),
        )
        where: dict[str, Any] = {"hardware": about["hardware"], "device": "metal"}
        environment = {"artifact_bytes": about["sizes"]}
        yield _speed(
            weights, "prefill", (prompt, 0), (row["prefill_tps"], None), about,
            backend="mlx-lm", environment=environment, **where,
        )  # fmt: skip
        yield _speed(
            weights, "decode", (about["generate"], prompt), (row["decode_tps"], None), about,
            backend="mlx-lm", environment=environment, **where,
        )  # fmt: skip
        yield _memory(weights, about, "mlx-lm", row["peak_gb"], "peak_unified_bytes", prompt)
        accuracy = metric.accuracy(
            row["mmlu_pro"] / 100, None, None, about["chance"], source, about["asked"]
        )
        yield _tasks(weights, about, "mlx-lm", ("recall", "MMLU-Pro"), accuracy)


def gpu_methods(about: JsonObject, models: JsonObject) -> Iterator[Record]:
    """Quantization methods of one model on one card: rate, peak memory and a mean of 4 tasks."""
    model = models[about["model"]]
    for row in about["rows"]:
        weights = ImportedWeights(
            model=about["model"],
            family=model["family"],
            quant="BF16" if row["method"] == "bf16" else row["method"],
            format="safetensors",
            parameters=model["parameters"],
            bytes=2 * model["parameters"] if row["method"] == "bf16" else None,
            bpw=16.0 if row["method"] == "bf16" else None,
            **_shape(model),
        )
        yield _speed(
            weights, "decode", (about["output_tokens"], 0), (row["decode_tps"], None), about,
            hardware=about["hardware"], device="cuda", backend="transformers",
            environment={"depth": "the length of the prompt is not stated; taken as none"},
        )  # fmt: skip
        yield _memory(weights, about, "transformers", row["peak_vram_gb"], "peak_vram_bytes", 0)
        how = about["asked"]
        scores = (
            metric.figure("accuracy", row["avg_4_tasks"], about["source"], how=how),
            metric.figure("chance", None, about["source"], how=how),
            metric.figure("capability", None, about["source"], how=how),
        )
        yield _tasks(weights, about, "transformers", ("4 tasks", "4 tasks, not named"), scores)


def _memory(
    weights: ImportedWeights,
    about: JsonObject,
    backend: str,
    peak_gb: float,
    name: str,
    context: int,
) -> Record:
    return Record(
        origin=_origin(about),
        weights=weights,
        **memory_run(context),
        backend=backend,
        hardware=about["hardware"],
        device_kind=about["device"],
        figures=(metric.figure(name, peak_gb * _GB, about["source"], how="peak, as given"),),
    )


def _tasks(
    weights: ImportedWeights,
    about: JsonObject,
    backend: str,
    class_and_tasks: tuple[str, str],
    metrics: tuple[Metric, ...],
) -> Record:
    task_class, tasks = class_and_tasks
    return Record(
        origin=_origin(about),
        weights=weights,
        **task_run(task_class, tasks),
        backend=backend,
        hardware=about["hardware"],
        device_kind=about["device"],
        figures=metrics,
        environment={"tasks": tasks},
    )


def _stated(row: JsonObject, *names: str) -> dict[str, str]:
    return {name: str(row[name]) for name in names if row.get(name) is not None}


TABLES: dict[str, Callable[[JsonObject, JsonObject], Iterator[Record]]] = {
    "llama2-7b-speed-by-chip": speed_by_chip,
    "llama3-8b-gguf-quality": gguf_quality,
    "llama3.1-8b-gguf-speed": gguf_speed,
    "llama3.1-8b-gpu-methods": gpu_methods,
    "mlx-m4max": mlx_quants,
}
"""By the name of the bundled file."""
