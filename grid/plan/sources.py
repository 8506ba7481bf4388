"""From what a sweep file calls a model to the artifacts to measure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from glob import escape, glob
from pathlib import Path
from typing import NamedTuple

import msgspec

from grid import reference
from grid.artifact import Artifact
from grid.backend import Backend, Inspection
from grid.errors import InputError, did_you_mean
from grid.model import Model
from grid.plan.folder import read_folder
from grid.plan.sweep import ALL, ModelEntry, Sweep

REFERENCE_QUANT = "F16"
"""Recipe that converts a source folder to the 16-bit artifact that all others are compared with."""

_BUNDLED = "ref:"
_FULL_BITS = 16.0


class Candidate(NamedTuple):
    """An artifact to measure in one backend."""

    artifact: Artifact
    backend: str
    group: int
    """Index of the model it belongs to; results are compared within a group."""
    weight_bytes: int
    """Size of the weight file: observed, or parameters x nominal bits / 8 before it is made."""
    reference: str | None
    """Id of the 16-bit artifact of its group, None where there is none."""
    bundled: bool
    """True for the family that comes with its own text and items."""
    asked: bool = True
    """False for a 16-bit artifact that is there only to be compared with."""
    obstacle: str = ""
    """Why none of its cells can run; empty if nothing is known to be in the way."""

    @property
    def is_reference(self) -> bool:
        return self.artifact.id == self.reference


def resolve(sweep: Sweep, backends: Mapping[str, Backend]) -> list[Candidate]:
    """The artifacts of a sweep, each with the backends that measure it.

    `backends` are the sweep's own, in its order. Raises InputError for a source that cannot be
    read, a quant that no backend makes, and models that are there twice.
    """
    found: list[Candidate] = []
    owners: dict[str, tuple[int, str]] = {}
    for index, (written, entry) in enumerate(_expanded(sweep.models)):
        resolver = _Resolver(sweep, backends, entry, index)
        try:
            group = list(resolver.candidates())
            _refuse_twice(group, entry.source or entry.files[0], owners)
        except InputError as error:
            raise InputError(f"{sweep.file}: models[{written}]: {error}") from None
        found += group
    return found


def source_folder(source: str) -> Path:
    """Folder of the weights that a `ref:` source names. Raises InputError for an unknown size."""
    size = source.removeprefix(_BUNDLED)
    if size not in reference.SIZES:
        known = [_BUNDLED + name for name in (*reference.SIZES, "*")]
        raise InputError(f"unknown model {source!r}. {did_you_mean(source, known)}")
    return reference.size_dir(size)


def _expanded(entries: tuple[ModelEntry, ...]) -> Iterator[tuple[int, ModelEntry]]:
    """Entries with their index in the file; `ref:*` becomes one for each size."""
    for index, entry in enumerate(entries):
        if entry.source == f"{_BUNDLED}*":
            for size in reference.SIZES:
                yield index, msgspec.structs.replace(entry, source=_BUNDLED + size)
        else:
            yield index, entry


def _refuse_twice(group: list[Candidate], written: str, owners: dict[str, tuple[int, str]]) -> None:
    """Owners: which model entry, and how it was written, brought an artifact id or a name."""
    for candidate in group:
        model = candidate.artifact.model
        owner = owners.setdefault(candidate.artifact.id, (candidate.group, written))
        if owner[0] != candidate.group:
            raise InputError(f"{candidate.artifact.label} is there twice: {owner[1]}, {written}")
        owner = owners.setdefault(f"name {model.name}", (candidate.group, written))
        if owner[0] != candidate.group:
            raise InputError(
                f"{owner[1]} and {written} are both called {model.name!r}; give one another name"
            )


class _Resolver:
    """Finds the candidates of one model entry."""

    def __init__(
        self, sweep: Sweep, backends: Mapping[str, Backend], entry: ModelEntry, group: int
    ) -> None:
        self._sweep = sweep
        self._backends = backends
        self._entry = entry
        self._group = group

    def candidates(self) -> Iterator[Candidate]:
        if self._entry.files:
            yield from self._files()
        elif self._entry.source.startswith(_BUNDLED):
            yield from self._bundled()
        else:
            yield from self._path()

    def _bundled(self) -> Iterator[Candidate]:
        source = self._entry.source
        folder = source_folder(source)
        size = source.removeprefix(_BUNDLED)
        model = self._named(read_folder(folder, source, size, "reference"))
        for backend in self._backends.values():
            base = Artifact(
                model=model,
                format=_written_format(backend),
                quant=REFERENCE_QUANT,
                backend=backend.name,
                quantizer=backend.quantizer() if _quantizes(backend) else "",
            )
            yield from self._quantized(base, backend, [backend], bundled=True)

    def _path(self) -> Iterator[Candidate]:
        path = self._sweep.path(self._entry.source)
        readers = self._readers(path)
        base = self._inspected(path)
        facts = base.facts
        if facts is not None and facts.bpw_layer < _FULL_BITS:
            raise InputError(
                f"{path} has {facts.bpw_layer:.3g} bits a weight; quants are made from 16 or 32 "
                "bits. To measure the file as it is, give files instead of source"
            )
        maker = next((one for one in readers if _quantizes(one)), readers[0])
        yield from self._quantized(base, maker, self._backends.values(), bundled=False)

    def _quantized(
        self, base: Artifact, maker: Backend, users: Iterable[Backend], *, bundled: bool
    ) -> Iterator[Candidate]:
        """The base and what `maker` makes from it, in each of the backends `users`."""
        wanted = self._quants(maker, base.quant)
        base_obstacle = "" if base.path else _cannot_make(maker, base.quant)
        for quant in dict.fromkeys((base.quant, *wanted)):
            artifact = base if quant == base.quant else _made(base, quant, maker)
            obstacle = base_obstacle
            if artifact is not base:
                obstacle = obstacle or _cannot_make(maker, quant)
            for user in users:
                yield Candidate(
                    artifact=artifact,
                    backend=user.name,
                    group=self._group,
                    weight_bytes=_weight_bytes(artifact, maker),
                    reference=base.id,
                    bundled=bundled,
                    asked=quant in wanted,
                    obstacle=_cannot_read(user, artifact) or obstacle,
                )

    def _files(self) -> Iterator[Candidate]:
        paths = [path for pattern in self._entry.files for path in self._matching(pattern)]
        base = self._reference()
        artifacts = {} if base is None else {Path(base.path or ""): base}
        for path in dict.fromkeys(paths):
            if path not in artifacts:
                artifacts[path] = self._inspected(path)
        self._refuse_copies(artifacts)
        for path, artifact in artifacts.items():
            for user in self._backends.values():
                yield Candidate(
                    artifact=artifact,
                    backend=user.name,
                    group=self._group,
                    weight_bytes=artifact.facts.bytes if artifact.facts else 0,
                    reference=base.id if base else None,
                    bundled=False,
                    asked=path in paths,
                    obstacle=_cannot_read(user, artifact),
                )

    def _reference(self) -> Artifact | None:
        if not self._entry.reference:
            return None
        path = self._sweep.path(self._entry.reference)
        base = self._inspected(path)
        if base.facts is not None and base.facts.bpw_layer < _FULL_BITS:
            raise InputError(
                f"reference {path} has {base.facts.bpw_layer:.3g} bits a weight; it must have 16 "
                "or 32, because the others are compared with it"
            )
        return base

    def _refuse_copies(self, artifacts: Mapping[Path, Artifact]) -> None:
        seen: dict[str, Path] = {}
        for path, artifact in artifacts.items():
            if artifact.id in seen:
                raise InputError(f"{seen[artifact.id]} and {path} are the same weights")
            seen[artifact.id] = path

    def _matching(self, pattern: str) -> list[Path]:
        written = Path(pattern).expanduser()
        rooted = str(written if written.is_absolute() else Path(escape(self._sweep.base), written))
        found = [Path(path).resolve() for path in sorted(glob(rooted, recursive=True))]
        found = [path for path in found if path.is_file()]
        if not found:
            raise InputError(f"no file matches {pattern!r} (from {self._sweep.base})")
        return found

    def _readers(self, path: Path) -> list[Backend]:
        """The sweep's backends that read files of this format; at least one."""
        suffix = path.suffix.lstrip(".").lower()
        readers = [one for one in self._backends.values() if suffix in one.formats]
        if not readers:
            known = {form for one in self._backends.values() for form in one.formats}
            raise InputError(
                f"{path}: none of the sweep's backends reads {suffix or 'files without a suffix'}; "
                f"they read {', '.join(sorted(known))}"
            )
        return readers

    def _inspected(self, path: Path) -> Artifact:
        if not path.is_file():
            near = did_you_mean(path.name, (p.name for p in path.parent.glob(f"*{path.suffix}")))
            raise InputError(f"no file {path}. {near}".rstrip())
        found: Inspection = self._readers(path)[0].inspect(path)
        return Artifact(
            model=self._named(msgspec.structs.replace(found.model, source=str(path))),
            format=path.suffix.lstrip(".").lower(),
            quant=found.quant,
            path=str(path),
            facts=found.facts,
        )

    def _named(self, model: Model) -> Model:
        if not self._entry.name:
            return model
        return msgspec.structs.replace(model, name=self._entry.name)

    def _quants(self, maker: Backend, base: str) -> tuple[str, ...]:
        wanted = self._entry.quants or self._sweep.quants
        if not wanted:
            raise InputError(
                f"{self._entry.source} is to be quantized, but there are no quants; add quants = "
                '["Q8_0", "Q4_K_M"] or quants = "all"'
            )
        if isinstance(wanted, str):
            return tuple(maker.recipes()) if wanted == ALL else (wanted,)
        makers = [one for one in self._backends.values() if _quantizes(one)] or [maker]
        known = {base, *(name for one in makers for name in one.recipes())}
        for quant in wanted:
            if quant not in known:
                raise InputError(f"quants: unknown quant {quant!r}. {did_you_mean(quant, known)}")
        return wanted


def _quantizes(backend: Backend) -> bool:
    return "quantizes" in backend.capabilities


def _written_format(backend: Backend) -> str:
    """The format that a backend's quantizer writes: of several that it reads, the first by name."""
    return min(backend.formats)


def _cannot_read(user: Backend, artifact: Artifact) -> str:
    if artifact.format in user.formats:
        return ""
    return f"{user.name} reads {', '.join(sorted(user.formats))}, not {artifact.format}"


def _cannot_make(maker: Backend, quant: str) -> str:
    if not _quantizes(maker):
        return f"{maker.name} does not quantize"
    if quant not in maker.recipes():
        return f"{maker.name} has no recipe {quant}"
    return ""


def _made(base: Artifact, quant: str, maker: Backend) -> Artifact:
    return Artifact(
        model=base.model,
        format=base.format,
        quant=quant,
        backend=maker.name,
        quantizer=maker.quantizer() if _quantizes(maker) else "",
        made_from=base,
    )


def _weight_bytes(artifact: Artifact, maker: Backend) -> int:
    if artifact.facts is not None:
        return artifact.facts.bytes
    recipe = maker.recipes().get(artifact.quant)
    bits = recipe.bits if recipe else _FULL_BITS
    return round(artifact.model.parameters * bits / 8)
