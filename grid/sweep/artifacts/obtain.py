"""Obtains what cells need on a node's disk, in this order: it is there already, a peer has it, a
peer is making it, it is made here."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from filelock import FileLock

from grid.cache import cache_dir
from grid.errors import EngineError
from grid.models.checksum import remember_sha256
from grid.sweep.artifacts.background import run_in_background
from grid.sweep.artifacts.eviction import make_room
from grid.sweep.artifacts.leases import Leases
from grid.sweep.artifacts.manifest import Manifest, check_names, named_files
from grid.sweep.artifacts.offers import offer, slug, withdraw
from grid.sweep.artifacts.peers import Claim, Peers
from grid.sweep.artifacts.transfer import AllBusy, NoPeer, fetch
from grid.sweep.events import Event, Prepared, Preparing

ASK_FIRST_S, ASK_LAST_S = 0.05, 1.0
"""Seconds between two questions whether a peer has finished making; doubled each time, up to
`ASK_LAST_S`."""

Making = Callable[[], Generator[Event, None, Path]]
"""Makes an item, yields events meanwhile, and returns its path."""


class CachedItem(NamedTuple):
    """A file or folder that a cell needs.

    `key` names it among peers, `label` for people. A fetched copy lies at `main` in the folder
    `home`. `sha256` is that of its content as the plan knows it (`Manifest.sha256`), `source` the
    path at which the user has it; both are empty where unknown.
    """

    key: str
    label: str
    home: Path
    main: str
    sha256: str = ""
    source: str = ""

    @property
    def path(self) -> Path:
        return self.home / self.main

    @property
    def stage(self) -> Path:
        return cache_dir() / "incoming" / slug(self.key)

    def differs(self, manifest: Manifest) -> bool:
        """Whether the manifest is known to be of another content."""
        return bool(self.sha256 and manifest.sha256) and manifest.sha256 != self.sha256


class Sharing:
    """Obtains items, keeps them from eviction while they are used, and offers them to peers."""

    def __init__(self, peers: Peers | None) -> None:
        self._peers = peers
        self._leases = Leases()
        self._agreed: dict[str, Path] = {}
        self._places: dict[str, Path] = {}
        self._paused_until = 0.0

    @property
    def shared(self) -> bool:
        """Whether there are peers."""
        return self._peers is not None

    def place(self, key: str) -> Path | None:
        """Where an obtained item is."""
        return self._places.get(key)

    def obtain(
        self, item: CachedItem, find: Callable[[], Path | None], make: Making | None
    ) -> Iterator[Event]:
        """Have the item on this disk. `find` returns its path where it is here with the right
        content; without `make` it can only come from a peer. Raises EngineError."""
        self._leases.take(item.key)
        place = find()
        if place is None:
            self._agreed.pop(item.key, None)  # another process may have evicted it
        if self._peers is None:
            if place is None:
                place = yield from _make_or_fail(item, make, self.shared)
        elif place is None or not self._agree(self._peers, item, place):
            place = yield from self._obtain_among_peers(self._peers, item, find, make)
        self._places[item.key] = place

    def make_room(self, needed: int, label: str, where: Path | None = None) -> None:
        """Evict what was used longest ago until so many bytes fit. Raises EngineError."""
        for key in make_room(needed, label, where):
            self._agreed.pop(key, None)
            self._places.pop(key, None)
            if self._peers is not None:
                self._peers.missing(key, self._peers.me)

    def forget(self, key: str) -> None:
        """The item is not as it was obtained: its files are removed, and must be had again."""
        withdraw(key)
        self._agreed.pop(key, None)
        self._places.pop(key, None)
        if self._peers is not None:
            self._peers.missing(key, self._peers.me)

    def pause_transfers(self, seconds: float) -> None:
        """Serve peers nothing for at least so many seconds, since speed is measured; 0 ends the
        pause. It asks for twice as long, so that a row of short cells asks once."""
        left = self._paused_until - time.monotonic()
        if self._peers is None or left >= seconds > 0 or (seconds == 0 and self._paused_until == 0):
            return
        self._peers.pause_transfers(2 * seconds)
        self._paused_until = time.monotonic() + 2 * seconds if seconds else 0.0

    def protect(self, key: str) -> None:
        """Protect the item from eviction until `release_unused`."""
        self._leases.take(key)

    def release_unused(self, keep: Collection[str] = ()) -> None:
        """End the use of everything obtained so far, except for the keys to keep."""
        self._leases.release(keep)

    def _obtain_among_peers(
        self, peers: Peers, item: CachedItem, find: Callable[[], Path | None], make: Making | None
    ) -> Generator[Event, None, Path]:
        place: Path | None
        pause_s = ASK_FIRST_S
        while True:
            claim = peers.claim(item.key)
            if claim.holders and claim.manifest is not None:
                try:
                    if (yield from self._fetch_from_peers(peers, item, claim, claim.manifest)):
                        return item.path
                except AllBusy:
                    if make is not None:
                        place = yield from make()
                        if self._agree(peers, item, place):
                            return place
            elif claim.make:
                try:
                    place = find()
                    if place is None:
                        place = yield from _make_or_fail(item, make, True)
                    if self._agree(peers, item, place):
                        return place
                except BaseException:
                    peers.release(item.key)
                    raise
            else:
                line = f"waits for {peers.title(claim.maker)}, which makes it"
                yield Preparing(what="fetch", label=item.label, line=line)
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, ASK_LAST_S)

    def _agree(self, peers: Peers, item: CachedItem, place: Path) -> bool:
        """Offer what is here to peers; False where its content differs from the plan's or from that
        of the first node that announced it."""
        if self._agreed.get(item.key) == place:
            return True
        try:
            mine = offer(item.key, named_files(place, item.main))
        except OSError as error:
            raise EngineError(f"{place} cannot be read: {error.strerror or error}") from error
        if mine is None:
            peers.release(item.key)  # it is of use here, but others have to make it
        elif item.differs(mine) or peers.announce(item.key, mine).identity != mine.identity:
            withdraw(item.key)
            return False
        self._agreed[item.key] = place
        return True

    def _fetch_from_peers(
        self, peers: Peers, item: CachedItem, claim: Claim, manifest: Manifest
    ) -> Generator[Event, None, bool]:
        """Fetch the item from a holder; False where none gives it. Raises AllBusy where those that
        could give it are measuring."""
        if (refused := _refusal(item, manifest)) is not None:
            yield Preparing(what="fetch", label=item.label, line=refused)
            for holder in claim.holders:
                peers.missing(item.key, holder)
            return False
        start = time.perf_counter()
        givers: list[str] = []

        def work(on_line: Callable[[str], None]) -> None:
            parts = (manifest, item.main, item.stage)
            givers.append(fetch(peers, item.key, claim.holders, *parts, on_line))

        with lock_item(slug(item.key)):
            if item.path.exists() and self._agree(peers, item, item.path):
                return True  # another process of this node has fetched it meanwhile
            self.make_room(manifest.bytes - _size(item.stage), f"a copy of {item.label}")
            try:
                yield from run_in_background("fetch", item.label, work)
            except AllBusy:
                raise
            except NoPeer:
                return False
            _move_into_place(item, manifest)
        wall_s = time.perf_counter() - start
        label = f"{item.label} from {peers.title(givers[0])}"
        self._agree(peers, item, item.path)
        yield Prepared(what="fetch", label=label, wall_s=wall_s, engine_s=0.0)
        return True


def existing(*paths: Path) -> Path | None:
    """The first of the paths that is there."""
    return next((path for path in paths if path.exists()), None)


@contextmanager
def lock_item(name: str) -> Iterator[None]:
    """Hold the item's lock among the processes of this node. Raises EngineError where the cache
    cannot be written."""
    folder = cache_dir() / "locks"
    lock = FileLock(folder / f"{name}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise EngineError(
            f"the cache {cache_dir()} takes no file: {error.strerror or error}; make room, or set "
            "QUANTGRID_CACHE"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _make_or_fail(
    item: CachedItem, make: Making | None, shared: bool
) -> Generator[Event, None, Path]:
    if make is None:
        nobody = ", and no other node has it as it was" if shared else ""
        raise EngineError(f"{item.source or item.label} is gone since the plan was made{nobody}")
    return (yield from make())


def _refusal(item: CachedItem, manifest: Manifest) -> str | None:
    """Why the content that peers offer under an item's key is refused; None where it is
    accepted."""
    try:
        check_names(manifest, item.main)
    except EngineError as error:
        return str(error)
    return "a peer offers another content than the plan's" if item.differs(manifest) else None


def _move_into_place(item: CachedItem, manifest: Manifest) -> None:
    """Move the staged files to the item's home, the one by which it is opened last. What was there
    is replaced, and notes about it are removed."""
    staged = item.stage / "files"
    try:
        item.home.mkdir(parents=True, exist_ok=True)
        for note in item.home.glob("facts-*.json"):
            note.unlink()
        for path in sorted(staged.iterdir(), key=lambda path: path.name == item.main):
            target = item.home / path.name
            if target.is_dir():
                target.rename(item.stage / f"old-{uuid4().hex}")
            path.replace(target)
        for file in manifest.files:
            remember_sha256(item.home / file.name, file.sha256)
        shutil.rmtree(item.stage)
    except OSError as error:
        raise EngineError(f"the cache takes no file: {error.strerror or error}") from error


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
