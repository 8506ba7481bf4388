"""Reports as tools write them, made at random: for fuzzing and timing of imports."""

from __future__ import annotations

import json
import random
from typing import Any

MODELS = ("Alpha-3B", "Beta-7B", "Gamma-1.5B", "Delta-13B")
QUANTS = ("Q4_0", "Q8_0", "F16", "IQ4_NL", "Q6_K")
SIGNS = (" ± ", " +/- ", " _ ", " Â± ", " ┬▒ ", " \ufffd ")
PREFIXES = ("", "> ", "0.05.123.456 I ", "2025-11-01T10:00:00.1234567Z ", "[12:34:56] ", "INFO ")


def number(rng: random.Random, digits: int = 2, most: float = 100.0) -> float:
    """A figure that hardly stands twice in a report."""
    return round(rng.uniform(1.5, most), digits)


def bench_table(rng: random.Random) -> str:
    """Tables in markdown, one a build, among a log's lines."""
    text = []
    for _ in range(rng.randint(1, 3)):
        optional = rng.sample(["ngl", "threads", "type_k", "fa", "sm", "dev", "new_thing"], 3)
        columns = ["model", "size", "params", "backend", *optional, "test", "t/s"]
        if rng.random() < 0.3:
            rng.shuffle(columns)
        prefix, sign = rng.choice(PREFIXES), rng.choice(SIGNS)
        text += [f"  Device 0: Card {rng.randint(1, 99)}, compute capability 9.0, VMM: yes"]
        text += [f"{prefix}| {' | '.join(columns)} |", f"{prefix}|{' ---: |' * len(columns)}"]
        for _ in range(rng.randint(1, 6)):
            cells = {name: str(rng.randint(0, 9)) for name in optional} | {
                "model": f"{rng.choice(('llama', 'qwen3'))} {rng.randint(1, 70)}B "
                f"{rng.choice(QUANTS)}",
                "size": f"{number(rng)} GiB", "params": f"{number(rng)} B", "backend": "CPU",
                "test": rng.choice(("pp512", "tg128", "pp512 @ d4096", "pp512+tg128")),
                "t/s": f"{number(rng)}{sign}{number(rng, most=2)}",
            }  # fmt: skip
            text.append(f"{prefix}| {' | '.join(cells[name] for name in columns)} |")
        text += ["", f"build: {rng.randrange(16**7):07x} ({rng.randint(1000, 9999)})", ""]
        if rng.random() < 0.3:
            text += ["| GPU | VRAM |", "|---|---|", f"| X | {rng.randint(8, 80)} |"]
    return "\n".join(text)


def bench_row(rng: random.Random) -> dict[str, Any]:
    """A row of llama-bench's JSON, with repetitions that fit its rate."""
    rate, tokens = number(rng, 4), rng.choice((64, 128, 512))
    return {
        "build_commit": f"{rng.randrange(16**7):07x}", "build_number": rng.randint(1, 9999),
        "cpu_info": "a processor", "gpu_info": "", "backends": "CPU",
        "model_filename": f"m/{rng.choice(MODELS)}-Q4_0.gguf", "model_type": "llama 7B Q4_0",
        "model_size": rng.randint(10**6, 10**9), "model_n_params": rng.randint(10**6, 10**10),
        "n_batch": 2048, "n_threads": rng.randint(1, 64), "n_gpu_layers": rng.randint(0, 99),
        "n_prompt": 0, "n_gen": tokens, "n_depth": rng.choice((0, 4096)),
        "avg_ts": rate, "stddev_ts": 0.1, "samples_ns": [round(tokens / rate * 1e9)] * 3,
    }  # fmt: skip


def bench_json(rng: random.Random) -> str:
    """A list of rows, at times between lines of a log."""
    rows = [bench_row(rng) for _ in range(rng.randint(1, 4))]
    text = json.dumps(rows, indent=rng.choice((None, 2)))
    return text if rng.random() < 0.5 else f"ggml_vulkan: Found 1 device\n{text}\ndone\n"


def bench_jsonl(rng: random.Random) -> str:
    """A row a line."""
    return "\n".join(json.dumps(bench_row(rng)) for _ in range(rng.randint(1, 4))) + "\n"


def bench_csv(rng: random.Random) -> str:
    """Rows under a header, all in quotes."""
    rows = [bench_row(rng) for _ in range(rng.randint(1, 4))]
    names = [name for name in rows[0] if name != "samples_ns"]
    lines = [",".join(names)]
    lines += [",".join(f'"{row[name]}"' for name in names) for row in rows]
    return "\n".join(lines) + "\n"


def perplexity_log(rng: random.Random) -> str:
    """A log of several runs, with perplexity or divergence."""
    prefix, sign, lines = rng.choice(PREFIXES), rng.choice(SIGNS), []
    for _ in range(rng.randint(1, 3)):
        model, quant = rng.choice(MODELS), rng.choice(QUANTS)
        lines += [
            f"build: {rng.randint(1000, 9999)} ({rng.randrange(16**7):07x}) with cc",
            f"llama_model_loader: loaded meta data with 30 key-value pairs and 147 tensors from "
            f"m/{model}-{quant}.gguf (version GGUF V3 (latest))",
            f"print_info: file type   = {quant}",
            "perplexity: calculating perplexity over 560 chunks, n_ctx=512, batch_size=2048",
            "[1]4.1,[2]5.0,",
        ]
        if rng.random() < 0.5:
            lines += [f"Final estimate: PPL = {number(rng, 4)} +/- {number(rng, 5, 2)}"]
            continue
        lines += [
            "====== Perplexity statistics ======",
            f"Mean PPL(Q)                   :  {number(rng, 6)}{sign}  {number(rng, 6, 2)}",
            f"Mean PPL(base)                :  {number(rng, 6)}{sign}  {number(rng, 6, 2)}",
            f"Mean    KLD:   {number(rng, 6)}{sign}  0.000364",
            f"Maximum KLD:  {number(rng, 6)}",
            f"99.9%   KLD:   {number(rng, 6)}",
            f"Mean    Δp: -{number(rng, 3)}{sign}0.015 %",
            f"Same top p: {number(rng, 3)}{sign}0.078 %",
        ]
    return "\n".join(prefix + line for line in lines) + "\n"


def lm_eval_json(rng: random.Random) -> str:
    """Results of a few tasks, at times of a group without a figure."""
    names = ["arc_challenge", "hellaswag", "gsm8k", "mmlu", "mmlu_anatomy", "mmlu_virology"]
    results: dict[str, Any] = {}
    for name in rng.sample(names, rng.randint(1, 5)):
        key = "exact_match,strict-match" if name == "gsm8k" else "acc,none"
        results[name] = {key: round(rng.random(), 6), "alias": name}
        if name == "mmlu" and rng.random() < 0.5:
            results[name] = {" ": " ", "alias": name}
    config = {"model": "hf", "model_args": f"pretrained=o/{rng.choice(MODELS)},dtype=bfloat16"}
    return json.dumps({"results": results, "versions": {}, "config": config})


def optimum_json(rng: random.Random) -> str:
    """Prefill and decode in several units."""
    report: dict[str, Any] = {}
    for phase, tokens in (("prefill", 64), ("decode", 63)):
        seconds = number(rng, 4, 9)
        samples = rng.random() < 0.5
        rate = (1 if samples else tokens) / seconds
        latency = {"unit": "s", "mean": seconds, "values": [seconds] * 2}
        if rng.random() < 0.3:
            latency = {"unit": "ms", "mean": seconds * 1000}
        throughput = {"unit": "samples/s" if samples else "tokens/s", "value": rate}
        report[phase] = {"latency": latency, "throughput": throughput}
    backend = {"name": "pytorch", "model": f"o/{rng.choice(MODELS)}", "torch_dtype": "bfloat16"}
    shapes = {"batch_size": 1, "sequence_length": 64}
    scenario = {"input_shapes": shapes, "generate_kwargs": {"max_new_tokens": 64}}
    return json.dumps({"config": {"backend": backend, "scenario": scenario}, "report": report})


SHAPES = {
    "llama-bench-md": bench_table,
    "llama-bench-json": bench_json,
    "llama-bench-jsonl": bench_jsonl,
    "llama-bench-csv": bench_csv,
    "llama-perplexity": perplexity_log,
    "lm-eval": lm_eval_json,
    "optimum-benchmark": optimum_json,
}
"""A maker of reports by the reader's name."""
