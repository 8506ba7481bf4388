"""Peers within one process: real directory, real files, and faults on demand."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from grid.sweep.artifacts.directory import Directory
from grid.sweep.artifacts.manifest import FileEntry, Manifest, manifest_of, named_files
from grid.sweep.artifacts.offers import Offer, slug
from grid.sweep.artifacts.peers import Claim, PeerBusy, PeerLost, PeerSilent

CHUNK = 1000


@dataclass
class Faults:
    """Faults by holder: bytes after which it dies, whether it corrupts bytes, how often it is busy
    or silent before it serves."""

    dies_after: dict[str, int] = field(default_factory=dict)
    corrupts: set[str] = field(default_factory=set)
    busy: dict[str, int] = field(default_factory=dict)
    silent: dict[str, int] = field(default_factory=dict)


class LocalPeers:
    """One node's view of its peers; `caches` are the cache folders of all nodes, by name."""

    def __init__(
        self, directory: Directory, me: str, caches: Mapping[str, Path], faults: Faults
    ) -> None:
        self.directory, self.me, self._caches, self._faults = directory, me, caches, faults
        self.reads: list[tuple[str, int]] = []
        """Holder and offset of each read."""
        self.pauses: list[float] = []

    def title(self, node: str) -> str:
        return node

    def claim(self, key: str) -> Claim:
        return self.directory.claim(self.me, key)

    def announce(self, key: str, manifest: Manifest) -> Manifest:
        return self.directory.announce(self.me, key, manifest)

    def release(self, key: str) -> None:
        self.directory.release(self.me, key)

    def missing(self, key: str, holder: str) -> None:
        self.directory.missing(holder, key)

    def pause_transfers(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def read(self, holder: str, key: str, file: FileEntry, offset: int) -> Iterator[bytes]:
        self.reads.append((holder, offset))
        if self._faults.busy.get(holder, 0) > 0:
            self._faults.busy[holder] -= 1
            raise PeerBusy
        if self._faults.silent.get(holder, 0) > 0:
            self._faults.silent[holder] -= 1
            raise PeerSilent("it does not answer")
        path = self._place(holder, key, file.name)
        with path.open("rb") as source:
            source.seek(offset)
            while chunk := source.read(CHUNK):
                if source.tell() > self._faults.dies_after.get(holder, file.size):
                    raise PeerLost("it died")
                yield bytes(255 - b for b in chunk) if holder in self._faults.corrupts else chunk

    def _place(self, holder: str, key: str, name: str) -> Path:
        note = self._caches[holder] / "offers" / f"{slug(key)}.json"
        if not note.exists():
            raise PeerLost("it does not have it any longer")
        place = msgspec.json.decode(note.read_bytes(), type=Offer).place(name)
        assert place is not None
        return place


@contextmanager
def on_node(cache: Path) -> Iterator[None]:
    """Run the block as on the node with that cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUANTGRID_CACHE", str(cache))
        yield


def manifest_at(path: Path, main: str) -> Manifest:
    return manifest_of(named_files(path, main))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The system refuses to write files beyond a size, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
