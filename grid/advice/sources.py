"""Which variants could run on the asked machine, and where their quality and speed are from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from grid.advice.ask import Ask
from grid.advice.fitted_predictor import engines_on
from grid.advice.hardware import Machine
from grid.advice.rates_at_depth import Deep, decode_at, prefill_at, sooner
from grid.advice.relevant_classes import concerned
from grid.advice.similar_hardware import is_like, nearest
from grid.advice.use_weights import weights_of
from grid.analysis import Speed, Variant
from grid.analysis.dataset import Dataset
from grid.analysis.memory import stored_kv_types
from grid.errors import InputError


@dataclass(frozen=True)
class Source:
    """A variant, said to be on the asked machine, and the hardware classes that its decode rate
    and its memory were measured on: empty where they were not measured. `measured_as` is the
    variant of the store that its quality is from; `decode_told` and `prefill_told` say after how
    much context its rates are; `sooner` is its decode rate after the prompt over that one."""

    variant: Variant
    speed_from: str
    memory_from: str
    measured_as: Variant
    decode_told: str = ""
    prefill_told: str = ""
    sooner: float = 1.0


@dataclass(frozen=True)
class Gathered:
    """`weights` sum to 1; `absent` are classes that the use weighs and nobody measured; `kind` is
    the device kind whose quality counts."""

    sources: tuple[Source, ...]
    weights: Mapping[str, float]
    absent: tuple[str, ...]
    kind: str
    notes: tuple[str, ...]


Key = tuple[str, str]
"""Artifact id and backend: what quality belongs to, on one device kind."""


def gather(dataset: Dataset, machine: Machine, ask: Ask) -> Gathered:
    """The variants whose quality is known for the machine's device kind, or the nearest one.

    Raises InputError where the store has none, and for weights of classes that were not measured.
    """
    plain = _allowed(_found(dataset, machine, ask), machine, ask)
    if not plain:
        raise InputError(f"{dataset.shown} has no measured variant to advise on; run `grid sweep`")
    kind, notes = _kind(plain, machine)
    able, left_out = _runnable(dataset, machine, plain)
    chosen = _chosen(able, machine, kind, ask.kv_type)
    weights, absent = weights_of([one.measured_as for one in chosen], ask)
    named = {variant.id: variant for variant in _found(dataset, machine, ask, weights)}
    sources = [_on(machine, named[one.measured_as.id], one, ask) for one in chosen]
    return Gathered(tuple(sources), weights, absent, kind, notes + left_out)


def _found(
    dataset: Dataset, machine: Machine, ask: Ask, weights: Mapping[str, float] | None = None
) -> list[Variant]:
    """The variants of the classes that can matter, sorted by class."""
    names = sorted(concerned(dataset, machine, ask))
    return [variant for name in names for variant in dataset.variants(name, weights)]


def _allowed(found: Iterable[Variant], machine: Machine, ask: Ask) -> list[Variant]:
    """Own measurements; imported ones where asked for, or where the class itself is imported."""
    name = machine.measured.name if machine.measured else None
    if machine.measured is not None and "" not in machine.measured.origins:
        return [v for v in found if v.hardware_class == name]
    return [v for v in found if not v.origin or ask.imported]


def _runnable(
    dataset: Dataset, machine: Machine, found: Sequence[Variant]
) -> tuple[list[Variant], tuple[str, ...]]:
    """On a machine that nobody measured only backends that somebody measured on its platform."""
    engines = set() if machine.measured else engines_on(dataset, machine.platform)
    if not engines:
        return list(found), ()
    lost = sorted({v.backend for v in found} - engines)
    if not lost or not engines & {v.backend for v in found}:
        return list(found), ()
    note = f"left out: variants in {', '.join(lost)}, which nobody measured on {machine.platform}"
    return [v for v in found if v.backend in engines], (note,)


def _kind(found: Sequence[Variant], machine: Machine) -> tuple[str, tuple[str, ...]]:
    """The device kind whose quality counts: the machine's own, else the nearest that was measured,
    which is said."""
    scored = [v for v in found if v.capability is not None]
    own = machine.measured.device_kind if machine.measured else None
    if own is not None and (not scored or any(v.device_kind == own for v in scored)):
        return own, ()
    able = [v for v in scored if not v.origin] or scored or list(found)
    alike = [v for v in able if is_like(v, machine)]
    near = [v for v in able if v.device_kind.partition("-")[0] == machine.platform]
    counts = Counter(v.device_kind for v in alike or near or able)
    kind = min(counts, key=lambda one: (-counts[one], one))
    if alike:
        return kind, ()
    same = "the same" if near else "another"
    note = (
        f"quality was measured on {kind}, not on {machine.name}: {same} platform may compute a "
        "little otherwise"
    )
    return kind, (note,)


def _chosen(found: Sequence[Variant], machine: Machine, kind: str, kv_type: str) -> list[Source]:
    """On a measured class its own variants, then those of other classes of its device kind; on one
    that nobody measured one variant of each artifact in each backend. Of those only the ones that
    were measured with the asked type of cache, where any were."""
    here = machine.measured.name if machine.measured else None
    groups: dict[Key, list[Variant]] = defaultdict(list)
    for variant in found:
        groups[variant.artifact_id, variant.backend].append(variant)
    groups = {key: _with_cache(group, kind, kv_type) for key, group in groups.items()}
    sources: list[Source] = []
    for group in groups.values():
        own = [v for v in group if v.hardware_class == here]
        scored = [v for v in group if v.device_kind == kind or v.origin]
        sources += [_own(v, scored, group, machine) for v in own]
        if scored and not own:
            sources.append(_other(scored, group, machine))
    return sorted(sources, key=lambda one: (one.measured_as.id, one.variant.id))


def _with_cache(group: list[Variant], kind: str, kv_type: str) -> list[Variant]:
    able = [v for v in group if set(stored_kv_types(v.options)) == {kv_type}]
    scored = any(v.classes and (v.device_kind == kind or v.origin) for v in able)
    return able if scored else group


def _own(
    variant: Variant, scored: Sequence[Variant], group: Sequence[Variant], machine: Machine
) -> Source:
    """A variant of the class itself; its quality is another's only where no tasks were run on the
    class's device kind."""
    others = [v for v in group if v.hardware_class != variant.hardware_class]
    like = None if variant.decode else nearest(others, machine, variant)
    speed_from = variant if variant.decode else like
    moved = variant if like is None else _with_speed(variant, like)
    quality = variant if variant in scored or not scored else _most(scored)
    name = speed_from.hardware_class if speed_from else ""
    return Source(moved, name, _memory_from(variant), quality)


def _most(group: Sequence[Variant]) -> Variant:
    """The one of which most is known."""
    return min(group, key=lambda v: (v.capability is None, not v.decode, v.id))


def _other(scored: Sequence[Variant], group: Sequence[Variant], machine: Machine) -> Source:
    most = _most(scored)
    like = nearest(group, machine, most)
    if like is None:
        return Source(replace(most, **_NO_SPEED), "", _memory_from(most), most)
    return Source(_with_speed(most, like), like.hardware_class, _memory_from(most), most)


_NO_SPEED: dict[str, Any] = {
    "decode": {}, "prefill": {}, "ttft_s": None, "tpot_s": None, "latency_prompt": None,
    "latency_generate": None, "latency_metrics": {}, "bandwidth_utilisation": None,
    "decode_j_per_token": None, "prefill_j_per_token": None,
}  # fmt: skip


def _with_speed(variant: Variant, source: Variant) -> Variant:
    known: dict[str, Any] = {name: getattr(source, name) for name in _NO_SPEED}
    return replace(variant, **known)


def _memory_from(variant: Variant) -> str:
    return variant.hardware_class if variant.peak_rss_bytes is not None else ""


def _on(machine: Machine, weighted: Variant, source: Source, ask: Ask) -> Source:
    """The source with the quality under the asked weights, said to be on the machine."""
    variant = source.variant
    decode = decode_at(variant, ask.context or 0)
    prefill = prefill_at(variant, ask.prompt)
    moved = replace(
        variant,
        hardware_class=machine.name,
        items=weighted.items,
        classes=weighted.classes,
        weights=weighted.weights,
        missing=weighted.missing,
        capability=weighted.capability,
        decode=_first(variant.decode, decode),
        prefill=_first(variant.prefill, prefill),
    )
    told = [one.told if one else "" for one in (decode, prefill)]
    ratio = sooner(variant, ask.prompt, ask.context or 0)
    return replace(source, variant=moved, decode_told=told[0], prefill_told=told[1], sooner=ratio)


def _first(speeds: Mapping[int, Speed], deep: Deep | None) -> Mapping[int, Speed]:
    """With the rate that counts in the place of that from an empty context."""
    return speeds if deep is None else {**speeds, 0: deep.speed}
