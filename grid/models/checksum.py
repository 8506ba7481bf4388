"""Hashes of files: SHA-256, remembered so that many GB are read once, and git's ids."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grid.cache import cache_dir, write_atomically

_CACHE_FILE = "sha256.json"
_MAX_ENTRIES = 10_000


def file_sha256(path: Path) -> str:
    """Hex digest of a file's content; read again only if its size or time of change differ.

    Raises OSError where the file cannot be read. A cache that cannot be read or written is
    no error: the digest is computed.
    """
    stat = path.stat()
    stamp = [stat.st_size, stat.st_mtime_ns]
    cache_file, key = cache_dir() / _CACHE_FILE, str(path.resolve())
    match _read_entries(cache_file).get(key):
        case [size, changed, str(digest)] if [size, changed] == stamp:
            return digest
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    _write_entry(cache_file, key, [*stamp, digest])
    return digest


def files_sha256(paths: Sequence[Path]) -> str:
    """The SHA-256 of one file; of several that of their hex digests' text, in the order given."""
    return joint_sha256([file_sha256(path) for path in paths])


def joint_sha256(digests: Sequence[str]) -> str:
    """As `files_sha256`, of the files' own digests."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def read_sha256(path: Path) -> str:
    """Hex digest of what a file holds now, whatever is remembered of it; that is put right. Raises
    OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    remember_sha256(path, digest)
    return digest


def git_hasher(size: int) -> Any:
    """A hasher that makes git's id of a file, and so a hub's, from its `size` bytes of content:
    SHA-1 over a header with the length, then the content."""
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def git_id(content: bytes) -> str:
    """The id that git gives a file of this content, hexadecimal."""
    hasher = git_hasher(len(content))
    hasher.update(content)
    return str(hasher.hexdigest())


def remember_sha256(path: Path, digest: str) -> None:
    """Store a digest that was computed while the file was written."""
    stat = path.stat()
    key = str(path.resolve())
    _write_entry(cache_dir() / _CACHE_FILE, key, [stat.st_size, stat.st_mtime_ns, digest])


def _read_entries(cache_file: Path) -> dict[str, object]:
    try:
        entries = json.loads(cache_file.read_bytes())
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _write_entry(cache_file: Path, key: str, entry: list[object]) -> None:
    """Add one entry. Two writers at once lose at most an entry: the file is replaced whole."""
    entries = _read_entries(cache_file)
    entries.pop(key, None)
    entries[key] = entry
    recent = dict(list(entries.items())[-_MAX_ENTRIES:])
    with contextlib.suppress(OSError):
        write_atomically(cache_file, json.dumps(recent).encode())
