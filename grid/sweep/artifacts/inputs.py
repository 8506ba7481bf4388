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
from grid.cache import cache_dir, write_atomically
from grid.cells.cell import Cell
from grid.cells.texts import read_items, read_text
from grid.cells.workload import Quality, ServerLoad, Tasks, Workload
from grid.errors import EngineError, InputError
from grid.models.artifact import Artifact
from grid.models.checkpoint import inspection as checkpoint
from grid.models.checksum import file_sha256
from grid.plan.origin import BUNDLED, ELSEWHERE
from grid.sweep.artifacts.manifest import main_name, manifest_of, named_files
from grid.sweep.artifacts.obtain import CachedItem, Sharing
from grid.sweep.artifacts.offers import offer
from grid.sweep.events import Event, Settings


def is_bundled(artifact: Artifact) -> bool:
    """True for weights that every node has with the package."""
    return artifact.made_from is None and artifact.model.source.startswith(BUNDLED)


def is_remote(artifact: Artifact) -> bool:
    """True for weights of a hub or of a package."""
    by_source = artifact.path is None and artifact.made_from is None
    return by_source and artifact.model.source.startswith(ELSEWHERE)


def cached_artifact(artifact: Artifact) -> CachedItem:
    """The item under which nodes share an artifact."""
    file_name = ""
    if artifact.path is not None:
        file_name = Path(artifact.path).name
    elif is_remote(artifact):
        file_name = artifact.model.source.rpartition("@")[0].rpartition("/")[2]
    home = cache_dir() / "artifacts" / artifact.id
    main = main_name("weights", file_name, artifact.format)  # a model's name may hold anything
    return CachedItem(
        f"artifact/{artifact.id}",
        artifact.label,
        home,
        main,
        sha256=artifact.facts.sha256 if artifact.facts is not None else "",
        source=artifact.path or "",
    )


def is_as_planned(artifact: Artifact, path: Path) -> bool:
    """Whether the file or folder has the content that the plan saw; read once, as long as it does
    not change. A folder's configuration counts too."""
    try:
        if path.is_dir():
            return artifact.model.revision in _revisions(path, artifact.format)
        manifest = manifest_of(named_files(path, path.name))
    except OSError:
        return False
    return artifact.facts is None or manifest.sha256 == artifact.facts.sha256


class Inputs:
    """Texts and items for the workloads that one worker runs."""

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing
        self._local: dict[str, str] = {}

    def cell(self, cell: Cell) -> Generator[Event, None, Cell]:
        """The same cell, with sources that this node can read. Raises EngineError."""
        local: Workload = cell.workload
        match cell.workload:
            case Quality() as workload:
                source = yield from self.text(workload.text, _content(workload))
                local = msgspec.structs.replace(workload, text=source)
            case ServerLoad(prompts=prompts) as workload if prompts:
                source = yield from self.text(prompts, workload.prompts_sha256)
                local = msgspec.structs.replace(workload, prompts=source)
            case Tasks() as workload:
                source = yield from self._items(workload)
                local = msgspec.structs.replace(workload, source=source)
        return cell if local == cell.workload else msgspec.structs.replace(cell, workload=local)

    def calibration(self, calibration: Calibration) -> Generator[Event, None, Calibration]:
        """The calibration set with its text as a file of this node. Raises EngineError."""
        source = yield from self.text(calibration.path, calibration.sha256)
        path = Path(source)
        if source.startswith(BUNDLED):  # a quantizer opens files only
            path = _cached_text(calibration.sha256, source).path
            if not path.exists():
                write_atomically(path, read_text(source).text.encode())
        return msgspec.structs.replace(calibration, path=str(path))

    def matrix(self, artifact: Artifact) -> Generator[Event, None, Calibration]:
        """The importance matrix that an artifact names, as a file of this node. Raises
        EngineError."""
        sha256 = artifact.matrix_sha256
        item = _cached_matrix(artifact)
        if self._find_local(item, sha256) is None:
            if _has_content(Path(artifact.matrix), sha256):
                self._local[sha256] = artifact.matrix
            else:
                yield from self._bring(item, lambda: _has_content(item.path, sha256))
                self._local[sha256] = str(item.path)
        return Calibration(path=self._local[sha256], sha256=sha256, is_matrix=True)

    def text(self, source: str, sha256: str) -> Generator[Event, None, str]:
        """A name or path under which this node reads the text. Raises EngineError."""
        if source.startswith(BUNDLED):
            return source
        item = _cached_text(sha256, source)
        if self._find_local(item, sha256) is None:
            if _has_text(source, sha256):
                self._local[sha256] = source
            else:
                yield from self._bring(item, lambda: _has_text(str(item.path), sha256))
                self._local[sha256] = str(item.path)
        return self._local[sha256]

    def _items(self, tasks: Tasks) -> Generator[Event, None, str]:
        if tasks.source.startswith(BUNDLED):
            return tasks.source
        item = _cached_items(tasks)
        if self._find_local(item, tasks.items_sha256) is None:
            if _has_items(tasks.source, tasks):
                self._local[tasks.items_sha256] = tasks.source
            else:
                yield from self._bring(item, lambda: _has_items(str(item.path), tasks))
                self._local[tasks.items_sha256] = str(item.path)
        return self._local[tasks.items_sha256]

    def _find_local(self, item: CachedItem, sha256: str) -> str | None:
        """Where it was found before, unless it was a copy that was evicted since."""
        self._sharing.protect(item.key)
        if self._local.get(sha256) == str(item.path) and not item.path.exists():
            del self._local[sha256]
        return self._local.get(sha256)

    def _bring(self, item: CachedItem, is_right: Callable[[], bool]) -> Iterator[Event]:
        yield from self._sharing.obtain(item, lambda: item.path if is_right() else None, None)
        if not is_right():
            raise EngineError(f"{item.label} came with another content; run the sweep again")


def offer_inputs(
    cells: Iterable[Cell], settings: Settings, keep: Callable[[str], None] = lambda _: None
) -> None:
    """Offer peers what these cells (with the cells of their references) name by path here; `keep`
    hears the key of each. Raises InputError where it is gone or is not what the plan saw."""
    artifacts: dict[str, Artifact] = {}
    workloads: set[Workload] = set()
    for cell in cells:
        source: Artifact | None = cell.artifact
        while source is not None and source.id not in artifacts:
            artifacts[source.id] = source
            source = source.made_from
        workloads.add(cell.workload)
    try:
        for artifact in artifacts.values():
            if artifact.path is not None and not is_bundled(artifact):
                _offer_artifact(artifact, Path(artifact.path), keep)
            if artifact.matrix:
                _offer_matrix(artifact, keep)
        if settings.calibration is not None:
            _offer_text(settings.calibration.path, settings.calibration.sha256, keep)
        for workload in workloads:
            if isinstance(workload, Quality):
                _offer_text(workload.text, _content(workload), keep)
            elif isinstance(workload, ServerLoad) and workload.prompts:
                _offer_text(workload.prompts, workload.prompts_sha256, keep)
            elif isinstance(workload, Tasks):
                _offer_items(workload, keep)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}; peers cannot be given it") from error


def _offer_artifact(artifact: Artifact, path: Path, keep: Callable[[str], None]) -> None:
    if not path.exists():
        raise InputError(f"{path} is gone since the plan was made")
    if not is_as_planned(artifact, path):
        raise InputError(f"{path} changed since the plan was made; run the sweep again")
    _offer(cached_artifact(artifact), path, keep)


def _offer(item: CachedItem, path: Path, keep: Callable[[str], None]) -> None:
    keep(item.key)
    if offer(item.key, named_files(path, item.main)) is None:
        raise InputError(
            f"the cache {cache_dir()} takes no file, so that peers cannot be given {item.label}; "
            "make room, or set QUANTGRID_CACHE"
        )


def _offer_text(source: str, sha256: str, keep: Callable[[str], None]) -> None:
    if source.startswith(BUNDLED):
        return
    text = read_text(source)
    if text.sha256 != sha256:
        raise InputError(f"text {source} changed since the plan was made; run the sweep again")
    item = _cached_text(sha256, source)
    write_atomically(item.path, text.text.encode())  # by content: without a byte order mark
    _offer(item, item.path, keep)


def _offer_matrix(artifact: Artifact, keep: Callable[[str], None]) -> None:
    path = Path(artifact.matrix)
    if not _has_content(path, artifact.matrix_sha256):
        raise InputError(f"{path} is gone or changed since the plan was made; run the sweep again")
    item = _cached_matrix(artifact)
    write_atomically(item.path, path.read_bytes())
    _offer(item, item.path, keep)


def _offer_items(tasks: Tasks, keep: Callable[[str], None]) -> None:
    if tasks.source.startswith(BUNDLED):
        return
    items = read_items(tasks.source, tasks.name)
    if items.sha256 != tasks.items_sha256:
        raise InputError(f"task items {tasks.source} changed since the plan was made; run again")
    item = _cached_items(tasks)
    lines = b"".join(msgspec.json.encode(entry) + b"\n" for entry in items.items)
    write_atomically(item.path / f"{tasks.name}.jsonl", lines)
    with suppress(FileNotFoundError):  # what is known of them, of tasks of the harness only
        facts = (Path(tasks.source) / f"{tasks.name}.json").read_bytes()
        write_atomically(item.path / f"{tasks.name}.json", facts)
    _offer(item, item.path, keep)


def _content(workload: Quality) -> str:
    """sha256 of the file that the workload names: a text, or the prompts for it."""
    return workload.prompts_sha256 or workload.text_sha256


def _cached_text(sha256: str, source: str) -> CachedItem:
    name, label = f"{sha256}.txt", f"text {source}"
    return CachedItem(f"text/{sha256}", label, cache_dir() / "texts", name, source=source)


def _cached_matrix(artifact: Artifact) -> CachedItem:
    name = f"imatrix-{artifact.matrix_sha256}"
    label = f"importance matrix {artifact.matrix}"
    home = cache_dir() / "texts"
    return CachedItem(f"text/{name}", label, home, f"{name}.gguf", source=artifact.matrix)


def _cached_items(tasks: Tasks) -> CachedItem:
    main = f"items-{tasks.items_sha256}"
    label = f"task items {tasks.source}"
    key = f"items/{tasks.items_sha256}"
    return CachedItem(key, label, cache_dir() / "texts", main, source=tasks.source)


def _revisions(folder: Path, form: str) -> Iterator[str]:
    """What a checkpoint is, as each that reads its format sees it."""
    readers = [backend(name) for name in names()]
    inspects = [
        checkpoint.inspect,
        *(reader.inspect for reader in readers if form in reader.formats),
    ]
    for inspect in inspects:
        with suppress(InputError):
            yield inspect(folder).model.revision


def _has_text(source: str, sha256: str) -> bool:
    try:
        return read_text(source).sha256 == sha256
    except InputError:
        return False


def _has_content(path: Path, sha256: str) -> bool:
    try:
        return file_sha256(path) == sha256
    except OSError:
        return False


def _has_items(source: str, tasks: Tasks) -> bool:
    try:
        return read_items(source, tasks.name).sha256 == tasks.items_sha256
    except InputError:
        return False
