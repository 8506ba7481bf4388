"""A sweep's own inputs on nodes that do not have them: weights, texts and task items by path.

The driver's node offers them by content; a node whose disk has no such file, or another one under
that path, takes a copy into its cache.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path

import msgspec

from grid.artifact import Artifact
from grid.backend import Calibration
from grid.cache import cache_dir, write_whole
from grid.cell import Cell
from grid.errors import EngineError, InputError
from grid.plan.origin import BUNDLED, HUB
from grid.schedule.events import Event, Settings
from grid.schedule.manifest import main_name, named_files
from grid.schedule.offers import offer
from grid.schedule.sharing import Sharing, Thing
from grid.texts import read_items, read_text
from grid.workload import Quality, Tasks, Workload


def is_bundled(artifact: Artifact) -> bool:
    """True for weights that every node has with the package."""
    return artifact.made_from is None and artifact.model.source.startswith(BUNDLED)


def is_remote(artifact: Artifact) -> bool:
    """True for weights of a hub."""
    given = artifact.path is None and artifact.made_from is None
    return given and artifact.model.source.startswith(HUB)


def artifact_thing(artifact: Artifact) -> Thing:
    """An artifact as what nodes give each other."""
    given = ""
    if artifact.path is not None:
        given = Path(artifact.path).name
    elif is_remote(artifact):
        given = artifact.model.source.rpartition("@")[0].rpartition("/")[2]
    home = cache_dir() / "artifacts" / artifact.id
    main = main_name("weights", given, artifact.format)  # a model's name may hold anything
    return Thing(f"artifact/{artifact.id}", artifact.label, home, main)


class Inputs:
    """Texts and items for the workloads that one worker runs."""

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing
        self._local: dict[str, str] = {}

    def cell(self, cell: Cell) -> Generator[Event, None, Cell]:
        """The same cell, with sources that this node can read. Raises EngineError."""
        local: Workload = cell.workload
        match cell.workload:
            case Quality() as asked:
                source = yield from self.text(asked.text, asked.text_sha256)
                local = msgspec.structs.replace(asked, text=source)
            case Tasks() as asked:
                source = yield from self._items(asked)
                local = msgspec.structs.replace(asked, source=source)
        return cell if local == cell.workload else msgspec.structs.replace(cell, workload=local)

    def calibration(self, given: Calibration) -> Generator[Event, None, Calibration]:
        """The calibration set with its text as a file of this node. Raises EngineError."""
        source = yield from self.text(given.path, given.sha256)
        path = Path(source)
        if source.startswith(BUNDLED):  # a quantizer opens files only
            path = _text_thing(given.sha256, source).path
            if not path.exists():
                write_whole(path, read_text(source).text.encode())
        return msgspec.structs.replace(given, path=str(path))

    def text(self, source: str, sha256: str) -> Generator[Event, None, str]:
        """A name or path under which this node reads the text. Raises EngineError."""
        if source.startswith(BUNDLED):
            return source
        if sha256 not in self._local:
            if _has_text(source, sha256):
                self._local[sha256] = source
            else:
                thing = _text_thing(sha256, source)
                yield from self._bring(thing, lambda: _has_text(str(thing.path), sha256))
                self._local[sha256] = str(thing.path)
        return self._local[sha256]

    def _items(self, asked: Tasks) -> Generator[Event, None, str]:
        if asked.source.startswith(BUNDLED):
            return asked.source
        if asked.items_sha256 not in self._local:
            if _has_items(asked.source, asked):
                self._local[asked.items_sha256] = asked.source
            else:
                thing = _items_thing(asked)
                yield from self._bring(thing, lambda: _has_items(str(thing.path), asked))
                self._local[asked.items_sha256] = str(thing.path)
        return self._local[asked.items_sha256]

    def _bring(self, thing: Thing, right: Callable[[], bool]) -> Iterator[Event]:
        yield from self._sharing.obtain(thing, lambda: thing.path if right() else None, None)
        if not right():
            raise EngineError(f"{thing.label} came with another content; run the sweep again")


def offer_inputs(cells: Iterable[Cell], settings: Settings) -> None:
    """Offer peers what these cells (with the cells of their references) name by path here. Raises
    InputError where it is gone or is not what the plan saw."""
    artifacts: dict[str, Artifact] = {}
    workloads: set[Workload] = set()
    for cell in cells:
        artifact: Artifact | None = cell.artifact
        while artifact is not None and artifact.id not in artifacts:
            artifacts[artifact.id] = artifact
            artifact = artifact.made_from
        workloads.add(cell.workload)
    try:
        for one in artifacts.values():
            if one.path is not None and not is_bundled(one):
                thing = artifact_thing(one)
                offer(thing.key, named_files(Path(one.path), thing.main))
        if settings.calibration is not None:
            _offer_text(settings.calibration.path, settings.calibration.sha256)
        for asked in workloads:
            if isinstance(asked, Quality):
                _offer_text(asked.text, asked.text_sha256)
            elif isinstance(asked, Tasks):
                _offer_items(asked)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}; peers cannot be given it") from error


def _offer_text(source: str, sha256: str) -> None:
    if source.startswith(BUNDLED):
        return
    text = read_text(source)
    if text.sha256 != sha256:
        raise InputError(f"text {source} changed since the plan was made; run the sweep again")
    thing = _text_thing(sha256, source)
    write_whole(thing.path, text.text.encode())  # by content: without a byte order mark
    offer(thing.key, named_files(thing.path, thing.main))


def _offer_items(asked: Tasks) -> None:
    if asked.source.startswith(BUNDLED):
        return
    found = read_items(asked.source, asked.task_class)
    if found.sha256 != asked.items_sha256:
        raise InputError(f"task items {asked.source} changed since the plan was made; run again")
    thing = _items_thing(asked)
    lines = b"".join(msgspec.json.encode(item) + b"\n" for item in found.items)
    write_whole(thing.path / f"{asked.task_class}.jsonl", lines)
    offer(thing.key, named_files(thing.path, thing.main))


def _text_thing(sha256: str, source: str) -> Thing:
    return Thing(f"text/{sha256}", f"text {source}", cache_dir() / "texts", f"{sha256}.txt")


def _items_thing(asked: Tasks) -> Thing:
    main = f"items-{asked.items_sha256}"
    label = f"task items {asked.source}"
    return Thing(f"items/{asked.items_sha256}", label, cache_dir() / "texts", main)


def _has_text(source: str, sha256: str) -> bool:
    try:
        return read_text(source).sha256 == sha256
    except InputError:
        return False


def _has_items(source: str, asked: Tasks) -> bool:
    try:
        return read_items(source, asked.task_class).sha256 == asked.items_sha256
    except InputError:
        return False
