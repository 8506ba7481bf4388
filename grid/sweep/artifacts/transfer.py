"""Fetches files from peers: resumes where a transfer broke off, checks hashes, changes holders."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from grid.cache import write_atomically
from grid.errors import EngineError
from grid.sweep.artifacts.background import OnLine
from grid.sweep.artifacts.eviction import full_disk_hint
from grid.sweep.artifacts.manifest import FileEntry, Manifest, check_names
from grid.sweep.artifacts.peers import PeerBusy, PeerLost, Peers, PeerSilent
from grid.units import format_bytes

_READ_BYTES = 2**20
SILENCE_S = 60.0
"""Seconds after which a holder that gives nothing is as if it did not have the item, counted from
its last byte or the first question: as long as Ray takes to know that a node is dead, and as a
short cut of the network lasts. Looked at when a question ends, which may take as long as a peer's
answer."""
BUSY_S = 300.0
"""Seconds after which a holder that measures speed is not waited for any longer."""
ASK_AGAIN_S = 2.0
ROUNDS = 2
"""Times that a holder's bytes may turn out wrong: once they may have been begun by another."""


class NoPeer(EngineError):
    """None of the holders gave the item."""


class AllBusy(NoPeer):
    """Those that may have it measure for long."""


def fetch(
    peers: Peers,
    key: str,
    holders: Sequence[str],
    manifest: Manifest,
    main: str,
    stage: Path,
    on_line: OnLine,
) -> str:
    """Fetch all files of `manifest` to `stage`/files, and return the last holder's name.

    It goes on from what an earlier try left there. Each holder is asked until one gives everything;
    those that fail are reported as `missing`. Raises NoPeer when none does (AllBusy where some have
    it and measure), EngineError where names are refused or the disk takes no more; then what came
    is removed.
    """
    check_names(manifest, main)
    try:
        _open_stage(stage, manifest)
        return _Fetching(peers, key, manifest, stage / "files", on_line).run(list(holders))
    except OSError as error:
        shutil.rmtree(stage, ignore_errors=True)
        hint = full_disk_hint(stage) if error.errno == errno.ENOSPC else ""
        raise EngineError(f"the cache takes no file: {error.strerror or error}{hint}") from error


def _open_stage(stage: Path, manifest: Manifest) -> None:
    """Keep staged files of the same manifest, and remove those of another."""
    note = stage / "manifest.json"
    encoded = msgspec.json.encode(manifest)
    if not note.is_file() or note.read_bytes() != encoded:
        shutil.rmtree(stage, ignore_errors=True)
        write_atomically(note, encoded)
    for file in manifest.files:
        (stage / "files" / file.name).parent.mkdir(parents=True, exist_ok=True)


class _Fetching:
    """The transfer of one item."""

    def __init__(
        self, peers: Peers, key: str, manifest: Manifest, folder: Path, on_line: OnLine
    ) -> None:
        self._peers, self._key, self._folder, self._on_line = peers, key, folder, on_line
        self._title = peers.title
        self._manifest = manifest
        self._before = 0
        self._whole: set[str] = set()
        self._begun: dict[str, tuple[int, Any]] = {}  # bytes of a file that came, and their hash
        self._failures: dict[str, str] = {}
        self._busy: set[str] = set()
        self._wrong: Counter[str] = Counter()
        self._last_answer: dict[str, float] = {}  # when a holder was first asked or last gave bytes
        self._silent: set[str] = set()

    def run(self, holders: list[str]) -> str:
        """The holder that gave the last byte. Raises NoPeer."""
        queue = deque(holders)
        while queue:
            holder = queue.popleft()
            self._last_answer.setdefault(holder, time.monotonic())
            try:
                self._fetch_all(holder)
            except PeerBusy:
                if self._may_wait(holder):
                    queue.append(holder)
            except PeerSilent as error:
                if self._may_ask_again(holder, error, set(queue)):
                    queue.append(holder)
            except PeerLost as error:
                self._drop_holder(holder, error)
            except _Damaged as error:
                self._wrong[holder] += 1
                if self._wrong[holder] < ROUNDS:
                    queue.appendleft(holder)
                else:
                    self._drop_holder(holder, error)
            else:
                return holder
        reasons = "; ".join(f"{self._title(name)}: {text}" for name, text in self._failures.items())
        kind = AllBusy if self._busy else NoPeer
        raise kind(f"no node gives {self._key} ({reasons}); the same command tries again")

    def _drop_holder(self, holder: str, error: Exception) -> None:
        self._failures[holder] = str(error)
        self._peers.missing(self._key, holder)

    def _may_wait(self, holder: str) -> bool:
        """Whether to ask a holder again that is measuring; it stays a holder."""
        if time.monotonic() - self._last_answer[holder] >= BUSY_S:
            self._failures[holder] = "it measures speed"
            self._busy.add(holder)
            return False
        self._on_line(f"waits for {self._title(holder)}, which measures speed")
        return True

    def _may_ask_again(self, holder: str, error: Exception, others: set[str]) -> bool:
        """Whether to ask a silent holder again, after a pause where no other holder is left."""
        if time.monotonic() - self._last_answer[holder] >= SILENCE_S:
            self._drop_holder(holder, error)
            return False
        self._silent.add(holder)
        if others <= self._silent:
            self._on_line(f"waits for {self._title(holder)}, which does not answer")
            time.sleep(ASK_AGAIN_S)
        return True

    def _fetch_all(self, holder: str) -> None:
        self._before = 0
        for file in self._manifest.files:
            if file.name not in self._whole:
                with (self._folder / file.name).open("a+b") as target:
                    self._fetch_file(holder, file, target)
                self._whole.add(file.name)
            self._before += file.size

    def _fetch_file(self, holder: str, file: FileEntry, target: IO[bytes]) -> None:
        title = self._title(holder)
        begun = self._begun.pop(file.name) if file.name in self._begun else _hash_part(target)
        have, hasher = begun
        if have != os.fstat(target.fileno()).st_size or have > file.size:
            target.truncate(0)
            have, hasher = 0, hashlib.sha256()
        chunks = self._peers.read(holder, self._key, file, have) if have < file.size else ()
        try:
            for chunk in chunks:
                self._last_answer[holder] = time.monotonic()
                self._silent.discard(holder)
                target.write(chunk)
                hasher.update(chunk)
                have += len(chunk)
                done, total = self._before + have, self._manifest.bytes
                self._on_line(f"{format_bytes(done)} of {format_bytes(total)} from {title}")
        finally:
            target.flush()
            self._begun[file.name] = have, hasher
        if have < file.size:
            raise PeerLost(f"it gave {have} of {file.size} bytes")
        whole = os.fstat(target.fileno()).st_size == file.size  # nobody else wrote to it
        if not whole or hasher.hexdigest() != file.sha256:
            target.truncate(0)
            self._begun.pop(file.name, None)
            raise _Damaged("its bytes are not those that were announced")


class _Damaged(Exception):
    """The bytes of a file have another hash; they are removed."""


def _hash_part(target: IO[bytes]) -> tuple[int, Any]:
    """Length and hash of what the file holds; leaves it at its end."""
    size, hasher = 0, hashlib.sha256()
    target.seek(0)
    while chunk := target.read(_READ_BYTES):
        hasher.update(chunk)
        size += len(chunk)
    return size, hasher
