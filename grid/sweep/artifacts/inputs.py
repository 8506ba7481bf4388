"""A sweep's own inputs on nodes that do not have them: weights, texts and task items by path.

The driver's node offers them by content; a node whose disk has no such file, or another one under
that path, takes a copy into its cache.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from grid.backend import Calibration
from grid.backend.registry import backend, names
from grid.cache import cache_dir, write_whole
from grid.cells.cell import Cell
from grid.cells.texts import read_items, read_text
from grid.cells.workload import Quality, Tasks, Workload
from grid.errors import EngineError, InputError
from grid.models.artifact import Artifact
from grid.models.checkpoint import inspection as checkpoint
from grid.plan.origin import BUNDLED, HUB
from grid.sweep.artifacts.manifest import main_name, manifest_of, named_files
from grid.sweep.artifacts.obtain import Sharing, Thing
from grid.sweep.artifacts.offers import offer
from grid.sweep.events import Event, Settings


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
    return Thing(
        f"artifact/{artifact.id}",
        artifact.label,
        home,
        main,
        sha256=artifact.facts.sha256 if artifact.facts is not None else "",
        given=artifact.path or "",
    )


def is_as_planned(artifact: Artifact, path: Path) -> bool:
    """Whether the file or folder has the content that the plan saw; read once, as long as it does
    not change. A folder's configuration counts too."""
    try:
        if path.is_dir():
            return artifact.model.revision in _revisions(path, artifact.format)
        found = manifest_of(named_files(path, path.name))
    except OSError:
        return False
    return artifact.facts is None or found.sha256 == artifact.facts.sha256


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
        thing = _text_thing(sha256, source)
        if self._known(thing, sha256) is None:
            if _has_text(source, sha256):
                self._local[sha256] = source
            else:
                yield from self._bring(thing, lambda: _has_text(str(thing.path), sha256))
                self._local[sha256] = str(thing.path)
        return self._local[sha256]

    def _items(self, asked: Tasks) -> Generator[Event, None, str]:
        if asked.source.startswith(BUNDLED):
            return asked.source
        thing = _items_thing(asked)
        if self._known(thing, asked.items_sha256) is None:
            if _has_items(asked.source, asked):
                self._local[asked.items_sha256] = asked.source
            else:
                yield from self._bring(thing, lambda: _has_items(str(thing.path), asked))
                self._local[asked.items_sha256] = str(thing.path)
        return self._local[asked.items_sha256]

    def _known(self, thing: Thing, sha256: str) -> str | None:
        """Where it was found before, unless it was a copy that was evicted since."""
        self._sharing.keep(thing.key)
        if self._local.get(sha256) == str(thing.path) and not thing.path.exists():
            del self._local[sha256]
        return self._local.get(sha256)

    def _bring(self, thing: Thing, right: Callable[[], bool]) -> Iterator[Event]:
        yield from self._sharing.obtain(thing, lambda: thing.path if right() else None, None)
        if not right():
            raise EngineError(f"{thing.label} came with another content; run the sweep again")


def offer_inputs(
    cells: Iterable[Cell], settings: Settings, keep: Callable[[str], None] = lambda _: None
) -> None:
    """Offer peers what these cells (with the cells of their references) name by path here; `keep`
    hears the key of each. Raises InputError where it is gone or is not what the plan saw."""
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
                _offer_artifact(one, Path(one.path), keep)
        if settings.calibration is not None:
            _offer_text(settings.calibration.path, settings.calibration.sha256, keep)
        for asked in workloads:
            if isinstance(asked, Quality):
                _offer_text(asked.text, asked.text_sha256, keep)
            elif isinstance(asked, Tasks):
                _offer_items(asked, keep)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}; peers cannot be given it") from error


def _offer_artifact(artifact: Artifact, path: Path, keep: Callable[[str], None]) -> None:
    if not path.exists():
        raise InputError(f"{path} is gone since the plan was made")
    if not is_as_planned(artifact, path):
        raise InputError(f"{path} changed since the plan was made; run the sweep again")
    _offer(artifact_thing(artifact), path, keep)


def _offer(thing: Thing, path: Path, keep: Callable[[str], None]) -> None:
    keep(thing.key)
    if offer(thing.key, named_files(path, thing.main)) is None:
        raise InputError(
            f"the cache {cache_dir()} takes no file, so that peers cannot be given {thing.label}; "
            "make room, or set QUANTGRID_CACHE"
        )


def _offer_text(source: str, sha256: str, keep: Callable[[str], None]) -> None:
    if source.startswith(BUNDLED):
        return
    text = read_text(source)
    if text.sha256 != sha256:
        raise InputError(f"text {source} changed since the plan was made; run the sweep again")
    thing = _text_thing(sha256, source)
    write_whole(thing.path, text.text.encode())  # by content: without a byte order mark
    _offer(thing, thing.path, keep)


def _offer_items(asked: Tasks, keep: Callable[[str], None]) -> None:
    if asked.source.startswith(BUNDLED):
        return
    found = read_items(asked.source, asked.task_class)
    if found.sha256 != asked.items_sha256:
        raise InputError(f"task items {asked.source} changed since the plan was made; run again")
    thing = _items_thing(asked)
    lines = b"".join(msgspec.json.encode(item) + b"\n" for item in found.items)
    write_whole(thing.path / f"{asked.task_class}.jsonl", lines)
    _offer(thing, thing.path, keep)


def _text_thing(sha256: str, source: str) -> Thing:
    name, label = f"{sha256}.txt", f"text {source}"
    return Thing(f"text/{sha256}", label, cache_dir() / "texts", name, given=source)


def _items_thing(asked: Tasks) -> Thing:
    main = f"items-{asked.items_sha256}"
    label = f"task items {asked.source}"
    key = f"items/{asked.items_sha256}"
    return Thing(key, label, cache_dir() / "texts", main, given=asked.source)


def _revisions(folder: Path, form: str) -> Iterator[str]:
    """What a checkpoint is, as each that reads its format sees it."""
    readers = [backend(name) for name in names()]
    inspects = [checkpoint.inspect, *(one.inspect for one in readers if form in one.formats)]
    for inspect in inspects:
        with suppress(InputError):
            yield inspect(folder).model.revision


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
