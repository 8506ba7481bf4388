"""Of the chips that a name may mean, the one that is meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from grid.errors import InputError
from grid.hardware.chips.chip import Chip
from grid.hardware.chips.match import chip_words, is_variant, plainest
from grid.hardware.chips.names import ChipQuery
from grid.units import GIB

_SAME_BANDWIDTH = 0.06
"""Tables round bandwidths: 800 or 819 GB/s."""
_EQUAL = 0.02
_LEAST_SHARE, _MOST_SHARE = 0.92, 1.01
"""What systems report of the memory that is sold."""
_REBUILT = (2.0, 4.0, 0.5)
"""Memory of rebuilt cards, and of cheaper ones, as a multiple of the data sheet's."""
_LISTED = 8


class SeveralChips(InputError):
    """A name that several chips have; `candidates` are those."""

    def __init__(self, message: str, candidates: Sequence[Chip]) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


def choose(
    name: str, words: frozenset[str], query: ChipQuery, matches: list[Chip], exact: bool = False
) -> Chip:
    """The chip meant. Raises InputError where several could be, or none has the memory; with
    `exact` several are also those that differ only in what they compute."""
    matches = _with_features(name, query, matches)
    size = query.beside_gib
    wanted = query.beside_bandwidth
    if wanted is not None:
        matches = _narrow(matches, lambda chip: has_bandwidth(chip, wanted))
    plain = plainest(words, matches)
    if size is not None and not query.memory_gib:
        plain = _narrow(plain, lambda chip: _sized(chip, size, query.count) is not None)
    plain, memory_note = _with_memory_of(name, words, query, plain, matches)
    exact = exact and not query.codes  # a driver cannot say more
    if not _agree(plain) or (exact and not _compute_alike(plain)):
        listed = list_chips(plain)
        raise SeveralChips(f"{name!r} may be any of several; say which: {listed}", plain)
    chip = plain[0]
    if memory_note:
        chip = replace(chip, notes=(*chip.notes, memory_note))
    others = [rival.name for rival in plain if rival.name != chip.name]
    if others:
        note = f"{chip.name} assumed; it may be {' or '.join(dict.fromkeys(others))}"
        chip = replace(chip, notes=(*chip.notes, note))
    return chip


def _with_features(name: str, query: ChipQuery, matches: list[Chip]) -> list[Chip]:
    """The chips that have all that the name says besides words and memory. Raises InputError where
    none has it."""
    cores = frozenset(query.cores)
    named, kind = query.bandwidth_bytes_s, query.memory_type
    features: tuple[tuple[str, object, Callable[[Chip], bool]], ...] = (
        (f"{kind}", kind, lambda c: c.memory_type.lower() == kind),
        (", ".join(query.cores), cores, lambda c: _has_cores(c, cores)),
        (f"{(named or 0) / 1e9:g} GB/s", named, lambda c: has_bandwidth(c, named or 0)),
    )
    for text, feature, has in features:
        fitting = [chip for chip in matches if has(chip)] if feature else matches
        if not fitting:
            raise InputError(f"not understood: {text} in {name!r}. {list_chips(matches)}")
        matches = fitting
    return matches


def _has_cores(chip: Chip, cores: frozenset[str]) -> bool:
    """Of Apple's chips the cores are known, of a card nobody says them so."""
    return chip_words(chip) >= cores if chip.vendor == "Apple" else chip.unified


def _with_memory_of(
    name: str, words: frozenset[str], query: ChipQuery, plain: list[Chip], matches: list[Chip]
) -> tuple[list[Chip], str]:
    """The plain chips with the memory that the name says, as a note where it is not a sheet's."""
    if not query.memory_gib:
        return plain, ""
    for size in query.memory_gib:
        for count in dict.fromkeys((1, query.count)):
            having = [chip for chip in plain if _sized(chip, size, count)]
            if having:
                _refuse_main_memory(name, query, having)
                return _with_size(having, size, count)
        variants = [chip for chip in matches if is_variant(words, chip)]
        sized = [chip for chip in variants if _sized(chip, size, query.count)]
        if sized:
            chosen = plainest(words, sized)
            return chosen, f"{size:g} GiB is what {chosen[0].name} has"
    size = query.memory_gib[0]
    rebuilt = [chip for chip in plain if _may_be_rebuilt(chip, size)]
    if not rebuilt:
        raise InputError(f"no chip {name!r} is known: it has not {size:g} GiB. {list_chips(plain)}")
    least = min(size * GIB / (chip.memory_bytes or 1) for chip in rebuilt)
    rebuilt = [chip for chip in rebuilt if size * GIB / (chip.memory_bytes or 1) == least]
    note = (
        f"its data sheet says {(rebuilt[0].memory_bytes or 0) / GIB:g} GiB; {size:g} GiB are taken "
        "as said, its bandwidth from the sheet"
    )
    return [replace(chip, memory_bytes=round(size * GIB)) for chip in rebuilt], note


def _with_size(having: list[Chip], size: float, count: int) -> tuple[list[Chip], str]:
    """Chips that come with a memory, each or `count` together."""
    sized = [chip for chip in (_sized(chip, size, count) for chip in having) if chip]
    of_all = f"{size:g} GiB is taken as the memory of all {count} together" if count > 1 else ""
    return sized, of_all


def _refuse_main_memory(name: str, query: ChipQuery, having: Sequence[Chip]) -> None:
    """A second size beside a card's own is another memory."""
    beside = [
        size
        for size in query.memory_gib
        if not any(_sized(chip, size, count) for chip in having for count in (1, query.count))
    ]
    if beside and not having[0].unified:
        raise InputError(
            f"not understood: {beside[0]:g} GiB beside {having[0].name} in {name!r}; main memory "
            "is said apart (grid recommend --ram)"
        )


def _sized(chip: Chip, size_gib: float, count: int) -> Chip | None:
    """The chip with this memory, None where it does not come with it."""
    memory = size_gib * GIB
    if chip.memory_bytes is not None:
        parts = {chip.memory_bytes, chip.memory_bytes * count, chip.memory_bytes / chip.count}
        near = any(_LEAST_SHARE * whole <= memory <= _MOST_SHARE * whole for whole in parts)
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


def has_bandwidth(chip: Chip, wanted: float) -> bool:
    """Whether the bandwidth is that, as tables round it."""
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


def _compute_alike(candidates: Sequence[Chip]) -> bool:
    rates = [chip.flops_half for chip in candidates]
    stated = [rate for rate in rates if rate]
    if len(stated) < len(rates):
        return len(rates) == 1
    return max(stated) <= (1 + _EQUAL) * min(stated)


def describe(chip: Chip) -> str:
    """`NVIDIA L4 (24 GiB, 300 GB/s)`, with the memories that it is sold with."""
    gb_s = f"{chip.bandwidth_bytes_s / 1e9:.0f} GB/s"
    each = f"{chip.count} devices of {gb_s}" if chip.count > 1 else gb_s
    if chip.memory_bytes is not None:
        return f"{chip.name} ({chip.memory_bytes / GIB:g} GiB, {each})"
    sizes = " or ".join(f"{size / GIB:g}" for size in chip.memory_options)
    return f"{chip.name} ({sizes + ' GiB, ' if sizes else ''}{each})"


def list_chips(candidates: Sequence[Chip]) -> str:
    """Chips with memory and bandwidth, the first few of many."""
    listed = "; ".join(describe(chip) for chip in candidates[:_LISTED])
    rest_count = len(candidates) - _LISTED
    return f"{listed}; and {rest_count} others" if rest_count > 0 else listed
