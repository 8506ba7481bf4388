"""SHA-256 of files, remembered so that a file of many GB is read once."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

from grid.cache import cache_dir, write_whole

_CACHE_FILE = "sha256.json"
_MAX_ENTRIES = 10_000


def file_sha256(path: Path) -> str:
    """Hex digest of a file's content; read again only if its size or time of change differ.

    Raises OSError where the file cannot be read. A cache that cannot be read or written is
    no error: the digest is computed.
    """
    stat = path.stat()
    stamp = [stat.st_size, stat.st_mtime_ns]
    store, key = cache_dir() / _CACHE_FILE, str(path.resolve())
    match _read(store).get(key):
        case [size, changed, str(digest)] if [size, changed] == stamp:
            return digest
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    _remember(store, key, [*stamp, digest])
    return digest


def remember_sha256(path: Path, digest: str) -> None:
    """Keep a digest that was computed while the file was written."""
    stat = path.stat()
    key = str(path.resolve())
    _remember(cache_dir() / _CACHE_FILE, key, [stat.st_size, stat.st_mtime_ns, digest])


def _read(store: Path) -> dict[str, object]:
    try:
        entries = json.loads(store.read_bytes())
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _remember(store: Path, key: str, entry: list[object]) -> None:
    """Add one entry. Two writers at once lose at most an entry: the file is replaced whole."""
    entries = _read(store)
    entries.pop(key, None)
    entries[key] = entry
    recent = dict(list(entries.items())[-_MAX_ENTRIES:])
    with contextlib.suppress(OSError):
        write_whole(store, json.dumps(recent).encode())
