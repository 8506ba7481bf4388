"""Which variants could run on the requested machine, and where their quality and speed are from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from grid.advice.advice_quality import AdviceQuality, of_model, quality_of
from grid.advice.ask import Ask
from grid.advice.fitted_predictor import engines_on
from grid.advice.hardware import Machine, platform_of
from grid.advice.quant_names import of_quant
from grid.advice.rates_at_depth import RateAtDepth, decode_at, decode_rate_ratio, prefill_at
from grid.advice.relevant_classes import relevant_classes
from grid.advice.similar_hardware import nearest_similar, on_similar_hardware
from grid.advice.use_weights import use_weights
from grid.analysis import Speed, Variant
from grid.analysis.dataset import Dataset
from grid.analysis.memory import stored_kv_types
from grid.analysis.quality_order import CAPABILITY
from grid.errors import InputError


@dataclass(frozen=True)
class CandidateSource:
    """A variant as it would be on the requested machine, and where its figures were measured.

    `speed_from` and `memory_from` are the hardware classes that its decode rate and its memory were
    measured on, empty where they were not. `measured_as` is the variant of the store that its
    quality is from; the depth texts say after how much context its rates are; `decode_rate_ratio`
    is its decode rate after the prompt over that after the context.
    """

    variant: Variant
    speed_from: str
    memory_from: str
    measured_as: Variant
    decode_depth_text: str = ""
    prefill_depth_text: str = ""
    decode_rate_ratio: float = 1.0


@dataclass(frozen=True)
class SourceSelection:
    """Sources of all candidates, and the quality that ranks them. `weights` sum to 1, none where no
    tasks were run; `absent` are classes that the use weighs and nobody measured."""

    sources: tuple[CandidateSource, ...]
    quality: AdviceQuality
    weights: Mapping[str, float]
    absent: tuple[str, ...]
    notes: tuple[str, ...]


Key = tuple[str, str]
"""Artifact id and backend: what quality belongs to, on one device kind."""


def select_sources(dataset: Dataset, machine: Machine, ask: Ask) -> SourceSelection:
    """The variants whose quality is known for the machine's device kind, or the nearest one.

    Raises InputError where the store has none, and for weights of classes that were not measured.
    """
    variants = _admissible(_load_variants(dataset, machine, ask), machine, ask)
    if not variants:
        raise InputError(
            f"{dataset.display_name} has no measured variant to advise on; run `grid sweep`"
        )
    variants = of_quant(of_model(variants, ask.model), ask.quant)
    runnable, backend_notes = _runnable(dataset, machine, variants)
    kind, notes = _quality_kind(runnable, machine)
    plain_sources = _sources_of(runnable, machine, kind, ask.kv_type)
    scored = [source.measured_as for source in plain_sources]
    quality = quality_of(scored, ask)
    weights, absent = ({}, ()) if quality.axis != CAPABILITY else use_weights(scored, ask)
    weighted = {
        variant.id: variant for variant in _load_variants(dataset, machine, ask, weights or None)
    }
    sources = [
        _on_machine(machine, weighted[source.measured_as.id], source, ask)
        for source in plain_sources
    ]
    return SourceSelection(tuple(sources), quality, weights, absent, notes + backend_notes)


def _load_variants(
    dataset: Dataset, machine: Machine, ask: Ask, weights: Mapping[str, float] | None = None
) -> list[Variant]:
    """The variants of the classes that can matter, sorted by class."""
    names = sorted(relevant_classes(dataset, machine, ask))
    return [variant for name in names for variant in dataset.variants(name, weights)]


def _admissible(variants: Iterable[Variant], machine: Machine, ask: Ask) -> list[Variant]:
    """Own measurements; imported ones where asked for, or where the class itself is imported."""
    if machine.measured is not None and "" not in machine.measured.origins:
        return [v for v in variants if v.hardware_class == machine.class_name]
    return [v for v in variants if not v.origin or ask.imported]


def _runnable(
    dataset: Dataset, machine: Machine, variants: Sequence[Variant]
) -> tuple[list[Variant], tuple[str, ...]]:
    """Variants whose backend was measured on the platform of a machine that nobody measured."""
    engines = set() if machine.measured else engines_on(dataset, machine.platform)
    if not engines:
        return list(variants), ()
    engines |= {v.backend for v in variants if platform_of(v.device_kind) == machine.platform}
    lost = sorted({v.backend for v in variants} - engines)
    if not lost or not engines & {v.backend for v in variants}:
        return list(variants), ()
    note = f"left out: variants in {', '.join(lost)}, which nobody measured on {machine.platform}"
    return [v for v in variants if v.backend in engines], (note,)


def _quality_kind(variants: Sequence[Variant], machine: Machine) -> tuple[str, tuple[str, ...]]:
    """The device kind whose quality counts, and a note where it is not the machine's own: the
    nearest that was measured."""
    scored = [v for v in variants if v.capability is not None]
    own = machine.measured.device_kind if machine.measured else None
    if own is not None and (not scored or any(v.device_kind == own for v in scored)):
        return own, ()
    able = [v for v in scored if not v.origin] or scored or list(variants)
    similar = [v for v in able if on_similar_hardware(v, machine)]
    near = [v for v in able if platform_of(v.device_kind) == machine.platform]
    counts = Counter(v.device_kind for v in similar or near or able)
    kind = min(counts, key=lambda device_kind: (-counts[device_kind], device_kind))
    if similar:
        return kind, ()
    same = "the same" if near else "another"
    note = (
        f"quality was measured on {kind}, not on {machine.name}: {same} platform may compute a "
        "little otherwise"
    )
    return kind, (note,)


def _sources_of(
    variants: Sequence[Variant], machine: Machine, kind: str, kv_type: str
) -> list[CandidateSource]:
    """Sources on a measured class: its own variants, then those of other classes of its device
    kind; on one that nobody measured: one variant of each artifact in each backend. Of those only
    the ones that were measured with the requested type of cache, where any were."""
    groups: dict[Key, list[Variant]] = defaultdict(list)
    for variant in variants:
        groups[variant.artifact_id, variant.backend].append(variant)
    groups = {key: _with_cache(group, kind, kv_type) for key, group in groups.items()}
    sources: list[CandidateSource] = []
    for group in groups.values():
        own = [v for v in group if v.hardware_class == machine.class_name]
        scored = [v for v in group if v.device_kind == kind or v.origin]
        sources += [_own_source(v, scored, group, machine) for v in own]
        if scored and not own:
            sources.append(_source_elsewhere(scored, group, machine))
    return sorted(sources, key=lambda source: (source.measured_as.id, source.variant.id))


def _with_cache(group: list[Variant], kind: str, kv_type: str) -> list[Variant]:
    """The variants with this type of cache if any of them has a quality that counts, else all."""
    able = [v for v in group if set(stored_kv_types(v.options)) == {kv_type}]
    scored = any((v.classes or v.kld_mean) and (v.device_kind == kind or v.origin) for v in able)
    return able if scored else group


def _own_source(
    variant: Variant, scored: Sequence[Variant], group: Sequence[Variant], machine: Machine
) -> CandidateSource:
    """A variant of the class itself; its quality is another's only where no tasks were run on the
    class's device kind."""
    others = [v for v in group if v.hardware_class != variant.hardware_class]
    similar = None if variant.decode else nearest_similar(others, machine, variant)
    speed_from = variant if variant.decode else similar
    timed = variant if similar is None else _with_speed(variant, similar)
    quality = variant if variant in scored or not scored else _best_known(scored)
    name = speed_from.hardware_class if speed_from else ""
    return CandidateSource(timed, name, _memory_from(variant), quality)


def _best_known(group: Sequence[Variant]) -> Variant:
    """The variant of which most is known."""
    return min(
        group,
        key=lambda v: (
            *(figure is None for figure in (v.capability, v.kld_mean, v.perplexity)),
            not v.decode,
            v.id,
        ),
    )


def _source_elsewhere(
    scored: Sequence[Variant], group: Sequence[Variant], machine: Machine
) -> CandidateSource:
    """A variant that was never run on the machine's class; its speed is that of similar hardware,
    if there is one."""
    quality = _best_known(scored)
    similar = nearest_similar(group, machine, quality)
    timed = replace(quality, **_NO_SPEED) if similar is None else _with_speed(quality, similar)
    name = similar.hardware_class if similar else ""
    return CandidateSource(timed, name, _memory_from(quality), quality)


_NO_SPEED: dict[str, Any] = {
    "decode": {}, "prefill": {}, "ttft_s": None, "tpot_s": None, "latency_prompt": None,
    "latency_generate": None, "latency_metrics": {}, "bandwidth_utilisation": None,
    "decode_j_per_token": None, "prefill_j_per_token": None,
    "decode_net_j_per_token": None, "prefill_net_j_per_token": None, "energy_scope": "",
    "energy_lack": "",
}  # fmt: skip


def _with_speed(variant: Variant, source: Variant) -> Variant:
    speeds: dict[str, Any] = {name: getattr(source, name) for name in _NO_SPEED}
    return replace(variant, **speeds)


def _memory_from(variant: Variant) -> str:
    return variant.hardware_class if variant.peak_rss_bytes is not None else ""


def _on_machine(
    machine: Machine, weighted: Variant, source: CandidateSource, ask: Ask
) -> CandidateSource:
    """The source with the quality under the requested weights, placed on the machine."""
    variant = source.variant
    decode = decode_at(variant, ask.context or 0)
    prefill = prefill_at(variant, ask.prompt)
    placed = replace(
        variant,
        hardware_class=machine.name,
        **_text_of(weighted if weighted.perplexity is not None else variant),
        items=weighted.items,
        classes=weighted.classes,
        weights=weighted.weights,
        missing=weighted.missing,
        capability=weighted.capability,
        decode=_at_depth(variant.decode, decode),
        prefill=_at_depth(variant.prefill, prefill),
    )
    return replace(
        source,
        variant=placed,
        decode_depth_text=decode.depth_text if decode else "",
        prefill_depth_text=prefill.depth_text if prefill else "",
        decode_rate_ratio=decode_rate_ratio(variant, ask.prompt, ask.context or 0),
    )


def _text_of(variant: Variant) -> dict[str, Any]:
    """What was measured of the variant on a text."""
    return {name: getattr(variant, name) for name in _TEXT}


_TEXT = (
    "perplexity", "bits_per_byte", "kld_mean", "same_top1", "noise_floor_nat", "text_metrics",
    "scored_text",
)  # fmt: skip


def _at_depth(speeds: Mapping[int, Speed], rate: RateAtDepth | None) -> Mapping[int, Speed]:
    """The speeds with the rate at depth in the place of that from an empty context."""
    return speeds if rate is None else {**speeds, 0: rate.speed}
