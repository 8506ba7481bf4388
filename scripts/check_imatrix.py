"""Our importance matrix beside llama-imatrix's: same weights, same text, same library.

    python scripts/check_imatrix.py F16.gguf --text calibration.txt --evaluate wiki.test.raw \\
        --tools path/to/llama.cpp/bin --folder work [--quants Q4_K_M+imatrix IQ2_XS] [--pieces 16]

Three matrices come of llama-imatrix: of the text, and of each of its halves. One comes of ours, of
the text. Prints how far ours is from theirs (largest relative difference of a tensor's mean
squares), whether our reader and quantizer make the same weights of their file as llama-quantize
does, and per quant the KL divergence from 16 bits with ours, with theirs and with each half. Exits
with 1 where ours and theirs differ by more than the two halves do, in any quant.

The tools are built from llama-cpp-python's source distribution and linked with its libllama. Their
matrices are kept in the folder and not computed again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import gguf
import numpy as np
import numpy.typing as npt
from grid_llamacpp import backend
from grid_llamacpp.matrix.compute import compute_matrix
from grid_llamacpp.matrix.files import read_matrix, write_matrix
from grid_llamacpp.matrix.importance import ImportanceMatrix

from grid.backend import Calibration
from grid.hardware.probe import probe_node

CONTEXT = 512
QUANTS = ("Q4_K_M+imatrix", "IQ4_XS+imatrix", "IQ3_XXS", "IQ2_XS")

Rows = npt.NDArray[np.float64]


class Divergences(NamedTuple):
    """Mean KL divergence in nats from the 16 bits, by the matrix that weighed the errors."""

    ours: float
    theirs: float
    first_half: float
    second_half: float

    @property
    def difference(self) -> float:
        return abs(self.ours - self.theirs)

    @property
    def between_halves(self) -> float:
        return abs(self.first_half - self.second_half)


def main() -> int:
    arguments = _arguments()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    source, tokens = arguments.model, arguments.tokens
    texts = write_texts(folder, arguments.text.read_text(encoding="utf-8"), source, arguments)
    files = {
        name: imatrix(arguments, text, folder / f"{source.stem}-{name}.gguf")
        for name, text in texts.items()
    }
    own = Calibration(
        path=str(texts["whole"]),
        sha256=sha256(texts["whole"].read_bytes()).hexdigest(),
        samples=2**31 - 1,  # llama-imatrix takes all pieces of a text too
        tokens=tokens,
    )
    files["ours"] = folder / f"{source.stem}-ours.gguf"
    matrix = compute_matrix(source, own, arguments.threads, "cpu")
    write_matrix(files["ours"], matrix, texts["whole"].name, tokens)
    counted = max(int(entry.counts.max()) for entry in matrix.entries.values())
    print(f"{source.name}, at most {counted} tokens a weight, in pieces of {tokens}")
    largest, where = largest_difference(read_matrix(files["ours"]), read_matrix(files["whole"]))
    print(f"largest relative difference of a tensor: {largest:.2e} ({where})")
    wanted = evaluated_logits(source, arguments)
    failed = False
    print(f"{'quant':18}{'ours':>11}{'theirs':>11}{'|diff|':>11}{'halves':>11}{'|diff|':>11}")
    for quant in arguments.quants:
        kld = Divergences(
            *(
                divergence(quantized(source, quant, files[name], folder), wanted, arguments)
                for name in ("ours", "whole", "first", "second")
            )
        )
        good = kld.difference <= kld.between_halves
        failed |= not good
        print(
            f"{quant:18}{kld.ours:11.6f}{kld.theirs:11.6f}{kld.difference:11.2e}"
            f"{kld.first_half:11.6f}{kld.between_halves:11.2e}  {'' if good else 'OUT OF BOUNDS'}",
            flush=True,
        )
    quant = arguments.quants[0]
    same = same_weights(arguments.tools, source, quant, files["whole"], folder)
    print(f"weights of {quant} with their file, by our quantizer and llama-quantize: {same}")
    return int(failed or same != "equal")


def write_texts(folder: Path, text: str, source: Path, arguments: Any) -> dict[str, Path]:
    """The text cut to at least the pieces that were wanted, and its halves, as files."""
    with backend.load(source, "cpu", _options(arguments)) as engine:
        most = (arguments.pieces + 1) * arguments.tokens
        share = most / max(1, len(engine.encode(text[:200_000]))) * len(text[:200_000])
        whole = text[: int(share)]
        while len(engine.encode(whole)) < arguments.pieces * arguments.tokens + 1:
            whole = text[: int(len(whole) * 1.05)]
    half = len(whole) // 2
    parts = {"whole": whole, "first": whole[:half], "second": whole[half:]}
    paths = {name: folder / f"{source.stem}-{name}.txt" for name in parts}
    for name, path in paths.items():
        path.write_text(parts[name], encoding="utf-8")
    return paths


def imatrix(arguments: Any, text: Path, target: Path) -> Path:
    """llama-imatrix's matrix of the whole of a text, in pieces of so many tokens."""
    if not target.exists():
        subprocess.run(
            [
                arguments.tools / "llama-imatrix",
                *("-m", arguments.model, "-f", text, "-o", target, "--no-ppl", "-ngl", "0"),
                *("-c", str(arguments.tokens), "-t", str(arguments.threads)),
            ],
            check=True,
            capture_output=True,
        )
    return target


def largest_difference(ours: ImportanceMatrix, theirs: ImportanceMatrix) -> tuple[float, str]:
    """Of the tensors' mean squares, relative to the tensor's own mean. Both must have the same
    tensors and counts."""
    if set(ours.entries) != set(theirs.entries):
        raise SystemExit(f"other tensors: {set(ours.entries) ^ set(theirs.entries)}")
    differences = {}
    for name, entry in ours.entries.items():
        mate = theirs.entries[name]
        if not np.array_equal(entry.counts, mate.counts):
            print(f"  {name}: {entry.counts.sum()} tokens here, {mate.counts.sum()} there")
        gap = np.abs(entry.weights - mate.weights).max()
        differences[name] = float(gap / np.abs(mate.weights).mean())
    where = max(differences, key=differences.__getitem__)
    return differences[where], where


def quantized(source: Path, quant: str, matrix: Path, folder: Path) -> Path:
    target = folder / "quantized.gguf"
    calibration = Calibration(path=str(matrix), sha256="", is_matrix=True)
    backend.quantize(source, quant, target, 1, calibration)
    return target


def same_weights(tools: Path, source: Path, quant: str, matrix: Path, folder: Path) -> str:
    """Whether llama-quantize writes the same tensors with the same file."""
    theirs = folder / "theirs.gguf"
    preset = quant.removesuffix("+imatrix")
    subprocess.run(
        [tools / "llama-quantize", "--imatrix", matrix, source, theirs, preset],
        check=True,
        capture_output=True,
    )
    ours = quantized(source, quant, matrix, folder)
    mates = {tensor.name: tensor for tensor in gguf.GGUFReader(theirs).tensors}
    for tensor in gguf.GGUFReader(ours).tensors:
        mate = mates[tensor.name]
        if mate.tensor_type != tensor.tensor_type or not np.array_equal(mate.data, tensor.data):
            return f"{tensor.name} differs"
    return "equal"


def evaluated_logits(path: Path, arguments: Any) -> list[Rows]:
    """Log-probabilities of the second half of each chunk, as llama-perplexity scores them."""
    text = arguments.evaluate.read_text(encoding="utf-8")[:400_000]
    with backend.load(path, "cpu", _options(arguments)) as engine:
        engine.resize(CONTEXT)
        start = [] if engine.bos is None else [engine.bos]
        ids = [*start, *engine.encode(text)]
        chunks = [ids[at * CONTEXT : (at + 1) * CONTEXT] for at in range(arguments.chunks)]
        return [
            log_softmax(engine.logits([*start, *chunk[len(start) :]], CONTEXT // 2))
            for chunk in chunks
        ]


def divergence(path: Path, wanted: Sequence[Rows], arguments: Any) -> float:
    measured = evaluated_logits(path, arguments)
    return float(
        np.mean(
            [
                (np.exp(p) * (p - q)).sum(axis=1).mean()
                for p, q in zip(wanted, measured, strict=True)
            ]
        )
    )


def log_softmax(logits: npt.NDArray[np.float32]) -> Rows:
    values = logits.astype(np.float64)
    values -= values.max(axis=1, keepdims=True)
    normalized: Rows = values - np.log(np.exp(values).sum(axis=1, keepdims=True))
    return normalized


def _options(arguments: Any) -> dict[str, Any]:
    return dict(backend.options({"threads": arguments.threads}, probe_node()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", type=Path, help="16-bit weights")
    parser.add_argument("--text", type=Path, required=True, help="calibration text")
    parser.add_argument("--evaluate", type=Path, required=True, help="text of the divergence")
    parser.add_argument("--tools", type=Path, required=True, help="llama.cpp's tools")
    parser.add_argument("--folder", type=Path, required=True, help="for what is made on the way")
    parser.add_argument("--quants", nargs="+", default=list(QUANTS))
    parser.add_argument("--pieces", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--chunks", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
