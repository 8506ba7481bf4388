"""From what a sweep file calls a model to the artifacts to measure, and in which backends."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from grid.backend import Backend, Predicts, Recipe
from grid.errors import EngineError, InputError, Unsupported, did_you_mean
from grid.models import bundled as reference
from grid.models.artifact import Artifact
from grid.models.identity import digest
from grid.plan.origin import BUNDLED, FULL_BITS, OriginalWeights, WeightsFinder, source_folder
from grid.plan.sweep import ALL, ModelEntry, Sweep

__all__ = ["REFERENCE_QUANT", "SweepCandidate", "resolve", "source_folder"]

REFERENCE_QUANT = "F16"
"""Recipe that converts a source folder to 16 bits for a backend that does not read the folder."""

WHOLE = frozenset({"F32", "F16", "BF16"})
"""Quants of weights as they were trained: what others are compared with."""


class SweepCandidate(NamedTuple):
    """An artifact to measure in one backend."""

    artifact: Artifact
    backend: str
    group: int
    """Index of the model it belongs to; results are compared within a group."""
    weight_bytes: int
    """Size of the weight files: observed, or predicted before they are made."""
    reference: str | None
    """Key of the 16-bit candidate of its group that gives the distribution; None without one."""
    bundled: bool
    """True for the family that comes with its own text and items."""
    requested: bool = True
    """False for 16 bits that are there only to be compared with."""
    obstacle: str = ""
    """Why none of its cells can run; empty if nothing is known to be in the way."""

    @property
    def key(self) -> str:
        """The same weights give another distribution in another engine."""
        return f"{self.artifact.id}@{self.backend}"

    @property
    def is_reference(self) -> bool:
        return self.key == self.reference


def resolve(
    sweep: Sweep, backends: Mapping[str, Backend], broken: Container[str] = ()
) -> list[SweepCandidate]:
    """The artifacts of a sweep, each with the backends that measure it.

    `backends` are the sweep's own, in its order; `broken` are those that cannot run here and so
    give no reference. Raises InputError for a source that cannot be read, a quant that no backend
    makes, and models that are there twice.
    """
    candidates: list[SweepCandidate] = []
    owners: dict[str, tuple[int, str]] = {}
    for index, (written, entry) in enumerate(_expand_families(sweep.models)):
        try:
            group = list(_ModelEntryCandidates(sweep, backends, entry, index, broken).candidates())
            _refuse_twice(group, entry.source or entry.files[0], owners)
        except InputError as error:
            raise InputError(f"{sweep.file}: models[{written}]: {error}") from None
        candidates += group
    return candidates


def _expand_families(entries: tuple[ModelEntry, ...]) -> Iterator[tuple[int, ModelEntry]]:
    """Entries with their index in the file; `ref:*` becomes one for each size."""
    for index, entry in enumerate(entries):
        if entry.source == f"{BUNDLED}*":
            for size in reference.SIZES:
                yield index, msgspec.structs.replace(entry, source=BUNDLED + size)
        else:
            yield index, entry


def _refuse_twice(
    group: list[SweepCandidate], written: str, owners: dict[str, tuple[int, str]]
) -> None:
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


class _ModelEntryCandidates:
    """Finds the candidates of one model entry."""

    def __init__(
        self,
        sweep: Sweep,
        backends: Mapping[str, Backend],
        entry: ModelEntry,
        index: int,
        broken: Container[str],
    ) -> None:
        self._broken = broken
        self._unmakeable: set[str] = set()
        self._sweep = sweep
        self._backends = backends
        self._makers = {name: maker for name, maker in backends.items() if _quantizes(maker)}
        self._entry = entry
        self._index = index
        self._finder = WeightsFinder(sweep, backends, entry)

    def candidates(self) -> Iterator[SweepCandidate]:
        if self._entry.files:
            yield from self._files_candidates()
            return
        origin = self._finder.source()
        used: set[str] = set()
        for candidate in self._quantized_candidates(origin):
            used.add(candidate.backend)
            yield candidate
        for name in self._backends:
            if name not in used:  # its cells are skipped with the reason
                yield self._unreadable_candidate(origin, self._backends[name])

    def _files_candidates(self) -> Iterator[SweepCandidate]:
        """Each file in each backend, those that do not read it with the reason."""
        files = self._finder.files()
        whole = self._finder.reference()
        base = None if whole is None else whole.artifact
        artifacts = {file.artifact.id: file.artifact for file in files}
        everything = [*([base] if base and base.id not in artifacts else []), *artifacts.values()]
        key = None if base is None else self._reference_key([base])
        for artifact in everything:
            for user in self._backends.values():
                yield SweepCandidate(
                    artifact=artifact,
                    backend=user.name,
                    group=self._index,
                    weight_bytes=artifact.facts.bytes if artifact.facts else 0,
                    reference=key,
                    bundled=False,
                    requested=artifact.id in artifacts,
                    obstacle=_cannot_read(user, artifact),
                )

    def _quantized_candidates(self, origin: OriginalWeights) -> Iterator[SweepCandidate]:
        """The source at 16 bits in each engine, and what the makers make of it in each engine that
        reads that."""
        wanted = self._quants(origin)
        bases = self._whole_artifacts(origin)
        whole = list({artifact.id: artifact for artifact in bases.values()}.values())
        self._unmakeable = {artifact.id for artifact in whole if self._size(artifact, origin)[1]}
        whole.sort(
            key=lambda artifact: artifact.id != origin.artifact.id
        )  # the source itself first
        key = self._reference_key(whole)
        for base in whole:
            requested = base.quant in wanted or (
                base == origin.artifact and bool(WHOLE & {*wanted})
            )
            yield from self._candidates_of(base, origin, key, requested=requested)
        for quant in wanted:
            for name, recipe in self._recipes(quant):
                start = bases.get(name)
                if start is not None and quant != start.quant:
                    quantized = self._quantized_artifact(start, recipe, self._backends[name])
                    yield from self._candidates_of(quantized, origin, key, requested=True)
            if not self._can_be_made(quant, bases):
                yield self._unmakeable_candidate(origin, quant, key)

    def _whole_artifacts(self, origin: OriginalWeights) -> dict[str, Artifact]:
        """The 16-bit artifact of each backend that can have one, by backend: the source itself
        where it reads that, else what its quantizer converts of a folder."""
        bases: dict[str, Artifact] = {}
        for name, backend in self._backends.items():
            if origin.artifact.format in backend.formats:
                bases[name] = origin.artifact
            elif name in self._makers and origin.is_folder:
                recipes = backend.recipes()
                quant = origin.artifact.quant if origin.artifact.quant in recipes else None
                recipe = recipes.get(quant or REFERENCE_QUANT)
                if recipe is not None:
                    bases[name] = Artifact(
                        model=origin.artifact.model,
                        format=recipe.format or min(backend.formats),
                        quant=recipe.name,
                        backend=name,
                        quantizer=backend.quantizer(),
                        made_from=origin.artifact,
                    )
        return bases

    def _candidates_of(
        self, artifact: Artifact, origin: OriginalWeights, key: str | None, *, requested: bool
    ) -> Iterator[SweepCandidate]:
        weight_bytes, obstacle = self._size(artifact, origin)
        for user in self._backends.values():
            if artifact.format in user.formats:
                yield SweepCandidate(
                    artifact=artifact,
                    backend=user.name,
                    group=self._index,
                    weight_bytes=weight_bytes,
                    reference=key,
                    bundled=origin.bundled,
                    requested=requested,
                    obstacle=obstacle,
                )

    def _unmakeable_candidate(
        self, origin: OriginalWeights, quant: str, key: str | None
    ) -> SweepCandidate:
        """A quant that a backend of the sweep has, but cannot make of this source."""
        name, recipe = next(self._recipes(quant), (next(iter(self._backends)), None))
        maker = self._backends[name]
        artifact = self._quantized_artifact(
            origin.artifact, recipe or Recipe(name=quant, bits=FULL_BITS), maker
        )
        form = origin.artifact.format
        reason = f"{name} makes {quant} of folders in Hugging Face's layout, the source is {form}"
        if recipe is None:
            reason = f"{name} does not quantize"
        return SweepCandidate(
            artifact=artifact,
            backend=name,
            group=self._index,
            weight_bytes=self._size(artifact, origin)[0],
            reference=key,
            bundled=origin.bundled,
            obstacle=reason,
        )

    def _unreadable_candidate(self, origin: OriginalWeights, user: Backend) -> SweepCandidate:
        return SweepCandidate(
            artifact=origin.artifact,
            backend=user.name,
            group=self._index,
            weight_bytes=origin.artifact.facts.bytes if origin.artifact.facts else 0,
            reference=None,
            bundled=origin.bundled,
            obstacle=_cannot_read(user, origin.artifact),
        )

    def _can_be_made(self, quant: str, bases: Mapping[str, Artifact]) -> bool:
        if any(quant == base.quant for base in bases.values()) or quant in WHOLE:
            return True
        return any(name in bases for name, _ in self._recipes(quant))

    def _recipes(self, quant: str) -> Iterator[tuple[str, Recipe]]:
        """The backends that make a quant, each only its own: of several of one quantizer (the same
        name, format and version) the first."""
        yielded: set[tuple[str, str]] = set()
        for name, maker in self._makers.items():
            recipe = maker.recipes().get(quant)
            if recipe is not None and (maker.quantizer(), recipe.format) not in yielded:
                yielded.add((maker.quantizer(), recipe.format))
                yield name, recipe

    def _quantized_artifact(self, base: Artifact, recipe: Recipe, maker: Backend) -> Artifact:
        return Artifact(
            model=base.model,
            format=recipe.format or min(maker.formats),
            quant=recipe.name,
            backend=maker.name,
            quantizer=maker.quantizer() if _quantizes(maker) else "",
            calibration=self._calibration if recipe.calibrated else "",
            made_from=base,
        )

    @property
    def _calibration(self) -> str:
        calibration = self._sweep.calibration_set
        return digest("calibration", calibration.sha256, calibration.samples, calibration.tokens)

    def _size(self, artifact: Artifact, origin: OriginalWeights) -> tuple[int, str]:
        """Bytes of the weights, observed or predicted, and why they cannot be made."""
        if artifact.facts is not None:
            return artifact.facts.bytes, ""
        maker, obstacle = self._backends[artifact.backend], ""
        if isinstance(maker, Predicts):
            try:
                return maker.predicted_bytes(origin.headers, artifact.quant), ""
            except Unsupported as error:
                obstacle = str(error)
            except (InputError, EngineError):
                pass  # not known: nominal bits have to do
        recipe = maker.recipes().get(artifact.quant)
        bits = recipe.bits if recipe else FULL_BITS
        return round(artifact.model.parameters * bits / 8), obstacle

    def _reference_key(self, whole: Iterable[Artifact]) -> str | None:
        """The first of the 16-bit artifacts that a backend gives whole distributions of, and the
        first such backend; one that cannot run here is left out."""
        for artifact in whole:
            if artifact.id in self._unmakeable:
                continue
            for backend in self._backends.values():
                able = artifact.format in backend.formats and "logits" in backend.capabilities
                if able and backend.name not in self._broken:
                    return f"{artifact.id}@{backend.name}"
        return None

    def _quants(self, origin: OriginalWeights) -> tuple[str, ...]:
        wanted = self._entry.quants or self._sweep.quants
        if not wanted:
            raise InputError(
                f"{self._entry.source} is to be quantized, but there are no quants; add quants = "
                '["Q8_0", "Q4_K_M"] or quants = "all"'
            )
        recipes = dict.fromkeys(name for maker in self._makers.values() for name in maker.recipes())
        if isinstance(wanted, str):
            return tuple(recipes) if wanted == ALL else (wanted,)
        names = {*recipes, origin.artifact.quant, *WHOLE}
        for quant in wanted:
            if quant not in names:
                whose = "quants" if self._entry.quants else "the sweep's quants"
                raise InputError(f"{whose}: unknown quant {quant!r}. {_hint(quant, names)}")
        return wanted


def _hint(quant: str, recipes: set[str]) -> str:
    """The nearest name; where an installed backend that is not in the sweep makes it, that."""
    from grid.backend.registry import backend, names

    for name in names():
        try:
            if quant in backend(name).recipes():
                return f"{name} makes it: add {name!r} to backends"
        except InputError:
            continue
    return did_you_mean(quant, recipes)


def _quantizes(backend: Backend) -> bool:
    return "quantizes" in backend.capabilities


def _cannot_read(user: Backend, artifact: Artifact) -> str:
    if artifact.format in user.formats:
        return ""
    return f"{user.name} reads {', '.join(sorted(user.formats))}, not {artifact.format}"
