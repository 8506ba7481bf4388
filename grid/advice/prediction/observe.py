"""Observations from the user's own rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from grid.advice.prediction.mixture import mixture_unknown, total_parameters, used_parameters
from grid.advice.prediction.model import BANDWIDTH_BYTES_S
from grid.advice.prediction.observation import PROMPT, Observation, chip_facts
from grid.advice.prediction.published import published_origins
from grid.analysis.variant import Variant
from grid.hardware.chips import PLATFORMS, Chip, possible_chips
from grid.units import GIB

_TOKENS = 64
"""Tokens of context while a rate from an empty context is measured, where rows do not say."""
COPY_RATE = "measured copy rate"
"""Source of a chip's bandwidth that is not of a catalogue."""


def observations_of(variants: Sequence[Variant]) -> list[Observation]:
    """An observation for each variant with a rate from an empty context.

    Rates at depth are not fitted, since attention's arithmetic, not bytes, decides them on small
    models. Rows of the bundled published tables are left out: `published_observations` has them,
    with more facts. Mixtures of experts are left out where nothing says how many of their weights a
    token reads.
    """
    own = [v for v in variants if v.origin not in published_origins() and not mixture_unknown(v)]
    own = [variant for variant in own if not variant.is_split]
    observations = (_observation(variant) for variant in own)
    return [observation for observation in observations if observation is not None]


def chip_of(variant: Variant) -> Chip:
    """The chip behind a variant's hardware class, under the name that predictions know it by: the
    class's own, or for rows of the bundled published tables that of the chip.

    An accelerator's facts are the catalogue's, where it knows the name in the class. A CPU's
    bandwidth is the node's measured copy rate; where nothing is known, a placeholder.
    """
    platform = platform_of(variant)
    published = variant.origin in published_origins()
    measured = platform == "cpu" and _copy_rate(variant, platform) is not None
    for chip in () if measured else _catalogue_chips(variant.hardware_class):
        if (chip.platform == "cpu") == (platform == "cpu"):
            name = chip.name if published else variant.hardware_class
            return replace(chip, name=name, platform=platform)
    return Chip(
        name=_without_origin(variant.hardware_class) if published else variant.hardware_class,
        vendor="",
        platform=platform,
        bandwidth_bytes_s=_copy_rate(variant, platform) or BANDWIDTH_BYTES_S,
        unified=platform in {"cpu", "metal"},
        source=COPY_RATE,
    )


def read_bytes_of(variant: Variant, depth: int = 0) -> float:
    """Bytes that a decoded token reads: the weights that it uses, and the KV cache at `depth`
    tokens. Where no header tells them apart, rows of the embedding table that a token does not
    need are counted too, and all weights of a mixture that nothing else is known of."""
    weights = variant.read_weight_bytes or variant.artifact_bytes
    return weights + _kv_bytes_at(variant, depth)


def platform_of(variant: Variant) -> str:
    """The platform of a device kind, such as `cuda` of `cuda-sm90`; cpu for kinds unheard of."""
    kind = variant.device_kind.lower()
    named = next((platform for platform in PLATFORMS if kind.startswith(platform)), None)
    if named is not None and not (variant.origin and named == "cpu"):
        return named
    for name in _chip_names(variant.hardware_class):
        platforms = {chip.platform for chip in possible_chips(name)}
        if len(platforms) == 1:
            return platforms.pop()
    return named or ("cuda" if "cuda" in variant.hardware_class.lower() else "cpu")


def _observation(variant: Variant) -> Observation | None:
    decode, prefill = variant.decode_tps, variant.prefill_tps
    if (decode is None and prefill is None) or not variant.artifact_bytes or not variant.parameters:
        return None
    platform = platform_of(variant)
    chip = chip_of(variant)
    copied = _copy_rate(variant, platform) is not None and chip.source == COPY_RATE
    facts = chip_facts(chip)
    if chip.source == COPY_RATE and not copied:
        facts["bandwidth_bytes_s"] = None
    tokens = variant.decode[0].tokens // 2 if 0 in variant.decode else _TOKENS
    return Observation(
        group=variant.hardware_class,
        platform=platform,
        engine=variant.backend,
        quant=variant.quant,
        weight_bytes=variant.artifact_bytes,
        read_bytes=read_bytes_of(variant, tokens),
        parameters=used_parameters(variant),
        total_parameters=total_parameters(variant),
        layers=len(variant.layers) or None,
        decode_tps=decode.value if decode and decode.value > 0 else None,
        prefill_tps=prefill.value if prefill and prefill.value > 0 else None,
        bandwidth_copied=copied,
        cached=bool(platform == "cpu" and variant.artifact_bytes < (variant.llc_bytes or 0)),
        origin=variant.origin,
        model=variant.model,
        prompt=variant.prefill[0].tokens if 0 in variant.prefill else PROMPT,
        **facts,
    )


def _copy_rate(variant: Variant, platform: str) -> float | None:
    """Measured copy rate of the main memory, bytes/s; None for a card, of which it says nothing."""
    rate = variant.bandwidth_bytes_s
    return rate if platform == "cpu" and rate is not None and rate > 0 else None


def _kv_bytes_at(variant: Variant, depth: int) -> float:
    """At 16 bits; a layer with a sliding window keeps, and reads, no more tokens than that."""
    if variant.layers:
        return 2.0 * sum(
            (depth if layer.window is None else min(depth, layer.window))
            * (layer.key + layer.value)
            for layer in variant.layers
        )
    if variant.kv_bytes is not None and variant.memory_context:
        return depth * variant.kv_bytes.value / variant.memory_context
    return 0.0


def _catalogue_chips(hardware_class: str) -> Iterator[Chip]:
    """The catalogue's chips that the parts of a class's name may mean, the likeliest first."""
    main = re.search(r", (\d+) GiB, [^,]+$", _without_origin(hardware_class))
    memory = int(main[1]) * GIB if main and "apple" in hardware_class.lower() else None
    possible = (possible_chips(name, memory) for name in _chip_names(hardware_class))
    return (chips[0] for chips in possible if len(chips) == 1)


def _without_origin(hardware_class: str) -> str:
    """A class's name without the origin that imported ones have in brackets."""
    return re.sub(r"\s*\[[^]]*\]$", "", hardware_class)


def _chip_names(hardware_class: str) -> list[str]:
    """Parts of a class's name that may be a chip: of `2x NVIDIA GeForce RTX 4090 24 GiB` the card
    with and without its memory, then the whole name and its first part."""
    plain = _without_origin(hardware_class)
    parts = [part.strip() for part in plain.split(",")]
    cards = [re.sub(r"^\d+x ", "", part) for part in parts if re.match(r"\d+x ", part)]
    without = [re.sub(r"\s+[\d.]+ [KMGT]iB$", "", card) for card in cards]
    return [*cards, *without, plain, parts[0]]
