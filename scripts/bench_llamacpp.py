"""Our figures beside those of llama.cpp's own tools: the same flags, the same library.

    uv run python scripts/bench_llamacpp.py F16.gguf [--quant Q4_0] [--tools FOLDER] [--pairs 15]

Prints perplexity, KL divergence and the share of equal first choices of both, and for prefill and
decode the ratio of our rate to llama-bench's, pair by pair in turns, with llama-bench against
itself in the same series as control.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from llamacpp_tools import Rates, Tools

from grid.backend.registry import backend
from grid.cells.cell import Options
from grid.cells.texts import read_text
from grid.cells.workload import Decode, Prefill, Quality
from grid.engine import messages
from grid.engine.process import EngineProcess
from grid.hardware.probe import probe_node
from grid.results.statistics import kld_table, perplexity, same_top

PROMPT, GENERATE, CONTEXT, CHUNKS = 512, 128, 512, 8
LIMIT_S = 3600.0
SHORT_S = 1.0
"""Too short a time for disturbed repetitions to be replaced, since llama-bench replaces none."""


def our_rates(model: Path, options: Options, repetitions: int) -> Rates:
    """As a sweep measures them: a process of its own, prefill, then decode."""
    with EngineProcess(sys.executable) as process:
        process.ask(_load(model, options), LIMIT_S)
        seconds = [
            _values(process, messages.Measure(workload=workload))[name]
            for workload, name in (
                (Prefill(PROMPT, 0, repetitions, budget_s=SHORT_S), "prefill_s"),
                (Decode(GENERATE, 0, repetitions, budget_s=SHORT_S), "decode_s"),
            )
        ]
    return Rates(list(PROMPT / seconds[0]), list(GENERATE / seconds[1]))


def our_quality(
    reference: Path, model: Path, text: str, options: Options
) -> tuple[dict[str, str], dict[str, str]]:
    """Figures of the reference and of the quant, printed as llama-perplexity prints them."""
    source = read_text(text)
    workload = Quality(source.source, source.sha256, CONTEXT, CHUNKS)
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "reference.npz"))
        requests = (
            (reference, messages.Measure(workload=workload, reference_target=file)),
            (model, messages.Measure(workload=workload, reference=file)),
        )
        for path, request in requests:
            with EngineProcess(sys.executable) as process:
                process.ask(_load(path, options), LIMIT_S)
                series = _values(process, request)
            chunked = {name: values.reshape(CHUNKS, -1) for name, values in series.items()}
            kld = kld_table(chunked["kld"])
            tables.append(
                {
                    "perplexity": f"{perplexity(chunked['nll']).value:.4f}",
                    "perplexity_quant": f"{perplexity(chunked['nll']).value:.6f}",
                    "kld_mean": f"{kld['mean'].value:.6f}",
                    "kld_median": f"{kld['median'].value:.6f}",
                    "same_top1": f"{100 * (same_top(chunked['same_top']).value or 0.0):.3f}",
                }
            )
    return tables[0], tables[1]


def _load(model: Path, options: Options) -> messages.Load:
    return messages.Load(backend="llamacpp", path=str(model), device="cpu", options=options)


def _values(process: EngineProcess, request: messages.Measure) -> dict[str, np.ndarray]:
    raw = process.ask(request, LIMIT_S)
    assert isinstance(raw, messages.Raw)
    return {series.name: np.array(series.values) for series in raw.series}


def compare_quality(tools: Tools, model: Path, quant: Path, text: str, options: Options) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file, base = Path(folder, "text.txt"), Path(folder, "base.kld")
        file.write_text(read_text(text).text)
        whole = tools.perplexity(model, file, CONTEXT, CHUNKS, base, compares=False)
        theirs = tools.perplexity(quant, file, CONTEXT, CHUNKS, base, compares=True)
    ours_whole, ours = our_quality(model, quant, text, options)
    print(f"16 bits    perplexity {whole['perplexity']} llama.cpp, {ours_whole['perplexity']} ours")
    for name, value in theirs.items():
        print(f"{quant.stem} {name} {value} llama.cpp, {ours[name]} ours")


def compare_rates(
    tools: Tools, model: Path, options: Options, pairs: int, repetitions: int
) -> None:
    bench = lambda: tools.bench(model, PROMPT, GENERATE, repetitions)  # noqa: E731
    runs: dict[str, Callable[[], Rates]] = {
        "llama-bench": bench,
        "ours": lambda: our_rates(model, options, repetitions),
        "control": bench,
    }
    ratios: dict[str, list[float]] = {}
    for number in range(pairs):
        order = list(runs)[number % 3 :] + list(runs)[: number % 3]
        rates = {name: runs[name]() for name in order}
        line = []
        for kind in Rates._fields:
            medians = {name: statistics.median(getattr(rates[name], kind)) for name in runs}
            for name in ("ours", "control"):
                ratio = medians[name] / medians["llama-bench"]
                ratios.setdefault(f"{kind}, {name}", []).append(ratio)
                line.append(f"{kind} {name} {ratio:.3f}")
        print(f"pair {number + 1}: {', '.join(line)}", flush=True)
    for name, values in ratios.items():
        low, high = np.quantile(values, (0.25, 0.75))
        print(
            f"{name}: median ratio to llama-bench {statistics.median(values):.3f}, "
            f"half of {pairs} pairs in {low:.3f} to {high:.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a GGUF file of 16 bits")
    parser.add_argument("--quant", default="Q4_0")
    parser.add_argument("--tools", type=Path, help="folder of the tools; default: the PATH")
    parser.add_argument("--text", default="ref:heldout")
    parser.add_argument("--pairs", type=int, default=15, help="0: quality alone")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rates-alone", action="store_true", help="for weights made up")
    arguments = parser.parse_args()
    tools = Tools(arguments.tools, arguments.threads)
    options = backend("llamacpp").options({"threads": arguments.threads}, probe_node())
    with tempfile.TemporaryDirectory() as folder:
        quant = Path(folder, f"{arguments.quant}.gguf")
        tools.quantize(arguments.model, arguments.quant, quant)
        if not arguments.rates_alone:
            compare_quality(tools, arguments.model, quant, arguments.text, options)
        compare_rates(tools, quant, options, arguments.pairs, arguments.repetitions)


if __name__ == "__main__":
    main()
