"""A sweep that another machine can run: its files are uploaded, and it names them by their paths
there. What is bundled, on a hub or in a package stays as written."""

from __future__ import annotations

import os
from collections import defaultdict
from glob import escape, glob
from pathlib import Path
from typing import Any

import msgspec

from grid.cluster import ssh
from grid.cluster.remote.runs import STATE
from grid.cluster.ssh import Host
from grid.errors import InputError
from grid.models import ollama
from grid.models.checkpoint.inspection import is_checkpoint
from grid.models.identity import digest
from grid.models.split_files import part_paths
from grid.models.synthetic import PREFIX as SYNTHETIC
from grid.plan.origin import BUNDLED, ELSEWHERE
from grid.plan.sweep import ModelEntry, QualityTable, Sweep, SweepTable, TasksTable, TextTable

UPLOADS = f"{STATE}/uploads"
"""A folder for each folder of each machine that files were brought from; they stay there, so that
the next sweep sends what has changed."""


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """The text of a sweep file for another machine, and by remote folder the local paths that go
    into it."""

    sweep: str
    uploads: dict[str, list[str]]

    @property
    def bytes(self) -> int:
        """Size of all uploads, sent before or not."""
        return sum(_size(Path(path)) for paths in self.uploads.values() for path in paths)

    def push(self, host: Host) -> None:
        """Bring the files; folders become what they are here. Raises HostSilent, CommandFailed."""
        for folder, paths in self.uploads.items():
            ssh.push(host, paths, folder, options=["--copy-links", "--delete"])


def bundle(sweep: Sweep, machine: str) -> Bundle:
    """The sweep with the paths that its files will have. Raises InputError for a missing file.

    `machine` names this one: equal paths of two machines are not the same file.
    """
    packer = _Packer(sweep, machine)
    models = tuple(packer.pack_model(entry) for entry in sweep.models)
    moved = msgspec.structs.replace(
        sweep,
        models=models,
        quality=packer.pack_quality(sweep.quality),
        calibration=packer.pack_table(sweep.calibration, "text", "calibration.text"),
        tasks=packer.pack_tasks(sweep.tasks),
    )
    return Bundle(sweep=_toml(moved), uploads=dict(packer.uploads))


class _Packer:
    def __init__(self, sweep: Sweep, machine: str) -> None:
        self._sweep = sweep
        self._machine = machine
        self.uploads: defaultdict[str, list[str]] = defaultdict(list)

    def pack_model(self, entry: ModelEntry) -> ModelEntry:
        return msgspec.structs.replace(
            entry,
            source=self._pack_weights(entry.source),
            files=tuple(name for pattern in entry.files for name in self._pack_matching(pattern)),
            reference=self._pack_weights(entry.reference),
            imatrix=self._pack_file(entry.imatrix, self._sweep.file) if entry.imatrix else "",
        )

    def pack_table(self, table: Any, field: str, place: str) -> Any:
        """A table of the sweep with a text's or a folder's path as it is on the other machine."""
        written = getattr(table, field)
        if not written or written.startswith(BUNDLED):
            return table
        name = self._pack_file(written, f"{self._sweep.file}: {place}")
        return msgspec.structs.replace(table, **{field: name})

    def pack_quality(self, table: QualityTable) -> QualityTable:
        """The table of quality with its texts as they are on the other machine."""
        packed: QualityTable = self.pack_table(table, "text", "quality.text")
        texts: dict[str, str | TextTable] = {}
        for category, written in table.texts.items():
            place = f"quality.texts.{category}"
            entry = TextTable(text=written) if isinstance(written, str) else written
            moved = self.pack_table(self.pack_table(entry, "text", place), "generate", place)
            texts[category] = moved.text if isinstance(written, str) else moved
        return msgspec.structs.replace(packed, texts=texts)

    def pack_tasks(self, table: TasksTable) -> TasksTable:
        """The table of tasks with its files and folders as they are on the other machine."""
        for field in ("source", "data"):
            table = self.pack_table(table, field, f"tasks.{field}")
        place = f"{self._sweep.file}: tasks.files"
        files = tuple(self._pack_file(written, place) for written in table.files)
        return msgspec.structs.replace(table, files=files)

    def _pack_weights(self, written: str) -> str:
        if not written or written.startswith((BUNDLED, SYNTHETIC, *ELSEWHERE)):
            return written
        self._refuse_ollama(written)
        return self._pack_file(written, self._sweep.file)

    def _refuse_ollama(self, written: str) -> None:
        """Raise InputError for a name of Ollama's store, which each machine has for itself."""
        if written.startswith(ollama.PREFIX):
            path = ollama.find_model(written).path
            raise InputError(
                f"{self._sweep.file}: {written} is of this machine's Ollama, and the sweep runs on "
                f"another; name a link of yours, NAME.gguf, to {path}"
            )

    def _pack_file(self, written: str, place: str) -> str:
        # not resolved: a hub's cache has links with the files' real names
        path = Path(os.path.abspath(Path(self._sweep.base, Path(written).expanduser())))
        if not path.exists():
            raise InputError(f"{place}: no file {path}")
        return self._upload(path)

    def _pack_matching(self, pattern: str) -> list[str]:
        if pattern.startswith(ELSEWHERE):
            return [pattern]
        self._refuse_ollama(pattern)
        written = Path(pattern).expanduser()
        rooted = written if written.is_absolute() else Path(escape(self._sweep.base), written)
        paths = [Path(path) for path in sorted(glob(str(rooted), recursive=True))]
        paths = [path for path in paths if path.is_file() or is_checkpoint(path)]
        if not paths:
            raise InputError(
                f"{self._sweep.file}: no file matches {pattern!r} (from {self._sweep.base})"
            )
        return [escape(self._upload(path)) for path in paths]

    def _upload(self, path: Path) -> str:
        """Have a path uploaded, with the parts that belong to it; returns its path there."""
        folder = f"{UPLOADS}/{digest('upload', self._machine, str(path.parent))}"
        for part in part_paths(path):
            if part.exists() and str(part) not in self.uploads[folder]:
                self.uploads[folder].append(str(part))
        return f"{folder}/{path.name}"


def _toml(sweep: Sweep) -> str:
    import tomli_w

    defaults = SweepTable()
    fields = {name: getattr(sweep, name) for name in SweepTable.__struct_fields__}
    changed = {k: v for k, v in fields.items() if v != getattr(defaults, k)}
    return tomli_w.dumps(_without_none(msgspec.to_builtins(changed)))


def _without_none(value: Any) -> Any:
    """TOML has no null: an absent key stands for it."""
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return value


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
