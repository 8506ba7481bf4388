"""Reports of servers' tools, and tables, made at random: for fuzzing of imports."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from import_shapes import MODELS, PREFIXES, number

_QUANTS = ("Q4_K_M", "IQ4_XS", "Q8_0", "Q6_K", "Q5_0")


def _dump(rng: random.Random, value: Any) -> str:
    """JSON on a line or several, at times between lines of a log."""
    text = json.dumps(value, indent=rng.choice((None, 1, 2)))
    return text if rng.random() < 0.6 else f"INFO start\n{text}\nINFO end\n"


def vllm_serve(rng: random.Random) -> str:
    """Runs of `vllm bench serve`, one a line."""
    runs = []
    for _ in range(rng.randint(1, 3)):
        done = rng.randint(2, 20)
        runs.append({
            "date": "20260102-030405", "backend": "openai",
            "model_id": f"o/{rng.choice(MODELS)}-AWQ", "num_prompts": done,
            "max_concurrency": rng.choice((1, 1, 1, 8)), "duration": number(rng),
            "completed": done, "request_throughput": number(rng),
            "total_input_tokens": done * rng.randint(8, 4096),
            "total_output_tokens": done * rng.randint(8, 512), "output_throughput": number(rng),
            "mean_ttft_ms": number(rng, 4), "median_ttft_ms": number(rng, 4),
            "mean_tpot_ms": number(rng, 4), "median_tpot_ms": number(rng, 4),
            "median_itl_ms": number(rng, 4), "p99_itl_ms": number(rng, 4),
            "mean_e2el_ms": number(rng, 4, 9e3), "median_e2el_ms": number(rng, 4, 9e3),
        })  # fmt: skip
    return "\n".join(json.dumps(run) for run in runs) if len(runs) > 1 else _dump(rng, runs[0])


def _repeated(rng: random.Random) -> dict[str, Any]:
    values = [number(rng, 4, 900) for _ in range(3)]
    return {"mean": sum(values) / 3, "std": 1.0, "values": values}


def benchy(rng: random.Random) -> str:
    """llama-benchy's report, at times with a held context."""
    runs = [
        {
            "concurrency": rng.choice((1, 1, 4)), "context_size": rng.choice((0, 0, 4096)),
            "prompt_size": rng.randint(8, 2048), "response_size": rng.randint(8, 512),
            "is_context_prefill_phase": False, "pp_throughput": _repeated(rng),
            "tg_throughput": _repeated(rng), "est_ppt": _repeated(rng),
            "e2e_ttft": _repeated(rng), "peak_throughput": _repeated(rng),
        }
        for _ in range(rng.randint(1, 3))
    ]  # fmt: skip
    return _dump(rng, {
        "version": "0.3", "timestamp": "2026-01-02 03:04:05", "latency_mode": "api",
        "latency_ms": number(rng), "model": f"{rng.choice(MODELS)}-{rng.choice(_QUANTS)}.gguf",
        "prefix_caching_enabled": False, "max_concurrency": 1, "benchmarks": runs,
    })  # fmt: skip


def _over(rng: random.Random, most: float) -> dict[str, Any]:
    median = number(rng, 4, most)
    good = {"median": median, "mean": number(rng, 4, most), "percentiles": {"p50": median}}
    return {"successful": good, "total": {"median": number(rng), "mean": number(rng)}}


def guidellm(rng: random.Random) -> str:
    """guidellm's benchmarks.json, of several strategies."""
    kinds = ({"type_": "synchronous"}, {"type_": "concurrent", "streams": 1}, {"type_": "poisson"})
    benchmarks = [
        {
            "config": {
                "strategy": rng.choice(kinds), "backend": {"model": f"o/{rng.choice(MODELS)}-AWQ"},
            },
            "start_time": 1_767_323_045.0,
            "metrics": {
                "request_totals": {"successful": rng.randint(1, 50), "errored": 0},
                "request_latency": _over(rng, 9), "time_to_first_token_ms": _over(rng, 500),
                "inter_token_latency_ms": _over(rng, 80),
                "time_per_output_token_ms": _over(rng, 80),
                "prompt_token_count": _over(rng, 2048), "output_token_count": _over(rng, 512),
            },
        }
        for _ in range(rng.randint(1, 3))
    ]  # fmt: skip
    meta = {"version": 2, "guidellm_version": "0.7.0"}
    return _dump(rng, {"metadata": meta, "benchmarks": benchmarks})


def aiperf(rng: random.Random) -> str:
    """AIPerf's summary of a run."""
    units = rng.choice(("ms", "sec"))
    figures = {
        name: {"unit": units, "avg": number(rng, 4), "p50": number(rng, 4), "p99": number(rng)}
        for name in ("request_latency", "time_to_first_token", "inter_token_latency")
    }
    lengths = {
        f"{end}_sequence_length": {"unit": "tokens", "avg": float(rng.randint(2, 900))}
        for end in ("input", "output")
    }
    return _dump(rng, {
        "aiperf_version": "0.10.0", "start_time": "2026-01-02T03:04:05.1", "was_cancelled": False,
        **figures, **lengths, "request_count": {"unit": "requests", "avg": 10.0},
        "input_config": {
            "endpoint": {"model_names": [f"o/{rng.choice(MODELS)}-AWQ"]},
            "loadgen": {"concurrency": rng.choice((1, 1, 1, 100))},
        },
    })  # fmt: skip


def aiperf_csv(rng: random.Random) -> str:
    """The same as CSV; requests follow one another."""
    columns = ["avg", "min", "max", "p1", "p50", "p99", "std"]
    if rng.random() < 0.5:
        rng.shuffle(columns)
    lines = [f"Metric,{','.join(columns)}"]
    mean = number(rng, 2, 900)
    for title in ("Inter Token Latency (ms)", "Request Latency (ms)", "Time to First Token (ms)"):
        cells = {name: number(rng, 2, 900) for name in columns}
        if title.startswith("Request"):
            cells["avg"] = mean
        lines.append(",".join([title, *(str(cells[name]) for name in columns)]))
    lines += [
        ",".join([title, *[str(rng.randint(8, 900))] * len(columns)])
        for title in ("Input Sequence Length (tokens)", "Output Sequence Length (tokens)")
    ]
    tail = ["", "Metric,Value", f"Benchmark Duration (sec),{mean / 100}", "Request Count,10"]
    return "\n".join([*lines, *tail]) + "\n"


def aiperf_requests(rng: random.Random) -> str:
    """Requests, a line each, one at a time; some failed, some warmed up."""
    lines, at = [], 0.0
    for session in range(rng.randint(1, 6)):
        seconds, start = number(rng, 3, 4), at
        at += seconds + rng.random()
        failed = rng.random() < 0.1
        lines.append(json.dumps({
            "metadata": {
                "session_num": session,
                "benchmark_phase": "warmup" if rng.random() < 0.1 else "profiling",
                "request_start_ns": round(start * 1e9),
                "request_end_ns": round((start + seconds) * 1e9),
            },
            "metrics": {"error_isl": {"value": 1}} if failed else {
                "time_to_first_token": {"value": number(rng, 4), "unit": "ms"},
                "inter_token_latency": {"value": number(rng, 4), "unit": "ms"},
                "request_latency": {"value": seconds * 1e3, "unit": "ms"},
                "input_sequence_length": {"value": 512, "unit": "tokens"},
                "output_sequence_length": {"value": 128, "unit": "tokens"},
            },
            "error": {"code": 499} if failed else None,
        }))  # fmt: skip
    return "\n".join(lines) + "\n"


def aiperf_sweep(rng: random.Random) -> str:
    """A sweep over concurrency and length."""
    runs = []
    for _ in range(rng.randint(1, 4)):
        figures = {
            f"{name}_{end}": {"mean": number(rng, 4), "unit": rng.choice(("ms", "sec"))}
            for name in ("request_latency", "time_to_first_token", "inter_token_latency")
            for end in ("avg", "p50", "p99")
        }
        lengths = {
            f"{end}_sequence_length_avg": {"mean": float(rng.randint(2, 900)), "unit": "tokens"}
            for end in ("input", "output")
        }
        parameters = {"concurrency": rng.choice((1, 1, 8)), "isl": rng.randint(1, 99)}
        runs.append({"parameters": parameters, "metrics": {**figures, **lengths}})
    return _dump(rng, {"aggregation_type": "sweep", "per_combination_metrics": runs})


def mlperf_client(rng: random.Random) -> str:
    """Runs with categories, a line each."""
    lines = []
    for _ in range(rng.randint(1, 3)):
        categories = {
            name: {
                "Avg Time to First Token": number(rng, 4, 9),
                "Avg 2nd+ Token Generation Rate": number(rng, 4),
                "Avg Input Tokens": rng.randint(8, 2048),
                "Avg Generated Tokens": rng.randint(8, 512),
            }
            for name in rng.sample(("Code", "Creative", "Summary"), rng.randint(1, 3))
        }  # fmt: skip
        lines.append(json.dumps({
            "BuildVer": "1.0", "Scenario Name": "Llama3", "Model Name": rng.choice(MODELS),
            "Model File Name": f"{rng.choice(MODELS)}-{rng.choice(_QUANTS)}.gguf", "Iterations": 3,
            "Execution Provider Name": "llama.cpp", "Device Type": "GPU",
            "EP Configuration": {"gpu_layers": rng.randint(0, 99)},
            "Benchmark Success": rng.random() < 0.9, "SysInfo_GPUNames": ["Some Card"],
            "overall_results": {
                "Geomean Time to First Token": number(rng),
                "Geomean 2nd+ Token Generation Rate": number(rng),
            },
            "category_results": categories,
        }))  # fmt: skip
    return "\n".join(lines) + "\n"


def llmfit(rng: random.Random) -> str:
    """A submission of several models."""
    results = [
        {
            "model": f"{rng.choice(MODELS)}:7b", "provider": rng.choice(("ollama", "mlx")),
            "numRuns": 3, "avgTps": number(rng), "avgTtftMs": number(rng, 3),
            "avgTotalMs": number(rng, 3) + 100, "avgOutputTokens": float(rng.randint(8, 512)),
        }
        for _ in range(rng.randint(1, 4))
    ]  # fmt: skip
    hardware = {"hardwareName": "Some Card 24", "os": "linux", "vramGb": 24.0}
    tool = {"name": "llmfit", "version": "1"}
    about = {"schemaVersion": 1, "submittedAtUnix": 1767323045, "tool": tool}
    return _dump(rng, {**about, "hardware": hardware, "results": results})


def qbench(rng: random.Random) -> str:
    """A reference and quants of it."""
    entries: list[dict[str, Any]] = [
        {"label": "BF16", "group": "reference", "ppl": number(rng, 4), "bpw_layer": 16.0}
    ]
    entries += [
        {
            "label": f"{bits}.0bpw", "group": "EXL3", "ppl": number(rng, 4),
            "kld": number(rng, 5, 3), "kld_median": number(rng, 5, 2), "kld_p90": number(rng, 5, 4),
            "bpw_layer": float(bits), "kld_buckets": [number(rng)],
        }
        for bits in range(2, rng.randint(3, 7))
    ]  # fmt: skip
    return json.dumps(entries, indent=rng.choice((None, 1)))


def _timed(rng: random.Random, tokens: int) -> tuple[float, float]:
    """Seconds and the rate of tokens, as printed."""
    seconds = number(rng, 3, 9)
    return seconds, round(tokens / seconds, 2)


def batched_bench(rng: random.Random) -> str:
    """llama-batched-bench's table or JSONL."""
    rows = []
    for _ in range(rng.randint(1, 4)):
        prompt, generated, many = rng.randint(64, 999), rng.randint(64, 999), rng.choice((1, 1, 4))
        (first, rate), (later, speed) = _timed(rng, prompt * many), _timed(rng, generated * many)
        rows.append({
            "pp": prompt, "tg": generated, "pl": many, "n_kv": (prompt + generated) * many,
            "t_pp": first, "speed_pp": rate, "t_tg": later, "speed_tg": speed,
            "t": first + later, "speed": number(rng),
        })  # fmt: skip
    if rng.random() < 0.4:
        settings = {"n_kv_max": 512, "n_batch": 2048, "n_gpu_layers": rng.randint(0, 99)}
        return "\n".join(json.dumps(settings | row) for row in rows) + "\n"
    heads = ["PP", "TG", "B", "N_KV", "T_PP s", "S_PP t/s", "T_TG s", "S_TG t/s", "T s", "S t/s"]
    return _rate_table(rng, heads, [list(row.values()) for row in rows])


def sweep_bench(rng: random.Random) -> str:
    """llama-sweep-bench's table."""
    rows = []
    for at in range(rng.randint(1, 5)):
        (first, rate), (later, speed) = _timed(rng, 512), _timed(rng, 128)
        rows.append([512, 128, at * 512, first, rate, later, speed])
    heads = ["PP", "TG", "N_KV", "T_PP s", "S_PP t/s", "T_TG s", "S_TG t/s"]
    return _rate_table(rng, heads, rows)


def _rate_table(rng: random.Random, heads: list[str], rows: list[list[Any]]) -> str:
    prefix = rng.choice(PREFIXES)
    model = f"./llama-bench -m /m/{rng.choice(MODELS)}-{rng.choice(_QUANTS)}.gguf -c 512"
    lines = [f"{prefix}|{'|'.join(f' {head} ' for head in heads)}|"]
    lines += [f"{prefix}|{'|'.join('-' * 6 for _ in heads)}|"]
    lines += [f"{prefix}|{'|'.join(f' {cell} ' for cell in row)}|" for row in rows]
    return "\n".join([model, *lines]) + "\n"


def mapped_table(rng: random.Random) -> str:
    """A table with figures of quality and size, in markdown or CSV."""
    heads = ["Quant", "KLD", "PPL", "Size (GB)", "tg128", "note"]
    rng.shuffle(heads)
    lines = []
    for _ in range(rng.randint(1, 6)):
        cells = {
            "Quant": rng.choice(_QUANTS), "KLD": str(number(rng, 5, 3)),
            "PPL": str(number(rng, 4)), "Size (GB)": str(number(rng)),
            "tg128": str(number(rng)), "note": str(number(rng)),
        }  # fmt: skip
        lines.append([cells[head] for head in heads])
    if rng.random() < 0.5:
        return "\n".join(",".join(line) for line in [heads, *lines]) + "\n"
    prefix = rng.choice(("", "> "))
    rows = [f"{prefix}| {' | '.join(line)} |" for line in lines]
    return "\n".join([f"{prefix}| {' | '.join(heads)} |", f"{prefix}|{'---|' * 6}", *rows]) + "\n"


SERVER_SHAPES: dict[str, Callable[[random.Random], str]] = {
    "vllm-bench-serve": vllm_serve, "llama-benchy": benchy, "guidellm": guidellm,
    "aiperf": aiperf, "aiperf-csv": aiperf_csv, "aiperf-jsonl": aiperf_requests,
    "aiperf-sweep": aiperf_sweep, "mlperf-client": mlperf_client, "llmfit": llmfit,
    "exllamav3-qbench": qbench, "llama-batched-bench": batched_bench,
    "llama-sweep-bench": sweep_bench,
}  # fmt: skip
"""A maker of reports by the reader's name."""

MAP = "Quant=quant,KLD=kld_mean,PPL=perplexity,Size (GB)=artifact_bytes,tg128=decode_tps"
"""The map of `mapped_table`."""
