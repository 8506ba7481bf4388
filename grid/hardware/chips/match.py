"""Which chips a name may mean, and which of them plainly."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType

from grid.hardware.chips.apple import apple_chips
from grid.hardware.chips.cards import cards
from grid.hardware.chips.chip import Chip
from grid.hardware.chips.integrated import integrated_chips
from grid.hardware.chips.memory import memory_kinds
from grid.hardware.chips.names import split_words

CHEAP = frozenset(
    {"nvidia", "amd", "intel", "apple", "geforce", "radeon", "quadro", "rtx", "rx", "arc"}
    | {"instinct", "jetson", "generation", "ada", "blackwell", "xe", "xeon"}
)
"""Words that people leave out of names."""
_UNUSUAL = frozenset(
    {"mobile", "maxq", "embedded", "drive", "grid", "prod", "oem", "cnx", "dgxs", "x2", "d", "v2"}
    | {"mining", "hc", "sff", "le", "fhhl", "refresh", "passive", "low", "power"}
)
"""Words of laptops' and makers' variants, which are seldom meant by a name without them."""
_VAGUE = frozenset(
    {"ryzen", "pro", "max", "ultra", "super", "ti", "xt", "xtx", "mobile", "x2", "plus", "extreme"}
)
"""Words of variants, which tell no chip alone."""
_DIE = re.compile(r"(?:ga|ad|tu|gp|gk|gm)\d{3}")
_MEMORY = re.compile(r"\d+(?:\.\d+)?gb")
_TESLA = re.compile(r"Tesla M\d\b")
_FORM = re.compile(r"pcie|sxm\d?|nvl")
_SMALL, _FORM_WEIGHT, _SERIES, _WORD, _RARE = 0.001, 0.01, 0.2, 1.0, 3.0
_WEIGHTS = {
    "nvl": 2 * _FORM_WEIGHT,
    "gtx": _SERIES,
    "gt": _SERIES,
    "pascal": _SERIES,
    "hd": _SERIES,
}
_TOLERANCE = 0.05
"""Weights that differ less leave names equally plain."""


@cache
def chips() -> Mapping[str, Chip]:
    """Every known chip by its name: Apple's, kinds of main memory, integrated graphics, then
    cards, oldest first."""
    all_chips = (*apple_chips(), *memory_kinds(), *integrated_chips(), *cards())
    return MappingProxyType({chip.name: chip for chip in all_chips})


def matching(words: frozenset[str]) -> list[Chip]:
    """Chips with all of the words in their names or aliases; kinds of memory are left out."""
    if is_vague(words):
        return []
    return [chip for chip in _named() if words <= chip_words(chip) and not _is_tesla(words, chip)]


def is_vague(words: frozenset[str]) -> bool:
    """Whether the words are only makers, series and variants."""
    return not words - CHEAP - _VAGUE and not words & {"arc"}


def _is_tesla(words: frozenset[str], chip: Chip) -> bool:
    """Whether `M6` would be taken for a Tesla of that name: it is a Mac's unless one says so."""
    return bool(_TESLA.search(chip.name)) and not words & {"tesla", "nvidia"}


def plainest(words: frozenset[str], matches: Iterable[Chip]) -> list[Chip]:
    """Of chips that match, those whose names have least beside the words, the plainest first."""
    weights = {chip.name: surplus(words, chip) for chip in matches}
    least = min(weights.values(), default=0.0)
    near = [chip for chip in matches if weights[chip.name] <= least + _TOLERANCE]
    return sorted(near, key=lambda chip: (weights[chip.name], chip.flops_half or math.inf))


def surplus(words: frozenset[str], chip: Chip) -> float:
    """Weight of the words in a name beyond those of the query; the less, the likelier it is
    meant."""
    beyond = frozenset(split_words(chip.name)) - words
    return math.fsum(_weight(word, chip) for word in beyond)


def is_variant(words: frozenset[str], chip: Chip) -> bool:
    """Whether only a laptop's or a maker's word tells the chip from the plain one."""
    beyond = frozenset(split_words(chip.name)) - words
    return all(_weight(word, chip) != _WORD for word in beyond)


def is_unusual(chip: Chip) -> bool:
    """Whether its name has a word of laptops' or makers' variants."""
    return any(_weight(word, chip) == _RARE for word in split_words(chip.name))


def vocabulary() -> frozenset[str]:
    """Every word of every chip."""
    return _vocabulary()


def chip_words(chip: Chip) -> frozenset[str]:
    """Words of a chip's name and of its aliases."""
    return _words_of(chip.name, chip.vendor, chip.aliases)


def search_chips(text: str) -> list[Chip]:
    """The chips with all words of `text` in their names; all chips for an empty one."""
    query = frozenset(split_words(text))
    return [chip for chip in chips().values() if query <= chip_words(chip)]


@cache
def _named() -> Sequence[Chip]:
    return [chip for chip in chips().values() if "channel" not in chip.name]


@cache
def _vocabulary() -> frozenset[str]:
    return frozenset().union(*map(chip_words, _named()))


@cache
def _words_of(name: str, vendor: str, aliases: tuple[str, ...]) -> frozenset[str]:
    words = split_words(name)
    forms = ("sxm",) if any(word.startswith("sxm") for word in words) else ()
    return frozenset((*words, vendor.lower(), *aliases, *forms))


def _weight(word: str, chip: Chip) -> float:
    if word in CHEAP or _MEMORY.fullmatch(word):
        return _SMALL
    if word in _UNUSUAL or _DIE.fullmatch(word):
        return _RARE
    if _FORM.fullmatch(word):
        return _WEIGHTS.get(word, _FORM_WEIGHT)
    if chip.vendor == "Apple" and word.isdigit():
        return _SMALL
    if (word == "pro" and "RTX" in chip.name) or (word == "super" and "Jetson" in chip.name):
        return _SMALL
    return _WEIGHTS.get(word, _WORD)
