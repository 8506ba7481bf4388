"""Reports of other tools, small and whole, for the tests of imports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BENCH_FIELDS: dict[str, Any] = {
    "build_commit": "8cf427ff",
    "build_number": 5163,
    "cpu_info": "AMD Ryzen 7 7800X3D 8-Core Processor",
    "gpu_info": "NVIDIA GeForce RTX 4080",
    "backends": "CUDA",
    "model_filename": "models/Qwen2.5-7B-Instruct-Q4_K_M.gguf",
    "model_type": "qwen2 7B Q4_K - Medium",
    "model_size": 4677120000,
    "model_n_params": 7615616512,
    "n_batch": 2048,
    "n_ubatch": 512,
    "n_threads": 8,
    "type_k": "f16",
    "type_v": "q8_0",
    "n_gpu_layers": 99,
    "flash_attn": False,
    "n_prompt": 0,
    "n_gen": 128,
    "n_depth": 0,
    "test_time": "2025-04-24T11:58:50Z",
    "avg_ns": 1070000000,
    "stddev_ns": 1000000,
    "avg_ts": 119.81,
    "stddev_ts": 0.21,
    "samples_ns": [1068000000, 1069000000, 1070000000, 1071000000, 1072000000],
    "samples_ts": [119.85, 119.74, 119.63, 119.51, 119.40],
}


def bench(**changes: Any) -> dict[str, Any]:
    """One row of llama-bench, a decode by default; a field set to None is left out. Repetitions
    fit the rate and the tokens, unless they are given."""
    row = BENCH_FIELDS | changes
    rate, tokens = row["avg_ts"], (row["n_prompt"] or 0) or row["n_gen"]
    if {"avg_ts", "n_prompt", "n_gen"} & set(changes) and "samples_ns" not in changes:
        usable = isinstance(rate, float) and rate > 0 and isinstance(tokens, int) and tokens > 0
        row["samples_ns"] = [round(tokens / rate * 1e9)] * 5 if usable else None
    return {name: value for name, value in row.items() if value is not None}


def bench_csv(*rows: dict[str, Any]) -> str:
    """The same as csv, where every value is text in quotes and there are no samples."""
    names = [name for name in rows[0] if not name.startswith("samples")]
    lines = [",".join(names)]
    for row in rows:
        values = (int(row[n]) if isinstance(row[n], bool) else row[n] for n in names)
        lines.append(",".join(f'"{value}"' for value in values))
    return "\n".join(lines) + "\n"


BENCH_MD = """
| model                          |       size |     params | backend    | ngl | type_k |            test |                  t/s |
| ------------------------------ | ---------: | ---------: | ---------- | --: | -----: | --------------: | -------------------: |
| llama 8B Q4_K - Medium         |   4.58 GiB |     8.03 B | Metal,BLAS |  99 |   q8_0 |           pp512 |        684.51 ± 2.34 |
| llama 8B Q4_K - Medium         |   4.58 GiB |     8.03 B | Metal,BLAS |  99 |   q8_0 |   tg128 @ d4096 |         55.10 ± 0.20 |
| llama 8B Q4_K - Medium         |   4.58 GiB |     8.03 B | Metal,BLAS |  99 |   q8_0 |     pp512+tg128 |        210.00 ± 1.00 |

build: 4a4f7e6 (4211)
"""  # noqa: E501

LOG = """\
build: 4242 (a1b2c3d4) with cc (Debian 12.2.0) for x86_64-linux-gnu
ggml_cuda_init: found 1 CUDA devices:
  Device 0: NVIDIA GeForce RTX 4090, compute capability 8.9, VMM: yes
llama_model_loader: loaded meta data with 29 key-value pairs and 292 tensors from \
/models/Meta-Llama-3-8B-Q4_K_M.gguf (version GGUF V3 (latest))
print_info: file type   = Q4_K - Medium
print_info: file size   = 4.58 GiB (4.89 BPW)
print_info: arch             = llama
print_info: model params     = 8.03 B
"""

PPL_LOG = (
    LOG
    + """\
perplexity: calculating perplexity over 564 chunks, n_ctx=512, batch_size=2048, n_seq=4
perplexity: 1.20 seconds per pass - ETA 2.80 minutes
[1]4.1234,[2]4.5678,
Final estimate: PPL = 6.4071 +/- 0.03912
"""
)

KLD_LOG = (
    LOG
    + """\
kl_divergence: computing over 564 chunks, n_ctx=512, batch_size=2048, n_seq=4
====== Perplexity statistics ======
Mean PPL(Q)                   :   6.407115 ±   0.039119
Mean PPL(base)                :   6.231633 ±   0.037828
Cor(ln(PPL(Q)), ln(PPL(base))):  99.34%
Mean ln(PPL(Q)/PPL(base))     :   0.027771 ±   0.000706
Mean PPL(Q)/PPL(base)         :   1.028160 ±   0.000726
Mean PPL(Q)-PPL(base)         :   0.175482 ±   0.004620

====== KL divergence statistics ======
Mean    KLD:   0.031273 ±   0.000238
Maximum KLD:  11.601165
99.9%   KLD:   1.624800
99.0%   KLD:   0.334800
95.0%   KLD:   0.113200
90.0%   KLD:   0.066900
Median  KLD:   0.012300
10.0%   KLD:   0.000300
 5.0%   KLD:   0.000050
 1.0%   KLD:   0.000003
 0.1%   KLD:  -0.000001
Minimum KLD:  -0.000013

====== Token probability statistics ======
Mean    Δp: -0.596 ± 0.014 %
Maximum Δp: 95.054%
99.9%   Δp: 27.084%
99.0%   Δp: 12.084%
95.0%   Δp:  5.613%
90.0%   Δp:  3.133%
75.0%   Δp:  0.461%
Median  Δp: -0.003%
25.0%   Δp: -0.897%
10.0%   Δp: -4.697%
 5.0%   Δp: -8.461%
 1.0%   Δp: -21.461%
 0.1%   Δp: -52.461%
Minimum Δp: -98.461%
RMS Δp    :  5.519 ± 0.050 %
Same top p: 92.464 ± 0.069 %
"""
)

LM_EVAL: dict[str, Any] = {
    "results": {
        "arc_challenge": {
            "alias": "arc_challenge",
            "acc,none": 0.50,
            "acc_stderr,none": 0.0146,
            "acc_norm,none": 0.55,
            "acc_norm_stderr,none": 0.0145,
        },
        "hellaswag": {"acc,none": 0.6, "acc_norm,none": 0.79, "acc_norm_stderr,none": 0.004},
        "winogrande": {"acc,none": 0.74, "acc_stderr,none": 0.0123},
        "gsm8k": {
            "exact_match,strict-match": 0.5,
            "exact_match_stderr,strict-match": 0.01,
            "exact_match,flexible-extract": 0.52,
        },
        "toxigen": {"acc,none": 0.5},
    },
    "n-samples": {"hellaswag": {"original": 10042, "effective": 10042}},
    "versions": {"hellaswag": 1.0, "winogrande": 1.0},
    "n-shot": {"hellaswag": 0},
    "config": {
        "model": "hf",
        "model_args": "pretrained=meta-llama/Llama-3.1-8B,dtype=bfloat16",
        "model_num_parameters": 8030261248,
        "device": "cuda:0",
    },
    "date": 1735689600.5,
    "pretty_env_info": "GPU models and configuration: GPU 0: x\nGPU 0: NVIDIA A100-SXM4-80GB\n"
    "Model name:                      AMD EPYC 7763 64-Core Processor\n",
    "transformers_version": "4.47.1",
}

OPTIMUM: dict[str, Any] = {
    "config": {
        "name": "awq",
        "backend": {
            "name": "pytorch",
            "version": "2.4.1",
            "model": "TheBloke/Llama-2-7B-AWQ",
            "device": "cuda",
            "torch_dtype": "float16",
            "quantization_scheme": "awq",
            "quantization_config": {"bits": 4},
        },
        "scenario": {
            "name": "inference",
            "input_shapes": {"batch_size": 1, "sequence_length": 256},
            "generate_kwargs": {"max_new_tokens": 65, "min_new_tokens": 65},
        },
        "environment": {
            "cpu": " AMD EPYC 7R32",
            "gpu": ["NVIDIA A10G"],
            "optimum_benchmark_version": "0.5.0",
        },
    },
    "report": {
        "load": {
            "memory": {"unit": "MB", "max_ram": 900.0, "max_process_vram": 5000.0},
            "latency": {"unit": "s", "mean": 3.5, "values": [3.5]},
        },
        "prefill": {
            "memory": {"unit": "MB", "max_ram": 1000.0, "max_process_vram": 6000.0},
            "latency": {"unit": "s", "mean": 0.1, "values": [0.1, 0.1, 0.1]},
            "throughput": {"unit": "tokens/s", "value": 2560.0},
            "energy": {"unit": "kWh", "cpu": 1e-6, "gpu": 8e-6, "ram": 1e-6, "total": 1e-5},
        },
        "decode": {
            "memory": {"unit": "MB", "max_ram": 1000.0, "max_process_vram": 6200.0},
            "latency": {"unit": "s", "mean": 2.0, "values": [2.0, 2.0]},
            "throughput": {"unit": "tokens/s", "value": 32.0},
            "energy": {"unit": "kWh", "cpu": 0.0, "gpu": 1.6e-4, "ram": 0.0, "total": 1.6e-4},
        },
        "per_token": {"latency": {"unit": "s", "mean": 0.03, "values": [0.03]}},
    },
}


def put(folder: Path, name: str, content: Any) -> Path:
    """Write a file, as JSON where it is not text."""
    path = folder / name
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path
