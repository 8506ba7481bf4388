"""Find a chip by the name that its owner or a driver would write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from grid.errors import InputError, did_you_mean
from grid.hardware.chips.chip import Chip
from grid.hardware.chips.choose import SeveralChips, choose, has_bandwidth, list_chips
from grid.hardware.chips.integrated import memory_of
from grid.hardware.chips.match import (
    CHEAP,
    chips,
    is_vague,
    matching,
    plainest,
    vocabulary,
)
from grid.hardware.chips.memory import KINDS, bandwidth
from grid.hardware.chips.names import IDLE, ChipQuery, parse_name, split_words
from grid.hardware.chips.processors import find_processor
from grid.units import GIB

_MOST_CHIPS = 128
_TELLING = re.compile(r"[a-z]+\d\w*|\d{3,}\w*|\d+[a-z]\w*|[a-z]{4,}")
"""Words that may tell a chip alone; `pro` and `32` do not."""


def find_chip(
    name: str, bandwidth_bytes_s: float | None = None, memory_bytes: float | None = None
) -> Chip:
    """The chip meant by `4090`, `dual 3090`, `M4 Pro 14-core 48GB` or `ddr5-5600`.

    All words must be in the chip's name or its aliases; what drivers add in brackets is passed
    over. A size is the memory's, a number before or after counts chips, a platform (`vulkan`,
    `rocm`) is that through which it computes, and main memory (`ddr5-6000`) that of a processor or
    of graphics without its own. A bandwidth or a memory beside the name decides between chips of a
    name, and is passed over where none of them has it. `notes` of the chip say what was assumed.

    Raises InputError where no chip has the name, which words are not understood, and with the
    candidates where several have it that differ in memory or bandwidth.
    """
    return chips().get(name) or _find_chip(name, bandwidth_bytes_s, memory_bytes)


def named_chip(name: str, memory_bytes: float | None = None) -> Chip:
    """The chip that a person asks about. As `find_chip`, but several that differ only in what they
    compute (an M4 with 8 or 10 cores) are listed too: prompts are read at other rates there.

    Raises InputError as `find_chip`.
    """
    return chips().get(name) or _find_chip(name, None, memory_bytes, exact=True)


def possible_chips(name: str, memory_bytes: float | None = None) -> tuple[Chip, ...]:
    """The chip of a name, or those that may have it; empty for a name of no chip."""
    try:
        return (find_chip(name, memory_bytes=memory_bytes),)
    except SeveralChips as error:
        return error.candidates
    except InputError:
        return ()


@lru_cache(maxsize=4096)
def _find_chip(
    name: str,
    bandwidth_bytes_s: float | None,
    memory_bytes: float | None,
    *,
    exact: bool = False,
) -> Chip:
    query = parse_name(name)
    query = replace(
        query,
        beside_bandwidth=bandwidth_bytes_s,
        beside_gib=None if memory_bytes is None else memory_bytes / GIB,
    )
    in_name = query.words | ({query.kind} if query.kind else set())  # `GT 1030 DDR4`
    if query.words and query.kind and not query.rate and matching(in_name):
        query = replace(query, words=in_name, kind=None)
    if query.kind is not None and not query.words and not query.codes:
        chip = _with_platform(_memory_kind(name, query), query)
        return _with_memory(_as_said(name, chip, query), query)
    words, count, matches = _words_that_match(query)
    if matches:
        chip = choose(name, words, query, matches, exact)
        return _counted(_with_platform(_with_kind(chip, query), query), count)
    processor = find_processor(query.plain)
    if processor is not None:
        _refuse_unknown(name, frozenset(split_words(processor.further_words)), [processor.chip])
        chip = _with_kind(_with_platform(processor.chip, query), query, processor.channels)
        return _counted(_with_memory(_as_said(name, chip, query), query), query.count)
    words = query.words & vocabulary()
    candidates = matching(words) if any(map(_TELLING.fullmatch, words - CHEAP)) else []
    _refuse_unknown(name, query.words - words, plainest(words, candidates))
    _refuse_mixed(name)
    raise InputError(f"no chip {name!r} is known. {_hint(name)}")


def _words_that_match(query: ChipQuery) -> tuple[frozenset[str], int, list[Chip]]:
    """The words to go by, how many chips, and those that match: `X2` may belong to the name, a
    plural `s` does not; without any words of a chip, a driver's code names the hardware."""
    words = query.words
    if query.codes and is_vague(words):
        words = words | frozenset(query.codes)
    doubled = words | {f"x{query.count}"}
    if query.count > 1 and not is_vague(words) and (matches := matching(doubled)):
        return doubled, 1, matches
    matches = matching(words)
    if not matches and query.count > 1:
        words = frozenset(re.sub(r"(?<=\d)s$", "", word) for word in words)
        matches = matching(words)
    return words, query.count, matches


def _memory_kind(name: str, query: ChipQuery) -> Chip:
    """Main memory: `dual channel DDR5-5600`. Raises InputError for a rate that is not sold."""
    kind = (query.kind or "").upper()
    rates = KINDS.get(kind)
    channels = query.channels or (query.count if query.count > 1 else 2)
    if rates is None:
        raise InputError(f"no chip {name!r} is known. {did_you_mean(kind, KINDS)}")
    if query.rate is None:
        listed = ", ".join(str(rate) for rate in rates)
        raise InputError(f"{name!r} may be any of several; say the rate: {kind}-{listed}")
    if query.rate not in rates:
        near = min(rates, key=lambda rate: abs(rate - (query.rate or 0)))
        raise InputError(
            f"no chip {name!r} is known. Did you mean '{kind}-{near}, {_channels(channels)}'?"
        )
    listed_kind = chips().get(f"{kind}-{query.rate}, {_channels(channels)}")
    if listed_kind is not None:
        return listed_kind
    two = chips()[f"{kind}-{query.rate}, 2 channels"]
    return replace(
        two,
        name=f"{kind}-{query.rate}, {_channels(channels)}",
        bandwidth_bytes_s=bandwidth(query.rate, channels),
    )


def _channels(count: int) -> str:
    return f"{count} channel{'s' if count > 1 else ''}"


def _with_kind(chip: Chip, query: ChipQuery, channels: float | None = None) -> Chip:
    """A chip that uses the system's memory, with the memory that the name says."""
    if query.kind is None:
        return chip
    first = next(iter(memory_of(chip)), None)
    if channels is None and first is None:
        raise InputError(f"{chip.name} has memory of its own; leave out {query.kind}")
    kinds = {memory.split()[0].lower() for memory in memory_of(chip)}
    if kinds and query.kind not in kinds:
        raise InputError(f"{chip.name} takes {' or '.join(memory_of(chip))}, not {query.kind}")
    if query.rate is None:
        rates = ", ".join(map(str, KINDS.get(query.kind.upper(), ())))
        raise InputError(f"{query.kind} comes in several rates; say which: {query.kind}-{rates}")
    usual = channels or chip.bandwidth_bytes_s / bandwidth(float((first or " 1").split()[1]), 1)
    count = query.channels or usual
    kind = query.kind.upper()
    return replace(
        chip,
        bandwidth_bytes_s=bandwidth(query.rate, count),
        memory_type=kind,
        notes=(f"with {kind}-{query.rate} on {count:g} channels",),
    )


def _as_said(name: str, chip: Chip, query: ChipQuery) -> Chip:
    """The chip, if its memory and bandwidth are those of the name. Raises InputError otherwise."""
    named = query.bandwidth_bytes_s
    if query.memory_type is not None or (named and not has_bandwidth(chip, named)):
        feature = query.memory_type or f"{(named or 0) / 1e9:g} GB/s"
        raise InputError(f"not understood: {feature} in {name!r}. {list_chips([chip])}")
    return chip


def _with_memory(chip: Chip, query: ChipQuery) -> Chip:
    size = next(iter(query.memory_gib), None)
    return chip if size is None else replace(chip, memory_bytes=round(size * GIB))


def _with_platform(chip: Chip, query: ChipQuery) -> Chip:
    platform = query.platform
    if platform is None:
        return chip
    if (chip.platform == "cpu" and platform != "cpu") or (platform == "cpu" and not chip.unified):
        raise InputError(f"{chip.name} does not compute through {platform}; leave that out")
    return replace(chip, platform=platform)


def _counted(chip: Chip, count: int) -> Chip:
    if count == 1:
        return chip
    if not 1 <= count <= _MOST_CHIPS:
        raise InputError(f"{count} of {chip.name}: say how many from 1 to {_MOST_CHIPS}")
    if chip.unified and chip.platform != "cpu":
        raise InputError(
            f"{chip.name} has its own system: {count} are as many machines; ask of one"
        )
    memory = None if chip.memory_bytes is None else chip.memory_bytes * count
    sockets = chip.platform == "cpu"
    notes = ("the bandwidth of one socket is assumed for all",) if sockets else ()
    return replace(
        chip,
        name=f"{count}x {chip.name}",
        memory_bytes=memory,
        count=1 if sockets else chip.count * count,
        notes=(*chip.notes, *notes),
    )


def _refuse_unknown(name: str, words: frozenset[str], candidates: Sequence[Chip]) -> None:
    unknown = [word for word in split_words(name) if word in words and word not in IDLE]
    if unknown and candidates:
        quoted = ", ".join(repr(word) for word in dict.fromkeys(unknown))
        raise InputError(
            f"not understood: {quoted} in {name!r}. Without it: {list_chips(candidates)}"
        )


def _refuse_mixed(name: str) -> None:
    parts = re.split(r"\s*\+\s+|\s+(?:and|with)\s+|\s*&\s*", name)
    if len(parts) > 1 and all(matching(parse_name(part).words) for part in parts):
        listed = " and ".join(repr(part.strip()) for part in parts)
        raise InputError(f"{listed} are different chips: ask of each, or of several of one kind")


def _hint(name: str) -> str:
    """The nearest name, compared word by word, since the owner's name is shorter than ours."""
    query = " ".join(split_words(name))
    short_names = {
        " ".join(word for word in split_words(chip) if word not in CHEAP - {"rtx", "rx"}): chip
        for chip in reversed(list(chips()))
        if "channel" not in chip
    }
    near = did_you_mean(query, short_names)
    for short_name, chip in short_names.items():
        if near == f"Did you mean {short_name!r}?":
            return f"Did you mean {chip!r}?"
    return "`grid predict --list ''` names them."
