"""The importance matrix of 16-bit weights, from a calibration text: made once, then kept."""

from __future__ import annotations

import os
from pathlib import Path

from grid.backend import Calibration, EngineError, Options, Unsupported, write_whole
from grid.cache import cache_dir
from grid.models.checksum import read_sha256
from grid.models.identity import digest
from grid_llamacpp.engine import load
from grid_llamacpp.library import package_version
from grid_llamacpp.matrix.files import read_matrix, write_matrix
from grid_llamacpp.matrix.importance import ImportanceMatrix

MATRIX_VERSION = 1
"""Raised whenever another matrix would come of the same text."""

_BATCH, _PHYSICAL_BATCH = 2048, 512
"""llama-imatrix's own: pieces are evaluated beside each other in the same way, which decides how
sums are rounded."""


def matrix_of(
    source: Path, calibration: Calibration | None, threads: int, device: str
) -> ImportanceMatrix:
    """The matrix that a calibration gives for the weights in `source`: the file that it names, else
    computed, and kept in the cache for the other recipes. Raises EngineError and Unsupported."""
    if calibration is None:
        raise Unsupported(
            "an importance matrix is needed: it is computed from the text of [calibration], or "
            'give a file, imatrix = "FILE" in [[models]]'
        )
    if calibration.is_matrix:
        return read_matrix(Path(calibration.path))
    key = _key(source, calibration, device)
    cached = _find_kept(key)
    if cached is None:
        cached = _keep(key, compute_matrix(source, calibration, threads, device), calibration)
    return read_matrix(cached)


def compute_matrix(
    source: Path, calibration: Calibration, threads: int, device: str
) -> ImportanceMatrix:
    """As llama-imatrix computes it from the same text with a context of the calibration's
    `tokens`: pieces one after the other, each beginning with BOS where the vocabulary has texts
    begin with it."""
    options: Options = {
        "threads": threads,
        "threads_batch": threads,
        "batch": max(_BATCH, calibration.tokens),
        "ubatch": _PHYSICAL_BATCH,
        "gpu_layers": 0 if device == "cpu" else -1,
        "flash_attention": "auto",
        "kv_type_k": "f16",
        "kv_type_v": "f16",
        "mmap": True,
    }
    text = Path(calibration.path).read_text(encoding="utf-8")
    with load(source, device, options) as engine:
        start = [] if engine.bos is None else [engine.bos]
        ids = [*start, *engine.encode(text)]
        size = calibration.tokens
        count = min(calibration.samples, len(ids) // size)
        if not count:
            raise EngineError(
                f"calibration text {calibration.path} has {len(ids)} tokens, fewer than one piece "
                f"of {size}; lower tokens in [calibration], or give a longer text"
            )
        pieces = (ids[at * size : (at + 1) * size] for at in range(count))
        return engine.importance([[*start, *piece[len(start) :]] for piece in pieces])


def _folder() -> Path:
    return cache_dir() / "texts"


def _key(source: Path, calibration: Calibration, device: str) -> str:
    """Names a matrix by all that decides it; the source by its place and its change."""
    stat = source.stat()
    name = digest(
        "imatrix",
        MATRIX_VERSION,
        package_version(),
        device,
        str(source.resolve()),
        stat.st_size,
        stat.st_mtime_ns,
        calibration.sha256,
        calibration.samples,
        calibration.tokens,
    )
    return f"imatrix-{name}"


def _keep(key: str, matrix: ImportanceMatrix, calibration: Calibration) -> Path:
    """Write a matrix under its key and the hash of its content."""
    whole = _folder() / f".{key}.{os.getpid()}.gguf"
    with write_whole(whole) as path:
        write_matrix(path, matrix, Path(calibration.path).name, calibration.tokens)
    cached = _folder() / f"{key}-{read_sha256(whole)}.gguf"
    return whole.replace(cached)


def _find_kept(key: str) -> Path | None:
    """The matrix that was kept under the key, if its content is what its name says; others are
    removed."""
    for path in sorted(_folder().glob(f"{key}-*.gguf")):
        if read_sha256(path) == path.stem.removeprefix(f"{key}-"):
            return path
        path.unlink(missing_ok=True)
    return None
