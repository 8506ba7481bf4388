"""llama.cpp's own tools, run as its users run them, on the library that our engine loads."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import llama_cpp

NAMES = ("llama-bench", "llama-perplexity", "llama-quantize")

_FIGURES = {
    "perplexity": r"Final estimate: PPL = ([0-9.]+)",
    "perplexity_quant": r"Mean PPL\(Q\) +: +([0-9.]+)",
    "kld_mean": r"Mean +KLD: +(-?[0-9.]+)",
    "kld_median": r"Median +KLD: +(-?[0-9.]+)",
    "same_top1": r"Same top p: +([0-9.]+)",
}


class Rates(NamedTuple):
    """Tokens per second of each repetition of a prompt and of a generation."""

    prefill: list[float]
    decode: list[float]


class Tools:
    """The tools of a folder, or of the PATH, with the engine's own library in place of theirs."""

    def __init__(self, folder: Path | None, threads: int) -> None:
        paths = {name: shutil.which(name, path=folder and str(folder)) for name in NAMES}
        if absent := [name for name, path in paths.items() if path is None]:
            where = folder or "the PATH"
            raise SystemExit(
                f"{', '.join(absent)} not in {where}; scripts/build_llamacpp_tools.py builds them"
            )
        self._paths = {name: str(path) for name, path in paths.items()}
        self._threads = str(threads)
        libraries = str(Path(llama_cpp.__file__).parent / "lib")
        self._environment = {**os.environ, "LD_LIBRARY_PATH": libraries}

    def quantize(self, source: Path, quant: str, target: Path) -> None:
        self._run("llama-quantize", str(source), str(target), quant, self._threads)

    def bench(self, model: Path, prompt: int, generate: int, repetitions: int) -> Rates:
        counts = ("-p", str(prompt), "-n", str(generate), "-r", str(repetitions))
        arguments = ("-m", str(model), "-t", self._threads, *counts, "-o", "json")
        tests: list[dict[str, Any]] = json.loads(self._run("llama-bench", *arguments))
        by_kind = {bool(test["n_gen"]): [float(x) for x in test["samples_ts"]] for test in tests}
        return Rates(by_kind[False], by_kind[True])

    def perplexity(
        self, model: Path, text: Path, context: int, chunks: int, base: Path, compares: bool
    ) -> dict[str, str]:
        """Figures as printed. Without `compares` the base file is written, else read."""
        lengths = ("-c", str(context), "--chunks", str(chunks), "-t", self._threads)
        arguments = ["-m", str(model), "-f", str(text), *lengths]
        arguments += ["--kl-divergence-base", str(base), *(["--kl-divergence"] * compares)]
        output = self._run("llama-perplexity", *arguments)
        matches = {name: re.search(pattern, output) for name, pattern in _FIGURES.items()}
        return {name: match[1] for name, match in matches.items() if match}

    def _run(self, name: str, *arguments: str) -> str:
        done = subprocess.run(
            [self._paths[name], *arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if name == "llama-bench" else subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if done.returncode:
            raise SystemExit(f"{name} failed ({done.returncode}): {done.stdout[-300:]}")
        return done.stdout
