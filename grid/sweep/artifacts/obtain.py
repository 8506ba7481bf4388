"""One order for all that cells need on a node's disk: there already, from a peer that has it, from
a peer that makes it now, made here."""

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
from grid.sweep.artifacts.background import told
from grid.sweep.artifacts.eviction import make_room
from grid.sweep.artifacts.leases import Leases
from grid.sweep.artifacts.manifest import Manifest, check_names, named_files
from grid.sweep.artifacts.offers import offer, slug, withdraw
from grid.sweep.artifacts.peers import Claim, Peers
from grid.sweep.artifacts.transfer import AllBusy, NoPeer, fetch
from grid.sweep.events import Event, Prepared, Preparing

ASK_FIRST_S, ASK_LAST_S = 0.05, 1.0
"""Seconds between two questions whether a peer has finished making: double each time, up to the
last."""

Making = Callable[[], Generator[Event, None, Path]]
"""Makes a thing, tells about it, and returns where it is."""


class Thing(NamedTuple):
    """What a cell needs: its key among peers, what people call it, and where a copy of it lies when
    it is fetched: the file or folder `main` in the folder `home`. `sha256` is that of its content
    as the plan knows it (`Manifest.sha256`), `given` where the user has it; empty where unknown."""

    key: str
    label: str
    home: Path
    main: str
    sha256: str = ""
    given: str = ""

    @property
    def path(self) -> Path:
        return self.home / self.main

    @property
    def stage(self) -> Path:
        return cache_dir() / "incoming" / slug(self.key)

    def differs(self, manifest: Manifest) -> bool:
        """Whether that is known to be another content."""
        return bool(self.sha256 and manifest.sha256) and manifest.sha256 != self.sha256


class Sharing:
    """Obtains things, keeps them from eviction while they are used, and offers them to peers."""

    def __init__(self, peers: Peers | None) -> None:
        self._peers = peers
        self._leases = Leases()
        self._agreed: dict[str, Path] = {}
        self._places: dict[str, Path] = {}
        self._quiet_until = 0.0

    @property
    def shared(self) -> bool:
        """Whether there are peers."""
        return self._peers is not None

    def place(self, key: str) -> Path | None:
        """Where an obtained thing is."""
        return self._places.get(key)

    def obtain(
        self, thing: Thing, find: Callable[[], Path | None], make: Making | None
    ) -> Iterator[Event]:
        """Have it on this disk. `find` says where it is already, with the right content; without
        `make` it can only come from a peer. Raises EngineError."""
        self._leases.take(thing.key)
        found = find()
        if found is None:
            self._agreed.pop(thing.key, None)  # another process may have evicted it
        if self._peers is None:
            place = found if found is not None else (yield from _made(thing, make, self.shared))
        elif found is not None and self._agree(self._peers, thing, found):
            place = found
        else:
            place = yield from self._among(self._peers, thing, find, make)
        self._places[thing.key] = place

    def room(self, needed: int, label: str, where: Path | None = None) -> None:
        """Evict what was used longest ago until so many bytes fit. Raises EngineError."""
        for key in make_room(needed, label, where):
            self._agreed.pop(key, None)
            self._places.pop(key, None)
            if self._peers is not None:
                self._peers.missing(key, self._peers.me)

    def quiet(self, seconds: float) -> None:
        """Give peers nothing for so many seconds at least, since speed is measured; 0: give again.
        Asked for twice as long at once, so that a row of short cells asks once."""
        left = self._quiet_until - time.monotonic()
        if self._peers is None or left >= seconds > 0 or (seconds == 0 and self._quiet_until == 0):
            return
        self._peers.quiet(2 * seconds)
        self._quiet_until = time.monotonic() + 2 * seconds if seconds else 0.0

    def keep(self, key: str) -> None:
        """It is in use until `done`."""
        self._leases.take(key)

    def done(self, but: Collection[str] = ()) -> None:
        """What was obtained until now is not in use any longer, except for these keys."""
        self._leases.give_back(but)

    def _among(
        self, peers: Peers, thing: Thing, find: Callable[[], Path | None], make: Making | None
    ) -> Generator[Event, None, Path]:
        pause_s = ASK_FIRST_S
        while True:
            claim = peers.claim(thing.key)
            if claim.holders and claim.manifest is not None:
                try:
                    if (yield from self._fetched(peers, thing, claim, claim.manifest)):
                        return thing.path
                except AllBusy:
                    if make is not None:
                        place = yield from make()
                        if self._agree(peers, thing, place):
                            return place
            elif claim.make:
                try:
                    found = find()
                    place = found if found is not None else (yield from _made(thing, make, True))
                    if self._agree(peers, thing, place):
                        return place
                except BaseException:
                    peers.release(thing.key)
                    raise
            else:
                line = f"waits for {peers.title(claim.maker)}, which makes it"
                yield Preparing(what="fetch", label=thing.label, line=line)
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, ASK_LAST_S)

    def _agree(self, peers: Peers, thing: Thing, place: Path) -> bool:
        """Offer what is here; False where it is not what the plan says, or the first who had it has
        other bytes."""
        if self._agreed.get(thing.key) == place:
            return True
        try:
            mine = offer(thing.key, named_files(place, thing.main))
        except OSError as error:
            raise EngineError(f"{place} cannot be read: {error.strerror or error}") from error
        if mine is None:
            peers.release(thing.key)  # it is of use here, but others have to make it
        elif thing.differs(mine) or peers.announce(thing.key, mine).identity != mine.identity:
            withdraw(thing.key)
            return False
        self._agreed[thing.key] = place
        return True

    def _fetched(
        self, peers: Peers, thing: Thing, claim: Claim, manifest: Manifest
    ) -> Generator[Event, None, bool]:
        """Bring it from a holder; False where none gives it. Raises AllBusy where those that might
        measure for long."""
        if (refused := _refusal(thing, manifest)) is not None:
            yield Preparing(what="fetch", label=thing.label, line=refused)
            for holder in claim.holders:
                peers.missing(thing.key, holder)
            return False
        start = time.perf_counter()
        givers: list[str] = []

        def work(say: Callable[[str], None]) -> None:
            parts = (manifest, thing.main, thing.stage)
            givers.append(fetch(peers, thing.key, claim.holders, *parts, say))

        with alone(slug(thing.key)):
            if thing.path.exists() and self._agree(peers, thing, thing.path):
                return True  # another process of this node has fetched it meanwhile
            self.room(manifest.bytes - _size(thing.stage), f"a copy of {thing.label}")
            try:
                yield from told("fetch", thing.label, work)
            except AllBusy:
                raise
            except NoPeer:
                return False
            _put(thing, manifest)
        wall_s = time.perf_counter() - start
        label = f"{thing.label} from {peers.title(givers[0])}"
        self._agree(peers, thing, thing.path)
        yield Prepared(what="fetch", label=label, wall_s=wall_s, engine_s=0.0)
        return True


@contextmanager
def alone(name: str) -> Iterator[None]:
    """While no other process of this node is here for the same thing. Raises EngineError where the
    cache cannot be written."""
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


def _made(thing: Thing, make: Making | None, shared: bool) -> Generator[Event, None, Path]:
    if make is None:
        nobody = ", and no other node has it as it was" if shared else ""
        raise EngineError(f"{thing.given or thing.label} is gone since the plan was made{nobody}")
    return (yield from make())


def _refusal(thing: Thing, manifest: Manifest) -> str | None:
    """Why what peers offer under a thing's key is not taken; None where it is."""
    try:
        check_names(manifest, thing.main)
    except EngineError as error:
        return str(error)
    return "a peer offers another content than the plan's" if thing.differs(manifest) else None


def _put(thing: Thing, manifest: Manifest) -> None:
    """What was staged takes its place, the file or folder that it is opened by last; what was there
    goes, with what was noted about it."""
    staged = thing.stage / "files"
    try:
        thing.home.mkdir(parents=True, exist_ok=True)
        for note in thing.home.glob("facts-*.json"):
            note.unlink()
        for path in sorted(staged.iterdir(), key=lambda path: path.name == thing.main):
            target = thing.home / path.name
            if target.is_dir():
                target.rename(thing.stage / f"old-{uuid4().hex}")
            path.replace(target)
        for file in manifest.files:
            remember_sha256(thing.home / file.name, file.sha256)
        shutil.rmtree(thing.stage)
    except OSError as error:
        raise EngineError(f"the cache takes no file: {error.strerror or error}") from error


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
