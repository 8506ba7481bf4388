"""What a sweep's backends make of a model's source: quants, their artifacts and their sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from grid.backend import Backend, HasConverter, Predicts, Recipe
from grid.backend.registry import backend as installed_backend
from grid.errors import EngineError, InputError, Unsupported, did_you_mean
from grid.models.artifact import DEQUANTIZED, FULL_BITS, Artifact
from grid.models.identity import digest
from grid.plan.origin import OriginalWeights
from grid.plan.sweep import ALL, ModelEntry, Sweep

REFERENCE_QUANT = "F16"
"""Recipe that converts a source folder to 16 bits for a backend that does not read the folder."""

WHOLE = frozenset({"F32", "F16", "BF16"})
"""Quants of weights as they were trained: what others are compared with."""


class Quantizers:
    """The recipes of a sweep's backends."""

    def __init__(self, sweep: Sweep, backends: Mapping[str, Backend]) -> None:
        self._sweep = sweep
        self._backends = backends
        self._makers = {name: maker for name, maker in backends.items() if _quantizes(maker)}

    def requested_quants(self, entry: ModelEntry, origin: OriginalWeights) -> tuple[str, ...]:
        """The quants of a model entry. Raises InputError for one that nothing makes."""
        wanted = entry.quants or self._sweep.quants
        if not wanted:
            raise InputError(
                f"{entry.source} is to be quantized, but there are no quants; add quants = "
                '["Q8_0", "Q4_K_M"] or quants = "all"'
            )
        recipes = dict.fromkeys(name for maker in self._makers.values() for name in maker.recipes())
        if isinstance(wanted, str):
            return tuple(recipes) if wanted == ALL else (wanted,)
        names = {*recipes, origin.artifact.quant, *WHOLE}
        for quant in wanted:
            if quant not in names:
                whose = "quants" if entry.quants else "the sweep's quants"
                raise InputError(f"{whose}: unknown quant {quant!r}. {_hint(quant, names)}")
        return wanted

    def recipes(self, quant: str) -> Iterator[tuple[str, Recipe]]:
        """The backends that make a quant, each with its own recipe: of several of one quantizer
        (the same name, format and version) the first."""
        yielded: set[tuple[str, str]] = set()
        for name, maker in self._makers.items():
            recipe = maker.recipes().get(quant)
            if recipe is not None and (maker.quantizer(), recipe.format) not in yielded:
                yielded.add((maker.quantizer(), recipe.format))
                yield name, recipe

    def whole_artifacts(self, origin: OriginalWeights) -> dict[str, Artifact]:
        """The 16-bit artifact of each backend that can have one, by backend: the source itself
        where it reads that, else what its quantizer converts of a folder or dequantizes."""
        bases: dict[str, Artifact] = {}
        for name, backend in self._backends.items():
            reads = origin.artifact.format in backend.formats
            if origin.artifact.is_quantized:
                if reads and name in self._makers and REFERENCE_QUANT in backend.recipes():
                    whole = backend.recipes()[REFERENCE_QUANT]
                    bases[name] = self.artifact(origin.artifact, whole, backend)
            elif reads:
                bases[name] = origin.artifact
            elif name in self._makers and origin.is_folder:
                recipes = backend.recipes()
                quant = origin.artifact.quant
                recipe = recipes.get(quant if quant in recipes else REFERENCE_QUANT)
                if recipe is not None:
                    maker = _converter_of(backend, origin.headers, recipe.name)
                    recipe = maker.recipes()[recipe.name]
                    bases[name] = self.artifact(origin.artifact, recipe, maker)
        return bases

    def can_make(self, quant: str, bases: Mapping[str, Artifact]) -> bool:
        """Whether a backend makes the quant of its 16-bit artifact, or that is it."""
        if any(quant == base.quant for base in bases.values()) or quant in WHOLE:
            return True
        return any(name in bases for name, _ in self.recipes(quant))

    def artifact(self, base: Artifact, recipe: Recipe, maker: Backend) -> Artifact:
        """What a backend makes of another artifact."""
        quantizer = maker.quantizer() if _quantizes(maker) else ""
        if source_quant := base.dequantized_from or (base.quant if base.is_quantized else ""):
            quantizer += f"{DEQUANTIZED}{source_quant}"
        if base.backend and base.backend != maker.name:
            quantizer += f", of weights by {base.quantizer}"
        return Artifact(
            model=base.model,
            format=recipe.format or min(maker.formats),
            quant=recipe.name,
            backend=maker.name,
            quantizer=quantizer,
            calibration=self._calibration if recipe.calibrated else "",
            made_from=base,
        )

    def size(self, artifact: Artifact, origin: OriginalWeights) -> tuple[int, str]:
        """Bytes of the weights, observed or predicted, and why they cannot be made."""
        if artifact.facts is not None:
            return artifact.facts.bytes, ""
        maker, obstacle = self._first_maker(artifact), ""
        if isinstance(maker, Predicts):
            try:
                return maker.predicted_bytes(origin.headers, artifact.quant), ""
            except Unsupported as error:
                obstacle = str(error)
            except (InputError, EngineError):
                pass  # not known: nominal bits have to do
        recipe = self._maker(artifact.backend).recipes().get(artifact.quant)
        bits = recipe.bits if recipe else FULL_BITS
        return round(artifact.model.parameters * bits / 8), obstacle

    def _maker(self, name: str) -> Backend:
        """A backend of the sweep, or the converter of one."""
        return self._backends.get(name) or installed_backend(name)

    def _first_maker(self, artifact: Artifact) -> Backend:
        """The backend that reads the source: it knows what comes of it, also by those after it."""
        while artifact.made_from is not None and artifact.made_from.backend:
            artifact = artifact.made_from
        return self._maker(artifact.backend)

    @property
    def _calibration(self) -> str:
        calibration = self._sweep.calibration_set
        return digest("calibration", calibration.sha256, calibration.samples, calibration.tokens)


def _converter_of(backend: Backend, folder: Path, quant: str) -> Backend:
    """The backend that makes 16-bit weights of a folder for a backend: itself, or its converter
    where it refuses the folder."""
    if isinstance(backend, Predicts) and isinstance(backend, HasConverter):
        try:
            backend.predicted_bytes(folder, quant)
        except Unsupported:
            return installed_backend(backend.converter)
        except (InputError, EngineError):
            pass  # it says so itself when it makes them
    return backend


def _hint(quant: str, recipes: set[str]) -> str:
    """The nearest name; where an installed backend that is not in the sweep makes it, that."""
    from grid.backend.registry import names

    for name in names():
        try:
            if quant in installed_backend(name).recipes():
                return f"{name} makes it: add {name!r} to backends"
        except InputError:
            continue
    return did_you_mean(quant, recipes)


def _quantizes(backend: Backend) -> bool:
    return "quantizes" in backend.capabilities
