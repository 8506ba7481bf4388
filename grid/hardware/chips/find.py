"""Find a chip by the name that its owner or a driver would write."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

from grid.errors import InputError, did_you_mean
from grid.hardware.chips.chip import Chip
from grid.hardware.chips.integrated import memory_of
from grid.hardware.chips.match import (
    CHEAP,
    chip_words,
    chips,
    is_variant,
    matching,
    plainest,
    vocabulary,
)
from grid.hardware.chips.memory import KINDS, bandwidth
from grid.hardware.chips.names import IDLE, ChipQuery, parse_name, split_words
from grid.hardware.chips.processors import find_processor
from grid.units import GIB

_SAME_BANDWIDTH = 0.06
"""Tables round bandwidths: 800 or 819 GB/s."""
_EQUAL = 0.02
_LEAST_SHARE, _MOST_SHARE = 0.92, 1.01
"""What systems report of the memory that is sold."""
_REBUILT = (2.0, 4.0, 0.5)
"""Memory of rebuilt cards, and of cheaper ones, as a multiple of the data sheet's."""
_LISTED = 8
_MOST_CHIPS = 128
_SHORT = 2
"""Letters of a word that alone tells no chip."""


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


@lru_cache(maxsize=4096)
def _find_chip(name: str, bandwidth_bytes_s: float | None, memory_bytes: float | None) -> Chip:
    query = parse_name(name)
    query = replace(
        query,
        bandwidth_bytes_s=bandwidth_bytes_s or query.bandwidth_bytes_s,
        beside_gib=None if memory_bytes is None else memory_bytes / GIB,
    )
    if query.kind is not None and not query.words:
        return _with_memory(_memory_kind(name, query), query)
    words, count, matches = _words_that_match(query)
    if matches:
        chip = _choose(name, words, query, matches)
        return _counted(_with_platform(_with_kind(chip, query), query), count)
    processor = find_processor(query.plain)
    if processor is not None:
        _refuse_unknown(name, frozenset(split_words(processor.rest)), [processor.chip])
        chip = _with_kind(processor.chip, query, processor.channels)
        return _counted(_with_memory(chip, query), query.count)
    known = query.words & vocabulary()
    candidates = matching(known) if any(len(word) > _SHORT for word in known - CHEAP) else []
    _refuse_unknown(name, query.words - known, plainest(known, candidates))
    _refuse_mixed(name)
    raise InputError(f"no chip {name!r} is known. {_hint(name)}")


def _words_that_match(query: ChipQuery) -> tuple[frozenset[str], int, list[Chip]]:
    """The words to go by, how many chips, and those that match: `X2` may belong to the name, a
    plural `s` does not; without any words of a chip, a driver's code names the hardware."""
    words = query.words
    if query.codes and not words - CHEAP:
        words = words | frozenset(query.codes)
    doubled = words | {f"x{query.count}"}
    if query.count > 1 and (matches := matching(doubled)):
        return doubled, 1, matches
    matches = matching(words)
    if not matches and query.count > 1:
        words = frozenset(re.sub(r"(?<=\d)s$", "", word) for word in words)
        matches = matching(words)
    return words, query.count, matches


def _choose(name: str, words: frozenset[str], query: ChipQuery, matches: list[Chip]) -> Chip:
    """The chip meant. Raises InputError where several could be, or none has the memory."""
    matches = _narrow(matches, lambda chip: chip.memory_type.lower() == query.memory_type)
    if query.cores and any(chip.vendor == "Apple" for chip in matches):
        fitting = [chip for chip in matches if chip_words(chip) >= frozenset(query.cores)]
        if not fitting:
            cores = ", ".join(query.cores)
            raise InputError(f"not understood: {cores} in {name!r}. {_list(matches)}")
        matches = fitting
    wanted, size = query.bandwidth_bytes_s, query.beside_gib
    if wanted is not None:
        matches = _narrow(matches, lambda chip: _has_bandwidth(chip, wanted))
    plain = plainest(words, matches)
    if size is not None and not query.memory_gib:
        plain = _narrow(plain, lambda chip: _sized(chip, size, query.count) is not None)
    plain, memory_note = _with_memory_of(name, words, query, plain, matches)
    if not _agree(plain):
        raise InputError(f"{name!r} may be any of several; say which: {_list(plain)}")
    chip = plain[0]
    if memory_note:
        chip = replace(chip, notes=(*chip.notes, memory_note))
    others = [other.name for other in plain if other.name != chip.name]
    if others:
        note = f"{chip.name} assumed; it may be {' or '.join(dict.fromkeys(others))}"
        chip = replace(chip, notes=(*chip.notes, note))
    return chip


def _with_memory_of(
    name: str, words: frozenset[str], query: ChipQuery, plain: list[Chip], matches: list[Chip]
) -> tuple[list[Chip], str]:
    """The plain chips with the memory that the name says, as a note where it is not a sheet's."""
    if not query.memory_gib:
        return plain, ""
    for size in query.memory_gib:
        having = [_sized(chip, size, query.count) for chip in plain]
        if any(having):
            return [chip for chip in having if chip], ""
        variants = [chip for chip in matches if is_variant(words, chip)]
        other = [_sized(chip, size, query.count) for chip in variants]
        if any(other):
            chosen = plainest(words, [chip for chip in other if chip])
            return chosen, f"{size:g} GiB is what {chosen[0].name} has"
    size = query.memory_gib[0]
    rebuilt = [chip for chip in plain if _may_be_rebuilt(chip, size)]
    if not rebuilt:
        raise InputError(f"no chip {name!r} is known: it has not {size:g} GiB. {_list(plain)}")
    least = min(size * GIB / (chip.memory_bytes or 1) for chip in rebuilt)
    rebuilt = [chip for chip in rebuilt if size * GIB / (chip.memory_bytes or 1) == least]
    note = (
        f"its data sheet says {(rebuilt[0].memory_bytes or 0) / GIB:g} GiB; {size:g} GiB are taken "
        "as said, its bandwidth from the sheet"
    )
    return [replace(chip, memory_bytes=round(size * GIB)) for chip in rebuilt], note


def _sized(chip: Chip, size_gib: float, count: int) -> Chip | None:
    """The chip with this memory, None where it does not come with it."""
    memory = size_gib * GIB
    if chip.memory_bytes is not None:
        total = chip.memory_bytes * count
        near = any(
            _LEAST_SHARE * whole <= memory <= _MOST_SHARE * whole
            for whole in {chip.memory_bytes, total}
        )
        return chip if near else None
    options = chip.memory_options
    if options:
        fitting = [o for o in options if _LEAST_SHARE * o <= memory <= _MOST_SHARE * o]
        return replace(chip, memory_bytes=fitting[0]) if fitting else None
    return replace(chip, memory_bytes=round(memory))


def _may_be_rebuilt(chip: Chip, size_gib: float) -> bool:
    if chip.memory_bytes is None or chip.unified:
        return False
    return size_gib * GIB / chip.memory_bytes in _REBUILT


def _has_bandwidth(chip: Chip, wanted: float) -> bool:
    return abs(chip.bandwidth_bytes_s / wanted - 1) < _SAME_BANDWIDTH


def _narrow(matches: list[Chip], accepts: Callable[[Chip], bool]) -> list[Chip]:
    """Those that a test accepts, all where it accepts none."""
    fitting = [chip for chip in matches if accepts(chip)]
    return fitting or matches


def _agree(candidates: Sequence[Chip]) -> bool:
    first = candidates[0]
    return all(
        chip.memory_bytes == first.memory_bytes
        and abs(chip.bandwidth_bytes_s / first.bandwidth_bytes_s - 1) < _EQUAL
        for chip in candidates
    )


def _memory_kind(name: str, query: ChipQuery) -> Chip:
    """Main memory: `dual channel DDR5-5600`. Raises InputError for a rate that is not sold."""
    kind = (query.kind or "").upper()
    rates = KINDS.get(kind)
    channels = query.channels or 2
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
    known = chips().get(f"{kind}-{query.rate}, {_channels(channels)}")
    if known is not None:
        return known
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
    if query.kind is None or query.rate is None:
        return chip
    first = next(iter(memory_of(chip)), None)
    if channels is None and first is None:
        raise InputError(f"{chip.name} has memory of its own; leave out {query.kind}-{query.rate}")
    usual = channels or chip.bandwidth_bytes_s / bandwidth(float((first or " 1").split()[1]), 1)
    count = query.channels or usual
    kind = query.kind.upper()
    return replace(
        chip,
        bandwidth_bytes_s=bandwidth(query.rate, count),
        memory_type=kind,
        notes=(f"with {kind}-{query.rate} on {count:g} channels",),
    )


def _with_memory(chip: Chip, query: ChipQuery) -> Chip:
    size = next(iter(query.memory_gib), None)
    return chip if size is None else replace(chip, memory_bytes=round(size * GIB))


def _with_platform(chip: Chip, query: ChipQuery) -> Chip:
    platform = query.platform
    if platform is None or (platform == "cpu" and not chip.unified):
        return chip
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
        said = ", ".join(repr(word) for word in dict.fromkeys(unknown))
        raise InputError(f"not understood: {said} in {name!r}. Without it: {_list(candidates)}")


def _refuse_mixed(name: str) -> None:
    parts = re.split(r"\s*\+\s+|\s+(?:and|with)\s+|\s*&\s*", name)
    if len(parts) > 1 and all(matching(parse_name(part).words) for part in parts):
        listed = " and ".join(repr(part.strip()) for part in parts)
        raise InputError(f"{listed} are different chips: ask of each, or of several of one kind")


def describe(chip: Chip) -> str:
    """`NVIDIA L4 (24 GiB, 300 GB/s)`, with the memories that it is sold with."""
    gb_s = f"{chip.bandwidth_bytes_s / 1e9:.0f} GB/s"
    each = f"{chip.count} devices of {gb_s}" if chip.count > 1 else gb_s
    if chip.memory_bytes is not None:
        return f"{chip.name} ({chip.memory_bytes / GIB:g} GiB, {each})"
    sizes = " or ".join(f"{size / GIB:g}" for size in chip.memory_options)
    return f"{chip.name} ({sizes + ' GiB, ' if sizes else ''}{each})"


def _list(candidates: Sequence[Chip]) -> str:
    listed = "; ".join(describe(chip) for chip in candidates[:_LISTED])
    more = len(candidates) - _LISTED
    return f"{listed}; and {more} others" if more > 0 else listed


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
