"""What a ladder of quants costs here and with a shell loop over llama.cpp's own tools.

    uv run python scripts/bench_llamacpp_cost.py F16.gguf [--tools FOLDER] [--pairs 3] [--decided]

Both make the quants, measure pp512 and tg128, and compare 8 chunks of text with the 16-bit model;
each begins with nothing in a cache, and they take turns. Prints the seconds of both and their
ratio, and how wide the intervals of the rates came out. With `--decided` the sweep repeats until a
rate is known well enough and stops scoring when variants are told apart; else it repeats and scores
exactly as the loop does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from llamacpp_tools import Tools

from grid.cells.repetitions import relative_half_width
from grid.cells.texts import read_text
from grid.results.reader import Results

QUANTS = (
    "Q8_0", "Q6_K", "Q5_K_M", "Q5_0", "Q4_K_M", "Q4_K_S", "Q4_0", "IQ4_NL", "Q3_K_M", "Q3_K_S",
    "Q2_K",
)  # fmt: skip
PROMPT, GENERATE, REPETITIONS, CONTEXT, CHUNKS = 512, 128, 5, 512, 8
FIXED = f'repetitions = {REPETITIONS}\ntime = "1s"'
"""As often as the loop; the time is short, so that disturbed repetitions are not replaced."""
SWEEP = """
measures = ["speed", "quality"]
quants = {quants}
[[models]]
source = "{model}"
[options.llamacpp]
threads = {threads}
[speed]
prompt = [{prompt}]
generate = [{generate}]
{repetitions}
[quality]
text = "{text}"
context = {context}
chunks = {chunks}
{budget}
"""


def shell_loop(tools: Tools, model: Path, quants: Sequence[str], text: Path) -> list[float]:
    """Run the loop; relative half widths of its rates' intervals."""
    widths: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "base.kld")
        tools.perplexity(model, text, CONTEXT, CHUNKS, base, compares=False)
        for quant in ("F16", *quants):
            path = model if quant == "F16" else Path(folder, f"{quant}.gguf")
            if quant != "F16":
                tools.quantize(model, quant, path)
                tools.perplexity(path, text, CONTEXT, CHUNKS, base, compares=True)
            rates = tools.bench(path, PROMPT, GENERATE, REPETITIONS)
            widths += [relative_half_width([1 / rate for rate in of]) for of in rates]
    return widths


def grid_sweep(sweep: str) -> list[float]:
    """Run a sweep with an empty cache; relative half widths of its rates' intervals."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "ladder.toml")
        file.write_text(sweep)
        command = [sys.executable, "-m", "grid", "sweep", str(file), "--here", "--json"]
        environment = {**os.environ, "QUANTGRID_CACHE": f"{folder}/cache"}
        store = Path(folder, "store")
        done = subprocess.run(
            [*command, "--store", str(store)], env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"the sweep failed: {done.stdout[-300:]} {done.stderr[-300:]}")
        return stored_widths(Results(store))


def stored_widths(results: Results) -> list[float]:
    """Of every rate that was asked for, as of the loop: over the repetitions of its run alone."""
    attempts = results.attempts().select(["attempt_id", "label"]).to_pylist()
    labels = {attempt["attempt_id"]: attempt["label"] for attempt in attempts}
    widths = []
    for sample in results.samples().select(["attempt_id", "name", "values"]).to_pylist():
        if sample["name"] not in ("prefill_s", "decode_s"):
            continue
        if labels[sample["attempt_id"]] in (f"pp{PROMPT}", f"tg{GENERATE}"):
            widths.append(relative_half_width(sample["values"]))
    return widths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a GGUF file of 16 bits")
    parser.add_argument("--tools", type=Path, help="folder of the tools; default: the PATH")
    parser.add_argument("--text", default="ref:heldout")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--quants", default=",".join(QUANTS))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--decided", action="store_true", help="let the sweep stop early")
    options = parser.parse_args()
    tools, quants = Tools(options.tools, options.threads), options.quants.split(",")
    sweep = SWEEP.format(
        quants=["F16", *quants],
        model=options.model.resolve(),
        threads=options.threads,
        prompt=PROMPT,
        generate=GENERATE,
        text=options.text,
        context=CONTEXT,
        chunks=CHUNKS,
        repetitions="" if options.decided else FIXED,
        budget='[budget]\nstop = "decided"' if options.decided else "",
    )
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "text.txt")
        text.write_text(read_text(options.text).text)
        for number in range(options.pairs):
            runs = {
                "shell loop": lambda: shell_loop(tools, options.model, quants, text),
                "grid sweep": lambda: grid_sweep(sweep),
            }
            seconds = {}
            for name in sorted(runs, reverse=number % 2 == 0):
                start = time.perf_counter()
                widths = runs[name]()
                seconds[name] = time.perf_counter() - start
                width = statistics.median(widths)
                print(f"{name} {seconds[name]:.1f} s, intervals +-{width:.1%}", flush=True)
            ratios.append(seconds["grid sweep"] / seconds["shell loop"])
            print(f"pair {number + 1}: ratio {ratios[-1]:.3f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.3f} of {len(ratios)} pairs")


if __name__ == "__main__":
    main()
