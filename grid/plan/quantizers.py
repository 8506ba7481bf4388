"""What a sweep's backends make of a model's source: quants, their artifacts and their sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from grid.backend import Backend, Calibration, ComposesRecipes, HasConverter, Predicts, Recipe
from grid.backend.registry import backend as installed_backend
from grid.errors import EngineError, InputError, Unsupported, did_you_mean
from grid.models.artifact import DEQUANTIZED, FULL_BITS, Artifact
from grid.models.checksum import file_sha256
from grid.models.identity import digest
from grid.plan.origin import OriginalWeights
from grid.plan.own_recipes import MATRIX, check_own_recipes, find_recipe, why_no_recipe
from grid.plan.sweep import ALL, ModelEntry, Sweep

REFERENCE_QUANT = "F16"
"""Recipe that converts a source folder to 16 bits for a backend that does not read the folder."""

WHOLE = frozenset({"F32", "F16", "BF16"})
"""Quants of weights as they were trained: what others are compared with."""


class Quantizers:
    """The recipes of a sweep's backends for one of its model entries. Raises InputError for a
    recipe of the sweep's own that is none."""

    def __init__(
        self, sweep: Sweep, backends: Mapping[str, Backend], entry: ModelEntry | None = None
    ) -> None:
        self._sweep = sweep
        self._backends = backends
        self._makers = {name: maker for name, maker in backends.items() if _quantizes(maker)}
        self._matrix = _matrix_file(sweep, entry) if entry and entry.imatrix else None
        check_own_recipes(sweep.recipes, self._makers)

    def requested_quants(self, entry: ModelEntry, origin: OriginalWeights) -> tuple[str, ...]:
        """The quants of a model entry. Raises InputError for one that nothing makes."""
        wanted = entry.quants or self._sweep.quants
        if not wanted:
            raise InputError(
                f"{entry.source} is to be quantized, but there are no quants; add quants = "
                '["Q8_0", "Q4_K_M"] or quants = "all"'
            )
        recipes = dict.fromkeys(name for maker in self._makers.values() for name in maker.recipes())
        if wanted == ALL:
            return self._with_matrices(tuple(recipes))
        names = {*recipes, *self._sweep.recipes, origin.artifact.quant, *WHOLE}
        for quant in wanted:
            if quant not in names and not any(self.recipes(quant)):
                whose = "quants" if entry.quants else "the sweep's quants"
                reasons = (why_no_recipe(maker, quant) for maker in self._makers.values())
                reason = next(filter(None, reasons), "")
                hint = reason or f"unknown quant {quant!r}. {_hint(quant, names)}"
                raise InputError(f"{whose}: {hint}")
        return self._with_matrices(tuple(wanted))

    def _with_matrices(self, quants: tuple[str, ...]) -> tuple[str, ...]:
        """The quants without a matrix, with one, or both, as the sweep says; those that need one or
        make no use of it stay as they are."""
        setting = self._sweep.imatrix
        settings = (setting,) if isinstance(setting, bool) else setting
        chosen: dict[str, None] = {}
        for quant in quants:
            weighed = quant + MATRIX
            able = quant not in self._sweep.recipes and any(self._recipes_of_matrix(weighed))
            for with_matrix in settings:
                chosen[weighed if with_matrix and able else quant] = None
        return tuple(chosen)

    def _recipes_of_matrix(self, weighed: str) -> Iterator[bool]:
        """For each recipe of the name whether it takes a matrix where it need not."""
        plain = weighed.removesuffix(MATRIX)
        for maker in self._makers.values():
            recipe, base = find_recipe(maker, weighed, {}), maker.recipes().get(plain)
            yield recipe is not None and base is not None and not base.calibrated

    def check_fit(self, quants: Sequence[str], origin: OriginalWeights) -> Mapping[str, str]:
        """Notes on the quants whose recipes are the sweep's own or take a matrix from a file, by
        quant. Raises InputError for one that does not fit the model."""
        notes: dict[str, str] = {}
        used = False
        for quant in quants:
            for name, recipe in self.recipes(quant):
                maker = self._makers[name]
                matrix = self._matrix if recipe.calibrated else None
                if not isinstance(maker, ComposesRecipes) or not (
                    matrix or quant in self._sweep.recipes
                ):
                    continue
                used |= matrix is not None
                try:
                    path = None if matrix is None else Path(matrix.path)
                    notes[quant] = maker.check_recipe(origin.headers, recipe.name, path)
                except InputError as error:
                    own = f"recipes.{quant}: " if quant in self._sweep.recipes else ""
                    raise InputError(f"{own}{error}") from None
        if self._matrix is not None and not used:
            raise InputError(
                "imatrix: none of the quants takes an importance matrix; write imatrix = true at "
                f"the top of the file, or quants such as {quants[-1]}{MATRIX}"
            )
        return notes

    def recipes(self, quant: str) -> Iterator[tuple[str, Recipe]]:
        """The backends that make a quant, each with its own recipe: of several of one quantizer
        (the same name, format and version) the first."""
        yielded: set[tuple[str, str]] = set()
        for name, maker in self._makers.items():
            recipe = find_recipe(maker, quant, self._sweep.recipes)
            if recipe is not None and (maker.quantizer(), recipe.format) not in yielded:
                yielded.add((maker.quantizer(), recipe.format))
                yield name, recipe

    def recipes_by(self, maker: str, quants: Sequence[str]) -> dict[str, Recipe]:
        """The recipes that one backend has for these quants, by quant."""
        recipes = {
            quant: find_recipe(self._backends[maker], quant, self._sweep.recipes)
            for quant in quants
        }
        return {quant: recipe for quant, recipe in recipes.items() if recipe is not None}

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

    def artifact(self, base: Artifact, recipe: Recipe, maker: Backend, quant: str = "") -> Artifact:
        """What a backend makes of another artifact; `quant` is what the sweep calls a recipe of its
        own, the recipe's name where empty."""
        quant = quant or recipe.name
        matrix = self._matrix if recipe.calibrated and isinstance(maker, ComposesRecipes) else None
        quantizer = maker.quantizer() if _quantizes(maker) else ""
        if source_quant := base.dequantized_from or (base.quant if base.is_quantized else ""):
            quantizer += f"{DEQUANTIZED}{source_quant}"
        if base.backend and base.backend != maker.name:
            quantizer += f", of weights by {base.quantizer}"
        return Artifact(
            model=base.model,
            format=recipe.format or min(maker.formats),
            quant=quant,
            backend=maker.name,
            quantizer=quantizer,
            calibration=self._calibration(matrix) if recipe.calibrated else "",
            recipe=recipe.name if recipe.name != quant else "",
            matrix=matrix.path if matrix else "",
            matrix_sha256=matrix.sha256 if matrix else "",
            made_from=base,
        )

    def size(self, artifact: Artifact, origin: OriginalWeights) -> tuple[int, str]:
        """Bytes of the weights, observed or predicted, and why they cannot be made."""
        if artifact.facts is not None:
            return artifact.facts.bytes, ""
        maker, obstacle = self._first_maker(artifact), ""
        if isinstance(maker, Predicts):
            try:
                return maker.predicted_bytes(origin.headers, artifact.recipe_name), ""
            except Unsupported as error:
                obstacle = str(error)
            except (InputError, EngineError):
                pass  # not known: nominal bits have to do
        recipe = find_recipe(self._maker(artifact.backend), artifact.quant, self._sweep.recipes)
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

    def _calibration(self, matrix: Calibration | None) -> str:
        if matrix is not None:
            return digest("imatrix", matrix.sha256)
        calibration = self._sweep.calibration_set
        return digest("calibration", calibration.sha256, calibration.samples, calibration.tokens)


def _matrix_file(sweep: Sweep, entry: ModelEntry) -> Calibration:
    """The importance matrix that a model entry names. Raises InputError where it is not there."""
    path = sweep.path(entry.imatrix)
    try:
        return Calibration(path=str(path), sha256=file_sha256(path), is_matrix=True)
    except OSError as error:
        near = did_you_mean(path.name, (p.name for p in path.parent.glob("*") if p.is_file()))
        raise InputError(f"imatrix: no file {path} ({error.strerror}). {near}".rstrip()) from None


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
