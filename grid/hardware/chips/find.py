"""Find a chip by the name that its owner would type."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType

from grid.errors import InputError, did_you_mean
from grid.hardware.chips.apple import apple_chips
from grid.hardware.chips.cards import cards
from grid.hardware.chips.chip import PLATFORMS, Chip
from grid.hardware.chips.memory import memory_kinds
from grid.units import GIB

_IGNORED = frozenset({"gpu", "core", "cores", "graphics", "card", "ram", "memory", "chip", "the"})
_CHEAP = frozenset({"nvidia", "amd", "intel", "apple", "geforce", "radeon", "tesla", "quadro"})
_UNUSUAL = frozenset(
    {"mobile", "max", "q", "embedded", "drive", "grid", "prod", "oem", "cnx", "nvl", "dgxs"}
    | {"x2", "d", "v2", "mining", "hc", "sff", "le", "fhhl"}
)
"""Words of laptops' and makers' variants, which are seldom meant by a name without them."""
_ALIASES = {"laptop": "mobile", "notebook": "mobile", "workstation": ""}
_DRIVER = re.compile(r"(hbm|gddr|navi|gfx|sm)\d+[a-z]*")
_MEMORY = re.compile(r"\d+gb")
_MEMORY_TYPE = re.compile(r"(hbm|gddr)\d+[a-z]*")
_SAME_BANDWIDTH = 0.06
"""Tables round bandwidths: 800 or 819 GB/s."""
_SMALL, _VARIANT, _WORD, _RARE = 0.01, 0.1, 1.0, 3.0
"""How much a word that is not in the query speaks against a chip, by kind of word."""


@cache
def chips() -> Mapping[str, Chip]:
    """Every known chip by its name: Apple's, kinds of main memory, then cards, oldest first."""
    all_chips = (*apple_chips(), *memory_kinds(), *cards())
    return MappingProxyType({chip.name: chip for chip in all_chips})


def find_chip(name: str, bandwidth_bytes_s: float | None = None) -> Chip:
    """The chip meant by `4090`, `rtx 3060 12gb`, `m2 ultra 76` or `ddr5-5600`.

    All of its words must be in the chip's name, or be the size of its memory; what drivers add is
    passed over. Of several chips the plainest is meant (the desktop card, two channels of memory),
    of equals the one that came first, of Apple chips that differ in GPU cores the smallest; a
    bandwidth, where it is given, decides first. A kind of memory (`hbm3`) tells cards of one name
    apart. A word such as `vulkan` or `rocm` says through what
    the card computes. Raises InputError with the nearest known name where there is none.
    """
    exact = chips().get(name)
    if exact is not None:
        return exact
    words = _words(name)
    platform = next((word for word in words if word in PLATFORMS), None)
    query = frozenset(words) - frozenset(PLATFORMS)
    memory = next((word for word in words if _MEMORY_TYPE.fullmatch(word)), None)
    if any(word[-1].isdigit() or word[0].isdigit() for word in query):
        query = frozenset(word for word in query if not _is_driver_word(word))
    matches = [chip for chip in chips().values() if query and _matches(query, chip)]
    if not matches:
        raise InputError(f"no chip {name!r} is known. {_hint(name)}")
    best = min(matches, key=lambda chip: _rank(query, chip, bandwidth_bytes_s, memory))
    return best if platform is None else replace(best, platform=platform)


def search_chips(text: str) -> list[Chip]:
    """The chips with all words of `text` in their names; all chips for an empty one."""
    query = frozenset(_words(text))
    return [chip for name, chip in chips().items() if query <= _name_words(name)]


def _rank(
    query: frozenset[str], chip: Chip, bandwidth: float | None, memory: str | None
) -> tuple[float, float]:
    surplus = _surplus(query, _name_words(chip.name))
    if memory is not None and memory != chip.memory_type.lower():
        surplus += _WORD
    if bandwidth is None:
        return (surplus, 0.0)
    deviation = abs(chip.bandwidth_bytes_s / bandwidth - 1)
    return (0.0 if deviation < _SAME_BANDWIDTH else 1.0, surplus)


def _is_driver_word(word: str) -> bool:
    """Whether drivers add the word to a name and no chip has it in its own: radv, hbm3, navi31."""
    return word not in _vocabulary() and (word.isalpha() or bool(_DRIVER.fullmatch(word)))


@cache
def _vocabulary() -> frozenset[str]:
    return frozenset().union(*map(_name_words, chips()))


def _matches(query: frozenset[str], chip: Chip) -> bool:
    """Whether all words are in the name or are the memory's size, which some chips leave open."""
    return all(
        _MEMORY.fullmatch(word) and word == _memory_word(chip, word)
        for word in query - _name_words(chip.name)
    )


def _memory_word(chip: Chip, word: str) -> str:
    return word if chip.memory_bytes is None else f"{chip.memory_bytes / GIB:g}gb"


def _surplus(query: frozenset[str], name_words: frozenset[str]) -> float:
    """Weight of the words in a name beyond the query; the less, the likelier it is meant."""
    return math.fsum(map(_weight, name_words - query))  # exact, whatever the order of a set


def _weight(word: str) -> float:
    if word in _CHEAP:
        return _SMALL
    if word in _UNUSUAL:
        return _RARE
    return _VARIANT if _MEMORY.fullmatch(word) or word.startswith(("pcie", "sxm")) else _WORD


@cache
def _name_words(name: str) -> frozenset[str]:
    return frozenset(_words(name))


def _words(name: str) -> list[str]:
    """`RTX3090Ti 24 GB` -> rtx 3090 ti 24gb; `M2 Ultra (76-core GPU)` -> m2 ultra 76."""
    text = name.lower().replace("(r)", " ").replace("(tm)", " ")
    text = re.sub(r"\b(rtx|gtx|rx|arc)(?=[\da-z]*\d)", r"\1 ", text)
    text = re.sub(r"(\d)(ti|super|xtx|xt)\b", r"\1 \2", text)
    text = re.sub(r"\b(m\d)(pro|max|ultra)", r"\1 \2", text)
    text = re.sub(r"\bsxm\d", "sxm", text)
    text = re.sub(r"(\d+) ?gi?b\b", r"\1gb", text)
    text = re.sub(r"\b(l?p?ddr\dx?)[ -]?(\d{4})", r"\1 \2", text)
    words = [_ALIASES.get(word, word) for word in re.findall(r"[a-z0-9]+", text)]
    return [word for word in words if word and word not in _IGNORED]


def _hint(name: str) -> str:
    """The nearest name, compared word by word, since the owner's name is shorter than ours."""
    query = " ".join(word for word in _words(name) if word not in PLATFORMS)
    short_names = {
        " ".join(word for word in _words(chip) if word not in _CHEAP): chip
        for chip in reversed(list(chips()))
        if "channel" not in chip
    }
    short_names |= {
        " ".join(_words(chip.partition(",")[0])): chip for chip in chips() if ", 2 channels" in chip
    }
    near = did_you_mean(query, short_names)
    for short_name, chip in short_names.items():
        if near == f"Did you mean {short_name!r}?":
            return f"Did you mean {chip!r}?"
    return "`grid predict --list` names them."
