"""The rows of one hardware class as the rules ask for them: subjects, and draws of what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from grid.advice.folklore.quants import has_matrix, nominal_bits, preset_of
from grid.analysis.limits import quantity_draws, sixteen_bit_of
from grid.analysis.posterior import SEED, Posterior, class_draws
from grid.analysis.variant import Variant
from grid.models.identity import digest
from grid.models.public import PublicModel, public_models
from grid.results.statistics import Interval
from grid.results.statistics.classes import ABOVE_CHANCE
from grid.results.statistics.interval import Floats

REAL_PARAMETERS = 10**9
"""Parameters from which bits per weight and memory are those that people's rules speak of: in
smaller models the embedding table and the engine's own memory outweigh the rest."""

_HALF_WIDTH = 1.96


@dataclass(frozen=True)
class RuleEvidence:
    """Joint draws of the variants of one hardware class, all of one origin; `shapes` are models
    whose configuration is public, for what is arithmetic."""

    posterior: Posterior
    shapes: tuple[PublicModel, ...] = field(default_factory=public_models)

    @property
    def variants(self) -> tuple[Variant, ...]:
        return self.posterior.variants

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
        reference = self.sixteen_bit(variant)
        same = reference is not None and reference.options == variant.options
        return variant.capability is None, not same, variant.id

    def of_preset(self, name: str) -> list[Variant]:
        """Subjects of a llama.cpp preset, without an importance matrix where both are there."""
        variants = self.where(lambda v: preset_of(v.quant) == name)
        plain = {(v.model, v.backend) for v in variants if not used_importance_matrix(v)}
        return [
            v
            for v in variants
            if not used_importance_matrix(v) or (v.model, v.backend) not in plain
        ]

    def ladder(
        self, names: Sequence[str], condition: Callable[[Variant], bool]
    ) -> list[list[Variant]]:
        """For each model and engine the subjects of these presets that meet a condition, in the
        presets' order, one of each."""
        ladders: dict[tuple[str, str], dict[str, Variant]] = {}
        for name in names:
            for variant in filter(condition, self.of_preset(name)):
                rungs = ladders.setdefault((variant.model, variant.backend), {})
                rungs.setdefault(name, variant)
        return [list(rungs.values()) for rungs in ladders.values()]

    def where(self, condition: Callable[[Variant], bool]) -> list[Variant]:
        """Subjects that meet a condition."""
        return [variant for variant in self.subjects if condition(variant)]

    def sixteen_bit(self, variant: Variant) -> Variant | None:
        """The same model at 16 bits, in the same engine where that was measured."""
        return sixteen_bit_of(self.variants, variant)

    def label(self, variant: Variant) -> str:
        """A name that no other subject has: engine and artifact stand beside the label where
        several share it."""
        same_label = [v for v in self.subjects if v.label == variant.label]
        if len(same_label) < 2:
            return variant.label
        engines = [v.backend for v in same_label]
        engine = f" in {variant.backend}" if len(set(engines)) > 1 else ""
        artifact = f" ({variant.artifact_id[:6]})" if engines.count(variant.backend) > 1 else ""
        return f"{variant.label}{engine}{artifact}"

    def index_of(self, variant: Variant) -> int:
        return self.posterior.index[variant.id]

    def capability(self, variant: Variant) -> Floats:
        """Draws of the composite capability [draws], NaN where it was not measured."""
        return np.asarray(self.posterior.capability[:, self.index_of(variant)])

    @cached_property
    def _shares(self) -> Floats:
        return quantity_draws(self.posterior, "min_share")

    def loss(self, variant: Variant) -> Floats:
        """1 - capability over that of the same model at 16 bits [draws]; NaN without the latter or
        where it is not above chance."""
        return np.asarray(1 - self._shares[:, self.index_of(variant)])

    @cached_property
    def task_classes(self) -> tuple[str, ...]:
        """Task classes of any variant."""
        return tuple(sorted({name for variant in self.variants for name in variant.classes}))

    @cached_property
    def _draws_by_class(self) -> dict[str, Floats]:
        draws = self.posterior.draws
        return {name: class_draws(self.variants, name, draws, SEED) for name in self.task_classes}

    def class_capability(self, variant: Variant, task_class: str) -> Floats:
        """Draws of the capability in one class [draws], NaN where it was not asked."""
        return np.asarray(self._draws_by_class[task_class][:, self.index_of(variant)])

    def class_loss(self, variant: Variant, task_class: str) -> Floats | None:
        """1 - retained quality of one class [draws]; None without both runs, or where the 16-bit
        score is less than 2 SE above chance."""
        reference = self.sixteen_bit(variant)
        score = reference.classes.get(task_class) if reference else None
        if reference is None or score is None or task_class not in variant.classes:
            return None
        if score.value <= 0 or score.value < ABOVE_CHANCE * (score.sd or 0):
            return None
        draws = self._draws_by_class[task_class]
        base, mine = draws[:, self.index_of(reference)], draws[:, self.index_of(variant)]
        above = base > 0
        return np.asarray(1 - np.where(above, mine / np.where(above, base, 1), 0))

    def decode_rate(self, variant: Variant) -> Floats:
        """Draws of the decode rate from an empty context, token/s [draws]. One figure with its own
        error is normal about it."""
        speed = variant.decode.get(0)
        if speed is not None and len(speed.rates) == 1 and has_error(speed.interval):
            return self.normal_draws(speed.interval, "decode", variant.id)
        with np.errstate(over="ignore"):  # two repetitions may leave draws without bounds
            return np.asarray(np.exp(self.posterior.rates["decode_tps"][:, self.index_of(variant)]))

    def normal_draws(self, interval: Interval, *stream: object) -> Floats:
        """Draws of a figure that only its interval is known of [draws]: half a normal on either
        side, which may be of different widths; constant without one."""
        below = above = interval.sd or 0.0
        if interval.low is not None and interval.high is not None:
            below = max(interval.value - interval.low, 0.0) / _HALF_WIDTH
            above = max(interval.high - interval.value, 0.0) / _HALF_WIDTH
        rng = np.random.default_rng([SEED, int(digest("folklore", *map(str, stream)), 16)])
        z = rng.standard_normal(self.posterior.draws)
        return np.asarray(interval.value + np.where(z > 0, above, below) * z)

    def sized_subjects(self, name: str) -> list[Variant]:
        """Subjects of a preset in models of REAL_PARAMETERS or more whose bits are known."""
        large = [v for v in self.of_preset(name) if (v.parameters or 0) >= REAL_PARAMETERS]
        return [v for v in large if bits_per_weight(v)]


def bits_per_weight(variant: Variant) -> float | None:
    """Bits per weight of the whole file: as they were read, else from its bytes; None where these
    were computed from bits."""
    if variant.bpw_file:
        return variant.bpw_file
    if variant.artifact_bytes and not variant.size_text and variant.parameters:
        return 8 * variant.artifact_bytes / variant.parameters
    return None


def used_importance_matrix(variant: Variant) -> bool:
    """Whether an importance matrix weighed the errors of quantizing, as far as rows say."""
    return has_matrix(variant.quant) or has_matrix(variant.quantizer)


def errors_known(*variants: Variant | None) -> bool:
    """Whether the capability of each variant came with its uncertainty; False for None."""
    return not any(variant is None or variant.lacks_uncertainty for variant in variants)


def least_items(*variants: Variant) -> int:
    """The least number of items that the capability of a variant rests on."""
    return min((v.capability.n if v.capability else 0 for v in variants), default=0)


def has_error(figure: Interval) -> bool:
    """Whether a figure came with an interval or a standard error."""
    return figure.low is not None or bool(figure.sd)


def same_size(variant: Variant, reference: Variant, by: float) -> bool:
    """Whether the files differ by this part of the reference at most; False for unknown sizes."""
    if not variant.artifact_bytes or not reference.artifact_bytes:
        return False
    return abs(variant.artifact_bytes / reference.artifact_bytes - 1) <= by


def largest_below_four(variants: Sequence[Variant]) -> Variant | None:
    """The variant below 4 bits with the most bytes, of those with a capability."""
    scored = [v for v in variants if v.capability is not None]
    below = [v for v in scored if (nominal_bits(v.quant) or 16) < 4]
    return max(below, key=lambda v: (v.artifact_bytes, v.id), default=None)


def with_bits(variants: Sequence[Variant], bits: int) -> list[Variant]:
    return [variant for variant in variants if nominal_bits(variant.quant) == bits]
