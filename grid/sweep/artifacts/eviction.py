"""Room in the node's cache: what was used longest ago goes first.

The limit is `$QUANTGRID_CACHE_LIMIT` (such as 200GiB), which nothing is put beyond, else 70 % of
what the cache holds and the disk has free, beyond which items are evicted as far as that helps. It
counts artifacts, reference distributions, texts and task items of sweeps, half-fetched files, and
what sweeps have downloaded from a hub. Never evicted are a user's own files, what the user's cache
of the hub held already, and what a living process uses.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import msgspec

from grid.cache import SPARE_BYTES, cache_dir, free_bytes, nearest_existing, write_atomically
from grid.errors import EngineError, InputError
from grid.sweep.artifacts.leases import cache_lock, forget, in_use, last_use
from grid.sweep.artifacts.offers import slug, withdraw
from grid.units import format_bytes, parse_file_size

LIMIT_VARIABLE = "QUANTGRID_CACHE_LIMIT"

SHARE = 0.7
"""Of what the cache holds and the disk has free together, where no limit is set: the rest of the
disk stays the user's."""


class EvictableItem(NamedTuple):
    """Something that can be evicted: the key by which it is used, what is removed with it, bytes,
    and the time of its last use in seconds since the epoch. `part`: of an item on its way here."""

    key: str
    part: bool
    paths: tuple[Path, ...]
    bytes: int
    used: float
    device: int


def cache_limit() -> int | None:
    """Bytes that the cache may hold, None where nobody has set it. Raises InputError."""
    setting = os.environ.get(LIMIT_VARIABLE)
    if not setting:
        return None
    try:
        limit = parse_file_size(setting)
        if limit <= 0:
            raise InputError(f"{setting!r} leaves no room; write for example 200GiB")
        return limit
    except InputError as error:
        raise InputError(f"{LIMIT_VARIABLE}: {error}") from None


def evictable_items() -> list[EvictableItem]:
    """Everything that the limit counts, used longest ago first."""
    top = cache_dir()
    items = [_item_at(key, [path]) for key, path in _cached_paths(top)]
    items += [
        _item_at(path.name.replace("-", "/", 1), [path], part=True)
        for path in _listing(top / "incoming")
    ]
    for note in _listing(top / "hub" / "downloads"):
        key = f"artifact/{note.stem}"
        items.append(_item_at(key, [*_read_note(note), note]))
    return sorted(items, key=lambda item: (item.used, not item.part))


def most_room() -> int:
    """Bytes that the cache could take: what is free on its disk, and what may be evicted from it,
    within the limit. Raises InputError for a limit that is none."""
    folder = nearest_existing(cache_dir())
    device = folder.stat().st_dev
    held = [item for item in evictable_items() if item.device == device]
    freed = sum(item.bytes for item in held if not in_use(item.key))
    room = max(free_bytes(folder) + freed - SPARE_BYTES, 0)
    limit = cache_limit()
    return room if limit is None else min(room, limit)


def make_room(needed: int, label: str, where: Path | None = None) -> list[str]:
    """Evict until `needed` bytes fit into the limit and onto the disk of the folder `where` (the
    cache's own); the keys of what went whole. Raises EngineError, and evicts nothing, where they
    never will."""
    if needed <= 0:
        return []
    folder = nearest_existing(where or cache_dir())
    variable = "QUANTGRID_CACHE" if where is None else "HF_HOME"
    try:
        with cache_lock():
            _empty_waste()
            doomed = _choose_evicted(needed, label, folder, variable)
            for item in doomed:
                _remove(item)
            _empty_waste()
    except OSError as error:
        raise EngineError(f"the cache takes no {label}: {error.strerror or error}") from error
    return [item.key for item in doomed if not item.part]


def note_download(artifact_id: str, paths: list[Path]) -> None:
    """These files of the user's cache of the hub came for a sweep, and may go again: contents and
    the links to them. Raises OSError."""
    note = cache_dir() / "hub" / "downloads" / f"{artifact_id}.json"
    noted_paths = {*_read_note(note), *paths}
    write_atomically(note, msgspec.json.encode(sorted(map(str, noted_paths))))


def full_disk_hint(folder: Path) -> str:
    """What to add to an error where the disk has run full; else empty."""
    free = free_bytes(folder)
    if free >= SPARE_BYTES:
        return ""
    return f" ({format_bytes(free)} free in {folder}; make room, or set QUANTGRID_CACHE)"


def _choose_evicted(needed: int, label: str, folder: Path, variable: str) -> list[EvictableItem]:
    """The items to evict. `variable` is the environment variable that sets the folder."""
    counted, device = evictable_items(), folder.stat().st_dev
    free, set_limit = free_bytes(folder), cache_limit()
    if set_limit is None:
        counted = [item for item in counted if item.device == device]
    held = sum(item.bytes for item in counted)
    limit = round(SHARE * (free + held)) if set_limit is None else set_limit
    over, short = held + needed - limit, needed + SPARE_BYTES - free
    doomed: list[EvictableItem] = []
    for item in counted:
        if over <= 0 and short <= 0:
            break
        if (over > 0 or item.device == device) and not in_use(item.key):
            doomed.append(item)
            over -= item.bytes
            short -= item.bytes if item.device == device else 0
    lacking = f"no room for {label}: {format_bytes(needed)} needed, {format_bytes(free)} free in "
    if short > 0:
        raise EngineError(
            f"{lacking}{folder}, the cache holds {format_bytes(held)}; make room, or set "
            f"{variable} to a larger disk"
        )
    if over > 0 and set_limit is not None:
        raise EngineError(
            f"{lacking}{folder}, the cache holds {format_bytes(held)} of at most "
            f"{format_bytes(set_limit)}; set {LIMIT_VARIABLE} higher"
        )
    return doomed


def _cached_paths(top: Path) -> Iterator[tuple[str, Path]]:
    for path in _listing(top / "artifacts"):
        yield f"artifact/{path.name}", path
    for path in _listing(top / "references"):
        yield f"reference/{path.stem}", path
    for path in _listing(top / "texts"):
        yield (
            f"items/{path.name.removeprefix('items-')}" if path.is_dir() else f"text/{path.stem}",
            path,
        )


def _item_at(key: str, paths: list[Path], part: bool = False) -> EvictableItem:
    sizes, changed, device = 0, 0.0, 0
    for path in [inner for top in paths for inner in (top, *top.rglob("*"))]:
        try:
            stat = path.lstat()
        except OSError:
            continue
        sizes += 0 if path.is_dir() else stat.st_size
        changed, device = max(changed, stat.st_mtime), device or stat.st_dev
    return EvictableItem(key, part, tuple(paths), sizes, last_use(key) or changed, device)


def _remove(item: EvictableItem) -> None:
    """Whole or not at all: what lies in the cache goes by a rename, and is deleted then."""
    if not item.part:
        withdraw(item.key)
    waste = cache_dir() / "evicted"
    for path in item.paths:
        with suppress(FileNotFoundError):
            if path.is_relative_to(cache_dir()):
                waste.mkdir(exist_ok=True)
                path.rename(waste / f"{slug(item.key)}-{uuid4().hex[:8]}")
            else:
                path.unlink()
    if not item.part:
        forget(item.key)


def _empty_waste() -> None:
    shutil.rmtree(cache_dir() / "evicted", ignore_errors=True)


def _read_note(note: Path) -> list[Path]:
    try:
        paths = [Path(name) for name in msgspec.json.decode(note.read_bytes(), type=list[str])]
    except (OSError, msgspec.MsgspecError):
        return []
    return [path for path in paths if path.is_symlink() or path.is_file()]


def _listing(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not _is_being_written(path))
    except OSError:
        return []


def _is_being_written(path: Path) -> bool:
    """A file that somebody writes just now, under a name that is none yet."""
    return path.name.startswith(".") and time.time() - path.lstat().st_mtime < 3600
