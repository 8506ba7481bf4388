"""From what a sweep file calls a model to the artifacts to measure, and in which backends."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from grid.backend import Backend, Recipe
from grid.errors import InputError
from grid.models import synthetic
from grid.models.artifact import FULL_BITS, Artifact
from grid.models.bundled import SIZES
from grid.models.names import spelling_key
from grid.plan.origin import BUNDLED, OriginalWeights, WeightsFinder
from grid.plan.quantizers import WHOLE, Quantizers
from grid.plan.same_tensors import recipe_outcomes
from grid.plan.sweep import ModelEntry, Sweep
from grid.plan.synthetic import synthetic_artifacts


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
    note: str = ""
    """What its quant falls back to for this model's shapes, if it does."""

    @property
    def key(self) -> str:
        """The same weights give another distribution in another engine."""
        return f"{self.artifact.id}@{self.backend}"

    @property
    def is_reference(self) -> bool:
        return self.key == self.reference


class ResolvedModels(NamedTuple):
    """The artifacts of a sweep, each with a backend, and a line for each file that was left out."""

    candidates: list[SweepCandidate]
    notes: tuple[str, ...]


def resolve(
    sweep: Sweep, backends: Mapping[str, Backend], broken: Container[str] = ()
) -> ResolvedModels:
    """The artifacts of a sweep, each with the backends that measure it.

    `backends` are the sweep's own, in its order; `broken` are those that cannot run here and so
    give no reference. Raises InputError for a source that cannot be read, a quant that no backend
    makes, and models that are there twice.
    """
    candidates: list[SweepCandidate] = []
    notes: dict[str, None] = {}
    owners: dict[str, tuple[int, str]] = {}
    for index, (written, entry) in enumerate(_expand_families(sweep.models)):
        try:
            model = _ModelEntryCandidates(sweep, backends, entry, index, broken)
            group = list(model.candidates())
            notes |= dict.fromkeys(model.left_out)
            _refuse_twice(group, entry.written, owners)
        except InputError as error:
            raise InputError(f"{sweep.file}: models[{written}]: {error}") from None
        candidates += group
    return ResolvedModels(candidates, tuple(notes))


def _expand_families(entries: tuple[ModelEntry, ...]) -> Iterator[tuple[int, ModelEntry]]:
    """Entries with their index in the file; `ref:*` becomes one for each size."""
    for index, entry in enumerate(entries):
        if entry.source == f"{BUNDLED}*":
            for size in SIZES:
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
        self._sweep = sweep
        self._backends = backends
        self._quantizers = Quantizers(sweep, backends, entry)
        self._entry = entry
        self._index = index
        self._finder = WeightsFinder(sweep, backends, entry)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What `candidates` left out, a line each."""
        return self._finder.left_out

    def candidates(self) -> Iterator[SweepCandidate]:
        if self._entry.files:
            yield from self._files_candidates()
            return
        if self._entry.endpoint:
            yield from self._endpoint_candidates()
            return
        if self._entry.source.startswith(synthetic.PREFIX):
            yield from self._synthetic_candidates()
            return
        origin = self._finder.source()
        used: set[str] = set()
        for candidate in self._quantized_candidates(origin):
            used.add(candidate.backend)
            yield candidate
        for name in self._backends:
            if name not in used:  # its cells are skipped with the reason
                yield self._unreadable_candidate(origin, self._backends[name])

    def _synthetic_candidates(self) -> Iterator[SweepCandidate]:
        """Each made-up file in each backend, those that do not read it with the reason."""
        for made_up in synthetic_artifacts(self._sweep, self._backends, self._entry):
            for user in self._backends.values():
                yield SweepCandidate(
                    artifact=made_up.artifact,
                    backend=user.name,
                    group=self._index,
                    weight_bytes=made_up.bytes,
                    reference=None,
                    bundled=False,
                    obstacle=_cannot_read(user, made_up.artifact) or made_up.obstacle,
                )

    def _files_candidates(self) -> Iterator[SweepCandidate]:
        """Each file in each backend, those that do not read it with the reason."""
        files = self._finder.files()
        whole = self._finder.reference()
        base = None if whole is None else whole.artifact
        artifacts = {file.artifact.id: file.artifact for file in files}
        everything = [*([base] if base and base.id not in artifacts else []), *artifacts.values()]
        notes = {file.artifact.id: file.note for file in files}
        names: dict[str, str] = {}
        key = None if base is None else self._reference_key([base])
        for artifact in everything:
            artifact = _in_one_spelling(artifact, names)
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
                    note=notes.get(artifact.id, ""),
                )

    def _endpoint_candidates(self) -> Iterator[SweepCandidate]:
        """What a server serves, in the backends that measure endpoints."""
        weights = self._finder.endpoint()
        for user in self._backends.values():
            if weights.artifact.format in user.formats:
                yield SweepCandidate(
                    artifact=weights.artifact,
                    backend=user.name,
                    group=self._index,
                    weight_bytes=0,
                    reference=None,
                    bundled=False,
                    obstacle="",
                    note=weights.note,
                )

    def _quantized_candidates(self, origin: OriginalWeights) -> Iterator[SweepCandidate]:
        """The source at 16 bits in each engine, and what the makers make of it in each engine that
        reads that."""
        wanted = self._quantizers.requested_quants(self._entry, origin)
        fit_notes = self._quantizers.check_fit(wanted, origin)
        bases = self._quantizers.whole_artifacts(origin)
        whole = list({artifact.id: artifact for artifact in bases.values()}.values())
        whole.sort(key=lambda base: base.id != origin.artifact.id)  # the source itself first
        key = self._reference_key(
            base for base in whole if not self._quantizers.size(base, origin)[1]
        )
        for base in whole:
            requested = base.quant in wanted or (
                base == origin.artifact and bool(WHOLE & {*wanted})
            )
            yield from self._candidates_of(base, origin, key, requested=requested)
        outcomes = {
            name: recipe_outcomes(
                self._backends[name],
                origin.headers,
                base.quant,
                self._quantizers.recipes_by(name, wanted),
            )
            for name, base in bases.items()
        }
        for quant in wanted:
            for name, recipe in self._quantizers.recipes(quant):
                start = bases.get(name)
                if start is not None and quant != start.quant:
                    maker = self._backends[name]
                    quantized = self._quantizers.artifact(start, recipe, maker, quant)
                    obstacle = outcomes[name].duplicates.get(quant, "")
                    for candidate in self._candidates_of(quantized, origin, key, requested=True):
                        yield candidate._replace(
                            obstacle=candidate.obstacle or obstacle,
                            note=_joined(outcomes[name].notes.get(quant), fit_notes.get(quant)),
                        )
            if not self._quantizers.can_make(quant, bases):
                yield self._unmakeable_candidate(origin, quant, key)

    def _candidates_of(
        self, artifact: Artifact, origin: OriginalWeights, key: str | None, *, requested: bool
    ) -> Iterator[SweepCandidate]:
        weight_bytes, obstacle = self._quantizers.size(artifact, origin)
        obstacle = obstacle or self._calibration_obstacle(artifact)
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

    def _calibration_obstacle(self, artifact: Artifact) -> str:
        limit = artifact.model.context_length
        if not artifact.calibration or not 0 < limit < self._sweep.calibration.tokens:
            return ""
        return (
            f"calibration pieces of {self._sweep.calibration.tokens} tokens are longer than the "
            f"{limit} that the model is made for; set tokens = {limit} in [calibration]"
        )

    def _unmakeable_candidate(
        self, origin: OriginalWeights, quant: str, key: str | None
    ) -> SweepCandidate:
        """A quant that a backend of the sweep has, but cannot make of this source."""
        name, recipe = next(self._quantizers.recipes(quant), (next(iter(self._backends)), None))
        maker = self._backends[name]
        artifact = self._quantizers.artifact(
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
            weight_bytes=self._quantizers.size(artifact, origin)[0],
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

    def _reference_key(self, whole: Iterable[Artifact]) -> str | None:
        """The first of the 16-bit artifacts that a backend gives whole distributions of, and the
        first such backend; one that cannot run here is left out."""
        for artifact in whole:
            for backend in self._backends.values():
                able = artifact.format in backend.formats and "logits" in backend.capabilities
                if able and backend.name not in self._broken:
                    return f"{artifact.id}@{backend.name}"
        return None


def _joined(*notes: str | None) -> str:
    return "; ".join(note for note in notes if note)


def _in_one_spelling(artifact: Artifact, names: dict[str, str]) -> Artifact:
    """The artifact under the first spelling of its model's name; `names` has those by key.

    Files of one model may be called `Llama-3.1-8B` and `llama-3.1-8b`; results are grouped by name.
    """
    name = artifact.model.name
    spelling = names.setdefault(spelling_key(name), name)
    if spelling == name:
        return artifact
    model = msgspec.structs.replace(artifact.model, name=spelling)
    return msgspec.structs.replace(artifact, model=model)


def _cannot_read(user: Backend, artifact: Artifact) -> str:
    if artifact.format in user.formats:
        return ""
    return f"{user.name} reads {', '.join(sorted(user.formats))}, not {artifact.format}"
