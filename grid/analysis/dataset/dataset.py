"""A store for pages and commands, which reads and keeps no more than what they show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from grid.analysis.dataset.derived_tables import (
    DerivedTables,
    digest_of_answers,
    digest_of_texts,
)
from grid.analysis.dataset.detail import AttemptDetail, attempt_detail, attempt_row
from grid.analysis.dataset.lru import Lru
from grid.analysis.dataset.overview import (
    HardwareClass,
    Overview,
    equal,
    hardware_classes,
    overview,
    task_classes,
)
from grid.analysis.dataset.variant_codec import decode_variants, encode_variants
from grid.analysis.dataset.variant_loader import VariantLoader
from grid.analysis.ladder_names import with_ladder_names
from grid.analysis.posterior import (
    DRAWS,
    SEED,
    LazyDraws,
    Posterior,
    composite_draws,
    draw_posterior,
)
from grid.analysis.scored_text import TEXT_SERIES
from grid.analysis.tables import SPEED_SERIES, Tables
from grid.analysis.text_draws import TEXT_AXES, text_draws
from grid.analysis.variant import Variant
from grid.analysis.variants import with_capability
from grid.models.identity import digest
from grid.results import files
from grid.results.location import Location
from grid.results.reader import Results
from grid.results.schema import ATTEMPTS, TABLES
from grid.results.statistics.interval import Floats

if TYPE_CHECKING:
    from grid.results.files import UnreadableFile

Weights = Mapping[str, float] | None
Key = tuple[tuple[str, float], ...]

_SHAPES = ("kv_cache", "weight_parts")


def fingerprint(uri: str | Path) -> str:
    """A hash of the names and sizes of a store's files: another one when rows were added.

    Raises InputError where the place cannot be read.
    """
    location = Location(uri)
    named = [(e.name, e.size) for e in location.entries() if e.name.endswith(files.ENDING)]
    return digest(location.path, named)


class Dataset:
    """A store as it was when this was made; make it anew where `fingerprint` has changed.

    Several threads may ask at once. Torn, foreign and newer files are left out and named in
    `problems`. Raises InputError where the place cannot be read.
    """

    def __init__(self, uri: str | Path = "results") -> None:
        self.fingerprint = fingerprint(uri)
        self.results = Results(uri)
        self.display_name = self.results.location.display_name
        self._condition: pc.Expression | None = None
        self._reset()

    def _reset(self) -> None:
        self._lock = RLock()
        self._variants: Lru[tuple[str, Key], list[Variant]] = Lru(64)
        self._built: Lru[str, list[Variant]] = Lru(64)
        self._posteriors: Lru[tuple[str, Key], Posterior] = Lru(8)
        self._composites: Lru[str, Floats] = Lru(4)
        self._attempts: pa.Table | None = None
        self._rows_by_id: Lru[str, dict[str, Any]] = Lru(64)

    def filter(self, condition: pc.Expression) -> Dataset:
        """The same store as if it held only the attempts for which a condition on the columns of
        `overview` holds."""
        part = object.__new__(type(self))
        part.fingerprint, part.results, part.display_name = (
            self.fingerprint,
            self.results,
            self.display_name,
        )
        part._condition = condition if self._condition is None else self._condition & condition
        part._reset()
        return part

    @property
    def is_whole(self) -> bool:
        """Whether all of the store's attempts are in it: of a part nothing is to be kept under the
        store's fingerprint alone."""
        return self._condition is None

    @property
    def is_empty(self) -> bool:
        return self.overview.attempts.num_rows == 0

    @cached_property
    def problems(self) -> list[UnreadableFile]:
        """Files that were left out, and why, as far as they were looked at."""
        with self._lock:
            _ = self.overview
            sound = self._derived.sound_files()
            problems = self.results.visible_problems(sound)
            if len(sound) < len(self._derived.files) - len(problems):
                self._derived.keep_sound_files(set(self.results.problem_names()))
            return problems

    @cached_property
    def overview(self) -> Overview:
        """All attempts, those that count, and those with figures, with the columns that cost little
        to read: enough for lists and counts."""
        with self._lock:
            return overview(self._derived.attempts(), self._condition)

    @cached_property
    def classes(self) -> tuple[HardwareClass, ...]:
        """Measured ones first, then those with a capability, then by number of ok attempts."""
        return hardware_classes(self.overview.attempts, self.overview.ok)

    def attempts(self) -> pa.Table:
        """All attempts of every status, with every column but `kv_cache` and `weight_parts`, which
        are long. `overview.attempts` is the same in a tenth of the time and memory, without the
        environment."""
        with self._lock:
            if self._attempts is None:
                columns = [name for name in ATTEMPTS.names if name not in _SHAPES]
                ids = self.overview.attempts["attempt_id"].combine_chunks()
                rows = self.results.read("attempts", columns, ids).select(columns)
                self._attempts = with_ladder_names(rows)
            return self._attempts

    def final(self) -> pa.Table:
        """The attempt that counts of each cell, with the columns of `attempts`."""
        ids = self.overview.final["attempt_id"].combine_chunks()
        attempts = self.attempts()
        return attempts.filter(pc.is_in(attempts["attempt_id"], value_set=ids))

    def variants(self, hardware_class: str, weights: Weights = None) -> list[Variant]:
        """Those of one hardware class, as `grid.analysis.variants` gives them of the whole store.

        Raises InputError for a task class that nothing was asked, or an unusable weight.
        """
        with self._lock:
            return self._variants.get(
                (hardware_class, _key(weights)),
                lambda: self._with_capability(hardware_class, weights),
            )

    def all_variants(self, weights: Weights = None) -> list[Variant]:
        """The variants of all hardware classes, classes sorted by name."""
        names = sorted(hardware_class.name for hardware_class in self.classes)
        return [variant for name in names for variant in self.variants(name, weights)]

    def posterior(self, hardware_class: str, weights: Weights = None) -> Posterior:
        """Joint draws for the variants of one hardware class."""
        with self._lock:
            return self._posteriors.get(
                (hardware_class, _key(weights)),
                lambda: self._posterior(self.variants(hardware_class, weights)),
            )

    def posterior_of(self, variants: Sequence[Variant]) -> Posterior:
        """Joint draws for variants of this store as they would be on one machine."""
        with self._lock:
            return self._posterior(variants)

    def tables(self, hardware_class: str) -> Tables:
        """The rows that the class's variants are made of, and its attempts that count, of any
        status; of samples the repetitions of speed runs, and what text quality was scored by."""
        with self._lock:
            final = self.overview.final
            class_final = final.filter(equal(final, "hardware_class", hardware_class))
            needed = self._loader.rows(hardware_class)["attempt_id"].combine_chunks()
            ids = pc.unique(pa.concat_arrays([needed, class_final["attempt_id"].combine_chunks()]))
            tables = {name: self._rows(name, ids) for name in TABLES if name != "samples"}
            samples = self._rows("samples", ids)
            read = pc.is_in(samples["name"], value_set=pa.array((*SPEED_SERIES, *TEXT_SERIES)))
            return Tables(samples=samples.filter(read), **tables)

    def attempt_row(self, attempt_id: str) -> dict[str, Any]:
        """An attempt's row, all columns. Raises InputError where there is no such one."""
        with self._lock:
            return self._rows_by_id.get(attempt_id, lambda: attempt_row(self.results, attempt_id))

    def attempt(self, attempt_id: str) -> AttemptDetail:
        """An attempt with its rows of all tables. Raises InputError where there is no such one."""
        with self._lock:
            return attempt_detail(self.results, attempt_id)

    def speed_sample(self) -> list[Variant]:
        """Rates from an empty context of all hardware classes, as variants of which nothing is
        known but what speed hangs on: weights, model, memory and node. Of many a few of each class
        are taken, as `grid.analysis.dataset.speeds.sample_rates` says."""
        with self._lock:
            return self._loader.speed_sample()

    def named_variants(self) -> list[Variant]:
        """The variants of all hardware classes with nothing but what names them: no figures, and
        of the model what lists of attempts say."""
        with self._lock:
            name = f"named-variants-{self.fingerprint}"
            with suppress(ValueError, LookupError):
                return decode_variants((self.derived(name) if self.is_whole else None) or b"")
            variants = self._loader.named_variants()
            if self.is_whole and not self.problems:
                with suppress(TypeError, OverflowError):  # a number beyond 64 bits in a row
                    self.keep_derived(name, encode_variants(variants))
            return variants

    @cached_property
    def scored_kinds(self) -> frozenset[str]:
        """Device kinds that tasks were run on."""
        ok = self.overview.ok
        kinds = pc.unique(ok["device_kind"].filter(equal(ok, "measure", "tasks"))).to_pylist()
        return frozenset(str(kind or "") for kind in kinds)

    @cached_property
    def task_classes(self) -> frozenset[str]:
        """Those that anything was asked: they may be weighted."""
        return frozenset(task_classes(self.overview.ok))

    def derived(self, name: str) -> bytes | None:
        """What was kept under a name by this version of the code. The name must have all in it
        that the content depends on, such as `fingerprint`."""
        return self._derived.read(name)

    def keep_derived(self, name: str, content: bytes) -> None:
        """Keep it beside the store."""
        self._derived.write(name, content)

    @cached_property
    def _derived(self) -> DerivedTables:
        return DerivedTables(self.results)

    @cached_property
    def _loader(self) -> VariantLoader:
        return VariantLoader(self.results, self.overview)

    def _rows(self, table: str, ids: pa.Array[Any]) -> pa.Table:
        return self.results.read(table, TABLES[table].names, ids)

    def _with_capability(self, hardware_class: str, weights: Weights) -> list[Variant]:
        built = self._built.get(hardware_class, lambda: self._build(hardware_class))
        return with_capability(built, weights, self.task_classes)

    def _build(self, hardware_class: str) -> list[Variant]:
        """The class's variants without a composite capability, as they were built before where they
        still hold."""
        if self._condition is not None:
            return self._loader.variants(hardware_class)
        rows = self._loader.rows(hardware_class)
        variants = self._derived.variants(hardware_class, rows)
        if variants is None:
            variants = self._loader.variants(hardware_class)
            self._derived.keep_variants(hardware_class, rows, variants)
        return variants

    def _posterior(self, variants: Sequence[Variant]) -> Posterior:
        # Machines of one device kind share their answers, and so the draws of what those are worth.
        key = digest_of_answers(variants)
        capability = self._composites.get(
            key, lambda: self._draws(key, variants, lambda: composite_draws(variants))
        )
        texts = {axis: partial(self._text_draws, variants, axis) for axis in TEXT_AXES}
        posterior = draw_posterior(variants, capability=capability)
        return replace(posterior, texts=LazyDraws(texts))

    def _text_draws(self, variants: Sequence[Variant], axis: str) -> Floats:
        key = digest_of_texts(variants, axis)
        return self._draws(key, variants, lambda: text_draws(variants, axis, DRAWS, SEED))

    def _draws(self, key: str, variants: Sequence[Variant], draw: Callable[[], Floats]) -> Floats:
        """Draws [draws, variants] as they were drawn before, else drawn now."""
        draws = self._derived.draws(key, len(variants))
        if draws is None:
            draws = draw()
            self._derived.keep_draws(key, draws)
        return draws


def _key(weights: Weights) -> Key:
    return tuple(sorted((weights or {}).items()))
