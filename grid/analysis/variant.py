"""Variant: one artifact in one engine on one hardware class, with all that was measured of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from grid.analysis.scored_text import ScoredText
from grid.analysis.token_use import leaves_a_part
from grid.models.identity import digest
from grid.models.model import LayerState
from grid.models.named_sizes import names_mixture
from grid.models.weight_parts import Experts, WeightParts
from grid.results.statistics import Interval
from grid.results.statistics.interval import Floats
from grid.units import GIB

KLD_RESOLUTION = 1e-7
"""nat: a divergence not above it is the rounding of 32-bit logits."""


@dataclass(frozen=True)
class AnswerTokens:
    """Scores of items, and the tokens of their prompts and of what was written to each: all [n]."""

    scores: Floats
    prompt_tokens: Floats
    written_tokens: Floats


@dataclass(frozen=True)
class ClassItems:
    """Items of one task class: their ids and gains, (score - chance) / (1 - chance), both [n].

    An id is `[task@]hash of the item set/item`; sorted. `groups` [n] name what items share, such as
    a passage: empty for an item by itself, and no names at all where no item has a group. `answers`
    is None where the rows do not count the tokens of prompts.
    """

    ids: tuple[str, ...]
    gains: Floats
    groups: tuple[str, ...] = ()
    answers: AnswerTokens | None = None


@dataclass(frozen=True)
class TaskResult:
    """One task of a class: its capability, and its items unless only a figure is known."""

    capability: Interval
    items: ClassItems | None = None


@dataclass(frozen=True)
class Speed:
    """A rate in token/s: `tokens` per repetition after `depth` tokens of context.

    `rates` are the repetitions [n]; `drifts` is True where they have a trend, None where too few.
    `between_sd` is the standard deviation of log mean rates between runs, worth `between_degrees`
    of freedom, 0 where it is not known; `lost` is the share of its time that the engine lost to
    others.
    """

    interval: Interval
    rates: Floats
    tokens: int
    depth: int
    drifts: bool | None = None
    between_sd: float = 0.0
    between_degrees: float = 0.0
    lost: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What a user can choose to run on one hardware class. None means not measured, never zero.

    `decode` and `prefill` are by depth in tokens; `weights` are those of the classes in
    `capability`; `missing` names weighted classes without a result, which leave capability None;
    `other_tasks` tells by class that an imported figure is of other tasks than those compared.
    `noise_floor_nat` is the divergence of its engine's 16 bits from the reference, or of the
    reference from itself computed another way; `indistinguishable` says that this variant's is not
    above it.
    """

    model: str
    family: str
    parameters: int
    """0 where it is not known."""
    quant: str
    format: str
    artifact_id: str
    artifact_bytes: int
    """0 where it is not known."""
    size_text: str = ""
    """How the bytes were computed, empty where they are those of files: such a size judges none."""
    bpw_file: float | None
    bpw_layer: float | None
    backend: str
    options: str
    hardware_class: str
    device_kind: str
    sixteen_bit: bool = False
    """True for the artifact that this model's others are compared with."""
    defines_floor: bool = False
    """True for whole weights, whose divergence is that of their engine and so the floor itself."""
    items: Mapping[str, ClassItems] = field(default_factory=dict)
    classes: Mapping[str, Interval] = field(default_factory=dict)
    tasks: Mapping[str, Mapping[str, TaskResult]] = field(default_factory=dict)
    """By class and task all that was asked; `classes` and `items` are over the tasks compared."""
    weights: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    other_tasks: Mapping[str, str] = field(default_factory=dict)
    capability: Interval | None = None
    decode: Mapping[int, Speed] = field(default_factory=dict)
    prefill: Mapping[int, Speed] = field(default_factory=dict)
    peak_rss_bytes: Interval | None = None
    peak_vram_bytes: Interval | None = None
    memory_context: int | None = None
    load_s: Interval | None = None
    ttft_s: Interval | None = None
    tpot_s: Interval | None = None
    perplexity: Interval | None = None
    bits_per_byte: Interval | None = None
    kld_mean: Interval | None = None
    same_top1: Interval | None = None
    noise_floor_nat: float | None = None
    bandwidth_utilisation: float | None = None
    origin: str = ""
    """Who measured it: empty for quantgrid, else the tool or publication it was imported from."""
    licence: str = ""
    quantizer: str = ""
    """What made the file, with version and whatever it was weighed by; empty if it was given."""
    context_length: int | None = None
    """Longest context that the model is made for, tokens."""
    layers: tuple[LayerState, ...] = ()
    """What each layer keeps of the tokens; empty where the rows do not say."""
    active_parameters: int | None = None
    """Weights that a token uses; None where it is not known."""
    parameters_from: str = ""
    """What the active parameters are from: `header`, or `name` where a name alone tells them."""
    experts: Experts | None = None
    """None for a dense model, and where only a name tells of a mixture."""
    weight_parts: WeightParts | None = None
    """Bytes by what reads them; None where no header was read."""
    kv_bytes: Interval | None = None
    """KV cache at `memory_context`, as stored."""
    text_metrics: Mapping[str, Interval] = field(default_factory=dict)
    """All metrics of the quality run that perplexity and divergence are from, by name."""
    scored_text: ScoredText | None = None
    """The text of that run."""
    kld_by_text: Mapping[str, Interval] = field(default_factory=dict)
    """Mean KL divergence by the category of the text, nat; `kld_mean` alone ranks."""
    latency_metrics: Mapping[str, Interval] = field(default_factory=dict)
    latency_prompt: int | None = None
    latency_generate: int | None = None
    decode_j_per_token: Interval | None = None
    prefill_j_per_token: Interval | None = None
    decode_net_j_per_token: Interval | None = None
    """Without the power of the idle machine, as `prefill_net_j_per_token`."""
    prefill_net_j_per_token: Interval | None = None
    energy_scope: str = ""
    """What the energy counts, such as `cpu-package` or `gpu`: unlike scopes never compare."""
    energy_lack: str = ""
    """Why an energy was not measured; empty where all were, and where nothing says it."""
    bandwidth_bytes_s: float | None = None
    """Memory bandwidth of the node, measured."""
    llc_bytes: float | None = None
    """Last-level cache of the node."""
    attempt_ids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By measure, the attempts that the figures are from."""

    @cached_property
    def id(self) -> str:
        return digest("variant", self.artifact_id, self.backend, self.options, self.hardware_class)

    @property
    def label(self) -> str:
        return f"{self.model} {self.quant}"

    @property
    def is_mixture(self) -> bool:
        """Whether it is a mixture of experts, as its header or its name says."""
        return self.experts is not None or names_mixture(self.model, self.family)

    @property
    def is_split(self) -> bool:
        """Whether it was run on an accelerator with a part of it left in main memory."""
        return not self.device_kind.startswith("cpu") and leaves_a_part(
            self.options, len(self.weight_parts.layers if self.weight_parts else self.layers)
        )

    @property
    def read_weight_bytes(self) -> float | None:
        """Bytes of weights that a token reads: to the byte from a header; else a mixture's share of
        the file by its parameters, and all of a dense one. None where it is not known."""
        share = 1.0 if self.experts is None else self.experts.share
        if self.weight_parts is not None and share is not None:
            return self.weight_parts.read_bytes(share)
        if not self.is_mixture:
            return self.artifact_bytes or None
        if self.active_parameters is None or not self.parameters:
            return None
        return self.artifact_bytes * min(1.0, self.active_parameters / self.parameters) or None

    @property
    def decode_tps(self) -> Interval | None:
        """Decode rate from an empty context."""
        return self.decode[0].interval if 0 in self.decode else None

    @property
    def prefill_tps(self) -> Interval | None:
        """Prefill rate into an empty context."""
        return self.prefill[0].interval if 0 in self.prefill else None

    def speeds(self, kind: str) -> Mapping[int, Speed]:
        """Rates by depth; `kind` is decode or prefill."""
        return self.decode if kind == "decode" else self.prefill

    @property
    def indistinguishable(self) -> bool | None:
        """None without a divergence or a floor, and for whole weights, whose own it is."""
        if self.kld_mean is None or self.noise_floor_nat is None or self.defines_floor:
            return None
        return self.kld_mean.value <= self.noise_floor_nat

    @property
    def matches_16_bits(self) -> bool:
        """True where its divergence is not above its engine's noise floor: of the 16 bits
        themselves, and of what cannot be told from them."""
        floor = max(KLD_RESOLUTION, self.noise_floor_nat or 0.0)
        return self.kld_mean is not None and self.kld_mean.value <= floor

    @property
    def drifts(self) -> bool:
        """True where the repetitions of any of its rates have a trend."""
        return any(speed.drifts for speed in (*self.decode.values(), *self.prefill.values()))

    @property
    def lacks_uncertainty(self) -> bool:
        """True where its capability has no known uncertainty: imported figures without items and
        without a standard error."""
        used = [name for name, weight in self.weights.items() if weight > 0]
        return self.capability is not None and any(
            name not in self.items and self.classes[name].sd is None for name in used
        )

    @property
    def bang_per_bit(self) -> float | None:
        """Capability per GiB of weights."""
        if self.capability is None or not self.artifact_bytes:
            return None
        return self.capability.value / (self.artifact_bytes / GIB)


@lru_cache(maxsize=256)
def task_places(ids: tuple[str, ...]) -> dict[str, npt.NDArray[np.int64]]:
    """By task where its items stand among the ids; those that name no task are one, called ``."""
    places: dict[str, list[int]] = {}
    for place, item in enumerate(ids):
        task, marked, _ = item.partition("/")[0].partition("@")
        places.setdefault(task if marked else "", []).append(place)
    return {task: np.array(at, dtype=np.int64) for task, at in sorted(places.items())}


def task_weights(ids: tuple[str, ...]) -> Floats:
    """Weights of items, of mean 1, under which each task counts alike [n]."""
    places = task_places(ids)
    weights = np.ones(len(ids))
    if len(places) > 1:
        for at in places.values():
            weights[at] = len(ids) / (len(places) * len(at))
    return weights


def gains_of(variant: Variant, task_class: str, ids: tuple[str, ...]) -> Floats:
    """Gains of the items [n], NaN for those that the variant was not asked."""
    answers = variant.items.get(task_class)
    if answers is not None and answers.ids == ids:
        return answers.gains
    place = {} if answers is None else dict(zip(answers.ids, answers.gains, strict=True))
    return np.array([place.get(item, np.nan) for item in ids], dtype=np.float64)


def groups_of(
    variants: Sequence[Variant], task_class: str, ids: tuple[str, ...]
) -> tuple[str, ...]:
    """Groups of the items [n], from whichever variant's rows name them; none where none do."""
    sets = {
        (v.items[task_class].ids, v.items[task_class].groups)
        for v in variants
        if task_class in v.items and v.items[task_class].groups
    }
    named = {
        item: group
        for of_set, groups in sorted(sets)
        for item, group in zip(of_set, groups, strict=True)
        if group
    }
    return tuple(named.get(item, "") for item in ids) if named else ()


def gains_table(variants: Sequence[Variant], task_class: str) -> tuple[tuple[str, ...], Floats]:
    """Ids of all items that any of the variants was asked, and their gains: [variants, items], NaN
    where it was not asked."""
    sets = {v.items[task_class].ids for v in variants if task_class in v.items}
    place = {item: i for i, item in enumerate(sorted(set().union(*sets)))}
    columns = {ids: np.array([place[item] for item in ids], dtype=np.int64) for ids in sets}
    table = np.full((len(variants), len(place)), np.nan)
    for row, variant in zip(table, variants, strict=True):
        if task_class in variant.items:
            mine = variant.items[task_class]
            row[columns[mine.ids]] = mine.gains
    return tuple(place), table
