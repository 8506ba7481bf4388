"""Writes the files of made-up models into this node's cache."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path

from grid.errors import EngineError
from grid.models.artifact import Artifact
from grid.models.checksum import remember_sha256
from grid.models.synthetic import find_synthetic
from grid.plan.synthetic import synthetic_file
from grid.sweep.artifacts.background import OnLine, run_in_background
from grid.sweep.artifacts.obtain import CachedItem, Sharing, existing, lock_item
from grid.sweep.artifacts.offers import slug
from grid.sweep.events import WRITE, Event, Prepared
from grid.units import format_bytes


def obtain_synthetic(sharing: Sharing, item: CachedItem, artifact: Artifact) -> Iterator[Event]:
    """Have a made-up model's file in this node's cache: it is written sooner than a peer could send
    it. Raises EngineError."""

    def make() -> Generator[Event, None, Path]:
        start = time.perf_counter()
        with lock_item(slug(item.key)):  # another sweep on this node may be writing it
            if not item.path.exists():
                size = artifact.facts.bytes if artifact.facts else 0
                sharing.make_room(size, artifact.label)
                work = lambda say: write_synthetic(artifact, item.path, say)  # noqa: E731
                yield from run_in_background(WRITE, artifact.label, work)
        wall_s = time.perf_counter() - start
        yield Prepared(what=WRITE, label=artifact.label, wall_s=wall_s, engine_s=0.0)
        return item.path

    yield from sharing.obtain(item, lambda: existing(item.path), make)


def write_synthetic(artifact: Artifact, target: Path, on_line: OnLine) -> None:
    """Write a made-up model at the artifact's quant, whole or not at all. There must be
    room. Raises EngineError where the disk fails."""
    file = synthetic_file(find_synthetic(artifact.model.source), artifact.quant)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    written = 0

    def report(count: int) -> None:
        nonlocal written
        written += count
        on_line(f"{format_bytes(written)} of {format_bytes(file.file_bytes)}")

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            sha256 = file.write(stream, report)
        temporary.replace(target)
    except OSError as error:
        raise EngineError(
            f"{artifact.label} cannot be written into the cache: {error.strerror or error}"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    remember_sha256(target, sha256)
