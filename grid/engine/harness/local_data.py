"""Finds a task's data in a folder of the user's: by the columns of its files, not by their names.

Names decide only between files that look alike: which of two is ARC-Challenge, which is the
training split.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from grid.engine.harness.messages import LocalData, TaskName
from grid.engine.harness.rows import Row, first_row, is_table, stem
from grid.engine.harness.shapes import Shape, shapes_of
from grid.errors import InputError
from grid.models.checksum import file_sha256

DEPTH = 3
"""Folders below the named one that are looked into."""

LARGEST_BYTES = 2**30
"""Larger files are no data set of a task."""

_SPLITS = {
    "train": "train",
    "dev": "dev",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def find_local_data(task: TaskName, folder: Path) -> LocalData | None:
    """The files of the folder that hold the task's documents; None where there are none.

    Raises InputError where several files could be it.
    """
    copy = _hub_copy(task, folder)
    if copy is not None:
        return copy
    for shape in shapes_of(task.dataset, task.subset):
        paths = _splits(task, shape, folder)
        if "eval" in paths:
            return _local_data(shape.name, paths, shape.note)
    paths = {
        split: path
        for path, _ in tables(folder)
        for split in ("eval", "train", "dev")
        if stem(path) == (task.name if split == "eval" else f"{task.name}_{split}")
    }
    return _local_data("", paths, "") if "eval" in paths else None


def _hub_copy(task: TaskName, folder: Path) -> LocalData | None:
    """A folder that is named as the repository on the hub and holds the same files."""
    if not task.dataset:
        return None
    for name in (task.dataset, task.dataset.replace("/", "--"), task.dataset.rpartition("/")[2]):
        place = folder / name
        files = sorted(path for path in place.rglob("*") if path.is_file()) if name else []
        if any(path.name == "README.md" or path.suffix == ".parquet" for path in files):
            return LocalData(folder=str(place), sha256=_hash("", files))
    return None


def _splits(task: TaskName, shape: Shape, folder: Path) -> dict[str, Path]:
    """Files of the shape by split, the one that fits the task's name best where several do."""
    candidates: dict[str, list[Path]] = {}
    for path, row in tables(folder):
        if _is_shaped(row, shape) and _is_of_subset(task, path, shape):
            candidates.setdefault(_split(path), []).append(path)
    eval_split = next(
        (s for s in (task.split, "", "test", "validation") if s in candidates and s != "dev"), None
    )
    if eval_split is None:
        return {}
    wanted = {"eval": eval_split, "train": "train", "dev": "dev"}
    return {
        split: _best(task, candidates[name], folder)
        for split, name in wanted.items()
        if name in candidates
    }


def _is_shaped(row: Row, shape: Shape) -> bool:
    try:
        return all(column in row for column in shape.columns) and shape.fits(row)
    except (TypeError, AttributeError, KeyError, ValueError):
        return False


def _is_of_subset(task: TaskName, path: Path, shape: Shape) -> bool:
    """MMLU's own files are named `<subject>_<split>.csv`; ARC's two sets look alike."""
    if shape.name == "mmlu csv":
        return stem(path).rpartition("_")[0] == task.subset
    if task.dataset == "allenai/ai2_arc":
        twin = "challenge" if task.subset == "ARC-Easy" else "easy"
        return twin not in _words(stem(path))
    return True


def _words(text: str) -> set[str]:
    return {word for word in re.split(r"[^a-z0-9]+", text.lower()) if word}


def _split(path: Path) -> str:
    words = re.split(r"[^a-z0-9]+", f"{path.parent.name}/{stem(path)}".lower())
    return next((_SPLITS[word] for word in reversed(words) if word in _SPLITS), "")


def _best(task: TaskName, paths: list[Path], folder: Path) -> Path:
    wanted = _words(f"{task.name} {task.dataset} {task.subset}")
    fits = {path: len(wanted & _words(str(path.relative_to(folder)))) for path in paths}
    best = [path for path in paths if fits[path] == max(fits.values())]
    if len(best) > 1:
        listed = " and ".join(path.name for path in best[:3])
        raise InputError(
            f"{folder}: {listed} all look like data of {task.name}; name the right one "
            f"{task.name}{best[0].suffix}"
        )
    return best[0]


def tables(folder: Path) -> tuple[tuple[Path, Row], ...]:
    """The files that hold rows, each with its first one, in the order of their paths."""
    try:
        paths = tuple(sorted(_walk(folder, DEPTH)))
    except OSError as error:
        raise InputError(f"tasks.data {folder}: {error.strerror}") from None
    stamps = tuple(path.stat().st_mtime_ns for path in paths)
    return _first_rows(paths, stamps)


@lru_cache(maxsize=4)
def _first_rows(paths: tuple[Path, ...], stamps: tuple[int, ...]) -> tuple[tuple[Path, Row], ...]:
    rows = ((path, first_row(path)) for path in paths)
    return tuple((path, row) for path, row in rows if row is not None)


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir() and depth > 1 and not path.name.startswith("."):
            yield from _walk(path, depth - 1)
        elif path.is_file() and is_table(path) and path.stat().st_size < LARGEST_BYTES:
            yield path


def _local_data(shape: str, paths: dict[str, Path], note: str) -> LocalData:
    files = [path for _, path in sorted(paths.items())]
    named = {split: str(path) for split, path in paths.items()}
    return LocalData(shape=shape, paths=named, sha256=_hash(shape, files), note=note)


def _hash(shape: str, files: list[Path]) -> str:
    parts = [shape, *(file_sha256(path) for path in files)]
    return sha256("\n".join(parts).encode()).hexdigest()
