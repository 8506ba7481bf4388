"""Our KL divergence beside llama.cpp's own: same files, same text, same library.

    python scripts/check_kld.py F16.gguf Q8_0.gguf Q4_K_M.gguf --text wiki.test.raw --chunks 8 \\
        --perplexity path/to/llama-perplexity --results folder [--exact]

Prints a row per quantized file and exits with 1 where one is out of bounds: mean KLD within 0.5 %
of llama.cpp's or three of our standard errors of sampling, whichever is larger; the same most
likely token within 0.1 points; perplexity within 1e-4; the reference's file at most 1/20 of
llama.cpp's, 1/60 for a vocabulary above 200,000. llama.cpp's output is kept in the folder and not
computed again.

llama.cpp leaves out entries whose probability is below e^-16 (1.1e-7). `--exact` keeps whole
distributions in memory (4 bytes * vocabulary a token), sums over all of them, and judges KLD by
that sum instead; `cut` is that sum without what llama.cpp leaves out, which should be llama.cpp's.

Build llama-perplexity from the sources in llama-cpp-python's source distribution, linked with the
libllama and libggml of the installed package, so that both sides compute the same logits.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grid.backend import Engine
from grid.backend.registry import backend
from grid.cells.texts import read_text
from grid.cells.workload import Quality
from grid.engine.measure.chunks import scored_chunks
from grid.engine.measure.meter import Meter
from grid.engine.measure.quality import quality
from grid.engine.measure.reference import read_reference, write_reference
from grid.hardware.probe import probe_node

CONTEXT = 512
KLD_SHARE, SAMPLING_ERRORS, SAME_TOP, PERPLEXITY = 0.005, 3, 0.001, 1e-4
LARGE_VOCABULARY, SMALLER, SMALLER_LARGE = 200_000, 20, 60
LEAST_LOG_PROB = -16.0
"""llama.cpp's KLD sums over entries above it."""

HEAD = (
    f"{'file':24}{'ours':>11}{'theirs':>11}{'ratio':>9}{'3 SE':>8}{'exact':>11}{'/exact':>9}"
    f"{'cut':>11}{'same top':>10}{'theirs':>9}{'perplexity':>12}{'theirs':>12}"
)


class Figures(NamedTuple):
    """Mean KLD in nats with its standard error of sampling, share of the same most likely token,
    perplexity."""

    kld: float
    sampling_se: float
    same_top: float
    perplexity: float


class Exact(NamedTuple):
    """Mean KLD over all entries, and over those that llama.cpp counts."""

    kld: float
    cut: float


def main() -> int:
    """Print the table; 1 where a figure is out of bounds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("reference", type=Path, help="the 16-bit GGUF file")
    parser.add_argument("quantized", type=Path, nargs="+")
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--chunks", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--perplexity", type=Path, required=True, metavar="BINARY")
    parser.add_argument("--results", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--exact", action="store_true", help="judge KLD by sums over everything")
    args = parser.parse_args()
    args.results.mkdir(parents=True, exist_ok=True)
    text = read_text(str(args.text))
    workload = Quality(text.source, text.sha256, CONTEXT, args.chunks)
    stem = f"{args.reference.stem}-{args.chunks}"
    mine, base = args.results / f"{stem}.npz", args.results / f"{stem}.kld"
    with loaded(args.reference, args.threads) as engine:
        write_reference(engine, workload, mine, Meter())
    whole = distributions(args.reference, mine, workload, args.threads) if args.exact else []
    print(HEAD)
    sound = True
    for path in args.quantized:
        ours = our_figures(path, mine, workload, args.threads)
        theirs = llama_figures(args, path, base)
        exact = exact_figures(path, mine, workload, args.threads, whole) if whole else None
        print(line(path.stem, ours, theirs, exact), flush=True)
        sound &= is_within(ours, theirs, exact)
    return 0 if check_bytes(mine, base) and sound else 1


@contextmanager
def loaded(path: Path, threads: int) -> Iterator[Engine]:
    plugin = backend("llamacpp")
    options = plugin.options({"threads": threads}, probe_node())
    with plugin.load(path, "cpu", options) as engine:
        yield engine


def our_figures(path: Path, reference: Path, workload: Quality, threads: int) -> Figures:
    with loaded(path, threads) as engine:
        result = quality(engine, workload, str(reference), Meter())
    mean = {series.name: float(np.mean(series.values)) for series in result.series}
    error = result.scalars["kld_sampling_se"]
    return Figures(mean["kld"], error, mean["same_top"], float(np.exp(mean["nll"])))


def llama_figures(args: argparse.Namespace, path: Path, base: Path) -> Figures:
    """llama.cpp's, computed where the folder does not have them yet."""
    if not base.exists():
        part = base.with_suffix(".part")
        llama(args, args.reference, part)
        part.rename(base)
    output = args.results / f"{path.stem}-{args.chunks}.txt"
    if not output.exists():
        output.write_text(llama(args, path, base, "--kl-divergence"))
    text = output.read_text()
    return Figures(
        value(text, r"Mean +KLD: +"),
        0.0,
        value(text, r"Same top p: +") / 100,
        value(text, r"Mean PPL\(Q\) +: +"),
    )


def llama(args: argparse.Namespace, path: Path, base: Path, *options: str) -> str:
    command = [str(args.perplexity), "-m", str(path), "-f", str(args.text), "-c", str(CONTEXT)]
    command += ["-b", str(CONTEXT), "-t", str(args.threads), "--chunks", str(args.chunks)]
    command += ["--kl-divergence-base", str(base), *options]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        sys.exit(f"{args.perplexity} failed on {path}:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout + done.stderr


def value(text: str, before: str) -> float:
    match = re.search(before + r"(-?[\d.]+)", text)
    if match is None:
        sys.exit(f"llama-perplexity printed no {before!r}:\n{text[-2000:]}")
    return float(match[1])


def distributions(
    path: Path, reference: Path, workload: Quality, threads: int
) -> list[npt.NDArray[np.float32]]:
    """Log-probabilities of each chunk [tokens, vocabulary]."""
    chunks = read_reference(str(reference)).tokens.chunks.tolist()
    with loaded(path, threads) as engine:
        return [chunk.log_probs for chunk in scored_chunks(engine, workload, Meter(), chunks)]


def exact_figures(
    path: Path,
    reference: Path,
    workload: Quality,
    threads: int,
    whole: list[npt.NDArray[np.float32]],
) -> Exact:
    """Sums over every entry of every token."""
    sums = []
    pairs = zip(whole, distributions(path, reference, workload, threads), strict=True)
    for p_row, q_row in ((p, q) for chunk in pairs for p, q in zip(*chunk, strict=True)):
        p = p_row.astype(np.float64)
        terms = np.exp(p) * (p - q_row)
        sums.append((terms.sum(), terms[p > LEAST_LOG_PROB].sum()))
    return Exact(*(float(mean) for mean in np.mean(sums, axis=0)))


def line(name: str, ours: Figures, theirs: Figures, exact: Exact | None) -> str:
    """A row of the table; ratios as percent off, three standard errors as percent of ours."""
    off = f"{100 * (ours.kld / theirs.kld - 1):+8.3f}%"
    error = f"{100 * SAMPLING_ERRORS * ours.sampling_se / ours.kld:7.3f}%"
    truth = f"{'':31}"
    if exact is not None:
        truth = f"{exact.kld:11.6f}{100 * (ours.kld / exact.kld - 1):+8.3f}%{exact.cut:11.6f}"
    return (
        f"{name:24}{ours.kld:11.6f}{theirs.kld:11.6f}{off}{error}{truth}"
        f"{100 * ours.same_top:10.3f}{100 * theirs.same_top:9.3f}"
        f"{ours.perplexity:12.6f}{theirs.perplexity:12.6f}"
    )


def is_within(ours: Figures, theirs: Figures, exact: Exact | None) -> bool:
    truth = theirs.kld if exact is None else exact.kld
    most = max(KLD_SHARE * truth, SAMPLING_ERRORS * ours.sampling_se)
    return (
        abs(ours.kld - truth) <= most
        and abs(ours.same_top - theirs.same_top) <= SAME_TOP
        and abs(ours.perplexity - theirs.perplexity) <= PERPLEXITY
    )


def check_bytes(mine: Path, theirs: Path) -> bool:
    vocabulary = read_reference(str(mine)).distribution.vocabulary
    wanted = SMALLER_LARGE if vocabulary > LARGE_VOCABULARY else SMALLER
    ours, llamas = mine.stat().st_size, theirs.stat().st_size
    print(f"reference of {vocabulary} entries: {ours} of {llamas} B, 1/{llamas / ours:.0f}")
    return ours * wanted <= llamas


if __name__ == "__main__":
    sys.exit(main())
