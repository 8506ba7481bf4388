"""The rows of one hardware class as the rules ask for them: subjects, and draws of what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from grid.advice.folklore.quants import has_matrix, nominal_bits, preset
from grid.analysis.limits import quantity, sixteen_bit_of
from grid.analysis.posterior import SEED, Posterior, class_draws
from grid.analysis.variant import Variant
from grid.models.identity import digest
from grid.results.statistics import Interval
from grid.results.statistics.classes import ABOVE_CHANCE
from grid.results.statistics.interval import Floats

REAL = 10**9
"""Parameters from which bits per weight and memory are those that people's rules speak of: in
smaller models the embedding table and the engine's own memory outweigh the rest."""

_HALF_WIDTH = 1.96


@dataclass(frozen=True)
class Evidence:
    """Joint draws of the variants of one hardware class, all of one origin."""

    belief: Posterior

    @property
    def variants(self) -> tuple[Variant, ...]:
        return self.belief.variants

    @property
    def scope(self) -> str:
        return self.variants[0].hardware_class if self.variants else ""

    @property
    def origin(self) -> str:
        return self.variants[0].origin if self.variants else ""

    @property
    def licence(self) -> str:
        """What is stated of imported figures; empty for measured ones."""
        return ", ".join(sorted({v.licence for v in self.variants if v.licence}))

    @cached_property
    def subjects(self) -> tuple[Variant, ...]:
        """One variant for each artifact and engine: with the options of the 16-bit one where
        there is such, since other options are the same weights over again."""
        best: dict[tuple[str, str, str], Variant] = {}
        for variant in sorted(self.variants, key=self._preference):
            best.setdefault((variant.model, variant.artifact_id, variant.backend), variant)
        return tuple(sorted(best.values(), key=lambda v: (v.model, -v.artifact_bytes, v.id)))

    def _preference(self, variant: Variant) -> tuple[bool, bool, str]:
        whole = self.whole(variant)
        same = whole is not None and whole.options == variant.options
        return variant.capability is None, not same, variant.id

    def of(self, name: str) -> list[Variant]:
        """Subjects of a llama.cpp preset, without an importance matrix where both are there."""
        found = [v for v in self.subjects if preset(v.quant) == name]
        plain = {(v.model, v.backend) for v in found if not weighed(v)}
        return [v for v in found if not weighed(v) or (v.model, v.backend) not in plain]

    def ladder(self, names: Sequence[str], asked: Callable[[Variant], bool]) -> list[list[Variant]]:
        """For each model and engine the subjects of these presets that meet a condition, in the
        presets' order, one of each."""
        found: dict[tuple[str, str], dict[str, Variant]] = {}
        for name in names:
            for variant in filter(asked, self.of(name)):
                rungs = found.setdefault((variant.model, variant.backend), {})
                rungs.setdefault(name, variant)
        return [list(rungs.values()) for rungs in found.values()]

    def where(self, asked: Callable[[Variant], bool]) -> list[Variant]:
        return [variant for variant in self.subjects if asked(variant)]

    def whole(self, variant: Variant) -> Variant | None:
        """The same model at 16 bits, in the same engine where that was measured."""
        return sixteen_bit_of(self.variants, variant)

    def name(self, variant: Variant) -> str:
        """What tells a subject apart here: engine and artifact are named where several have its
        label."""
        alike = [v for v in self.subjects if v.label == variant.label]
        if len(alike) < 2:
            return variant.label
        engines = [v.backend for v in alike]
        engine = f" in {variant.backend}" if len(set(engines)) > 1 else ""
        artifact = f" ({variant.artifact_id[:6]})" if engines.count(variant.backend) > 1 else ""
        return f"{variant.label}{engine}{artifact}"

    def at(self, variant: Variant) -> int:
        return self.belief.place[variant.id]

    def capability(self, variant: Variant) -> Floats:
        """Draws of the composite capability [draws], NaN where it was not measured."""
        return np.asarray(self.belief.capability[:, self.at(variant)])

    @cached_property
    def _shares(self) -> Floats:
        return quantity(self.belief, "min_share")

    def loss(self, variant: Variant) -> Floats:
        """1 - capability over that of the same model at 16 bits [draws]; NaN without the latter or
        where it is not above chance."""
        return np.asarray(1 - self._shares[:, self.at(variant)])

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Task classes that were asked."""
        return tuple(sorted({name for variant in self.variants for name in variant.classes}))

    @cached_property
    def _of_class(self) -> dict[str, Floats]:
        draws = self.belief.draws
        return {name: class_draws(self.variants, name, draws, SEED) for name in self.classes}

    def class_loss(self, variant: Variant, task_class: str) -> Floats | None:
        """1 - retained quality of one class [draws]; None without both runs, or where the 16-bit
        score is less than 2 SE above chance."""
        whole = self.whole(variant)
        if whole is None or task_class not in variant.classes or task_class not in whole.classes:
            return None
        score = whole.classes[task_class]
        if score.value <= 0 or score.value < ABOVE_CHANCE * (score.sd or 0):
            return None
        base, mine = (self._of_class[task_class][:, self.at(one)] for one in (whole, variant))
        above = base > 0
        return np.asarray(1 - np.where(above, mine / np.where(above, base, 1), 0))

    def rate(self, variant: Variant) -> Floats:
        """Draws of the decode rate from an empty context, token/s [draws]. One figure with its own
        error is normal about it."""
        speed = variant.decode.get(0)
        if speed is not None and len(speed.rates) == 1 and has_error(speed.interval):
            return self.normal(speed.interval, "decode", variant.id)
        return np.asarray(np.exp(self.belief.rates["decode_tps"][:, self.at(variant)]))

    def normal(self, interval: Interval, *stream: object) -> Floats:
        """Draws of a figure that only its interval is known of [draws]: half a normal on either
        side, which may be of different widths; constant without one."""
        below = above = interval.sd or 0.0
        if interval.low is not None and interval.high is not None:
            below = max(interval.value - interval.low, 0.0) / _HALF_WIDTH
            above = max(interval.high - interval.value, 0.0) / _HALF_WIDTH
        rng = np.random.default_rng([SEED, int(digest("folklore", *map(str, stream)), 16)])
        z = rng.standard_normal(self.belief.draws)
        return np.asarray(interval.value + np.where(z > 0, above, below) * z)

    def bits(self, name: str) -> list[Variant]:
        """Subjects of a preset in models of `REAL` parameters or more whose bits are known."""
        return [v for v in self.of(name) if (v.parameters or 0) >= REAL and bits_per_weight(v)]


def bits_per_weight(variant: Variant) -> float | None:
    """Of the whole file: as it was read, else from its bytes."""
    if variant.bpw_file:
        return variant.bpw_file
    if variant.artifact_bytes and variant.parameters:
        return 8 * variant.artifact_bytes / variant.parameters
    return None


def weighed(variant: Variant) -> bool:
    """Whether an importance matrix weighed the errors when it was made, as far as rows say."""
    return has_matrix(variant.quant) or has_matrix(variant.quantizer)


def sure_of(*variants: Variant | None) -> bool:
    """False where one's capability came without any measure of how sure it is."""
    return not any(variant is None or variant.unsure_unknown for variant in variants)


def items_of(*variants: Variant) -> int:
    """The least number of items that one's capability rests on."""
    return min((v.capability.n if v.capability else 0 for v in variants), default=0)


def has_error(figure: Interval) -> bool:
    """Whether a figure came with an interval or a standard error."""
    return figure.low is not None or bool(figure.sd)


def same_size(one: Variant, other: Variant, by: float) -> bool:
    """Whether the files differ by this part of the second at most; False where one is unknown."""
    if not one.artifact_bytes or not other.artifact_bytes:
        return False
    return abs(one.artifact_bytes / other.artifact_bytes - 1) <= by


def of_bits(variants: Sequence[Variant], bits: int) -> list[Variant]:
    return [variant for variant in variants if nominal_bits(variant.quant) == bits]
