"""Processors by name: the channels and the kind of memory of their family.

Sources: the memory specification on the maker's page of each family (Intel ARK, AMD's product
pages, Ampere, AWS). The rate is the fastest that the maker states with a module in each channel.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from grid.hardware.chips.chip import Chip
from grid.hardware.chips.memory import bandwidth


class ProcessorFamily(NamedTuple):
    """A pattern of names (lower case), maker, channels, kind and rate of the memory."""

    pattern: str
    vendor: str
    channels: float
    kind: str
    rate: int
    source: str


_AMD, _INTEL = "AMD's product page", "Intel's product page (ARK)"
_X = "LPDDR5X"


def _ryzen(pattern: str, rate: int, kind: str = "DDR4", channels: float = 2) -> ProcessorFamily:
    return ProcessorFamily(rf"ryzen (?:pro )?[3579] (?:pro )?({pattern})", "AMD", channels, kind,
                  rate, _AMD)  # fmt: skip


def _threadripper(pattern: str, channels: int, kind: str, rate: int) -> ProcessorFamily:
    return ProcessorFamily(rf"threadripper (?:pro )?({pattern})", "AMD", channels,
                  kind, rate, _AMD)  # fmt: skip


def _epyc(pattern: str, channels: int, kind: str, rate: int) -> ProcessorFamily:
    return ProcessorFamily(rf"epyc ({pattern})", "AMD", channels, kind, rate, _AMD)


def _core(pattern: str, rate: int, kind: str = "DDR5", channels: int = 2) -> ProcessorFamily:
    return ProcessorFamily(rf"i[3579] ({pattern})", "Intel", channels, kind, rate, _INTEL)


def _ultra(pattern: str, rate: int, kind: str) -> ProcessorFamily:
    return ProcessorFamily(rf"ultra (?:x?[579] )?({pattern})", "Intel", 2, kind, rate, _INTEL)


def _xeon(pattern: str, channels: int, kind: str, rate: int) -> ProcessorFamily:
    return ProcessorFamily(rf"xeon (?:\w+ )??({pattern})", "Intel", channels, kind, rate, _INTEL)


def _e5(pattern: str, channels: int, kind: str, rate: int) -> ProcessorFamily:
    return ProcessorFamily(rf"(?:xeon )?({pattern})", "Intel", channels, kind, rate, _INTEL)


FAMILIES = (
    _threadripper(r"9\d{3}wx", 8, "DDR5", 6400),
    _threadripper(r"99\d{2}x", 4, "DDR5", 6400),
    _threadripper(r"7\d{3}wx", 8, "DDR5", 5200),
    _threadripper(r"79\d{2}x", 4, "DDR5", 5200),
    _threadripper(r"[35]\d{3}wx", 8, "DDR4", 3200),
    _threadripper(r"39\d{2}x", 4, "DDR4", 3200),
    _threadripper(r"29\d{2}w?x", 4, "DDR4", 2933),
    _threadripper(r"19\d{2}x", 4, "DDR4", 2666),
    _epyc(r"9[0-9]{2}5[a-z]*", 12, "DDR5", 6000),
    _epyc(r"9[0-9]{2}4[a-z]*", 12, "DDR5", 4800),
    _epyc(r"8[0-9]{2}4[a-z]*", 6, "DDR5", 4800),
    _epyc(r"4[0-9]{2}5[a-z]*", 2, "DDR5", 5600),
    _epyc(r"4[0-9]{2}4[a-z]*", 2, "DDR5", 5200),
    _epyc(r"9v\d{2}[a-z]*", 12, "DDR5", 4800),
    _epyc(r"7[0-9a-f]{2}[23][a-z]*|7v\d{2}[a-z]*", 8, "DDR4", 3200),
    _epyc(r"7[0-9]{2}1[a-z]*", 8, "DDR4", 2666),
    ProcessorFamily(r"ryzen ai (?:[579] )?(?:hx )?(3[4-7]\d)", "AMD", 2, _X, 7500, _AMD),
    _ryzen(r"[78]\d45hx3?d?", 5200, "DDR5"),
    _ryzen(r"9\d{3}hx3?d?", 5600, "DDR5"),
    _ryzen(r"[78]\d40[a-z]+", 5600, "DDR5"),
    _ryzen(r"[67]\d(?:00|35|36)(?:h|hs|hx|u)", 4800, "DDR5"),
    _ryzen(r"7\d20u", 5500, "LPDDR5"),
    _ryzen(r"7\d30u", 3200),
    _ryzen(r"[45]\d{3}(?:h|hs|hx|u|ge?|gt)", 3200),
    _ryzen(r"3\d{3}(?:h|u)", 2400),
    _ryzen(r"2\d{3}(?:h|u)", 2400),
    _ryzen(r"9\d{3}(?:x|x3d|f|ge?)?", 5600, "DDR5"),
    _ryzen(r"[78]\d{3}(?:x|x3d|f|ge?)?", 5200, "DDR5"),
    _ryzen(r"5\d{3}(?:x|xt|x3d|f)?", 3200),
    _ryzen(r"4\d{3}g?", 3200),
    _ryzen(r"3\d{3}(?:x|xt|ge?)?", 3200),
    _ryzen(r"2\d{3}(?:x|ge?)?", 2933),
    _ryzen(r"1\d{3}(?:x|af)?", 2666),
    _ultra(r"2\d{2}kf?|2[02-6]5[ft]?", 6400, "DDR5"),
    _ultra(r"2\d{2}hx", 6400, "DDR5"),
    _ultra(r"2\d{2}v", 8533, _X),
    _ultra(r"2\d{2}[hu]", 6400, "DDR5"),
    _ultra(r"1\d{2}[hu]", 5600, "DDR5"),
    _ultra(r"3\d{2}h?", 7200, "DDR5"),
    _core(r"109[0-9]0xe?|10900x", 2933, "DDR4", 4),
    _core(r"(?:79|98|99)\d{2}xe?", 2666, "DDR4", 4),
    _core(r"7[48]\d0x", 2666, "DDR4", 4),
    _core(r"68\d0k|6900k|6950x", 2400, "DDR4", 4),
    _core(r"58\d0k|5930k|5960x", 2133, "DDR4", 4),
    _core(r"14\d{3}(?:hx|kf?s?|f|t)?", 5600),
    _core(r"13\d{3}(?:hx|kf?s?)", 5600),
    _core(r"1[23]\d{3}(?:[a-z]{1,2})?", 4800),
    _core(r"1[23]\d{2}[pu]", 4800),
    _core(r"11\d{3}(?:[a-z]{1,2})?|11\d{2}g7", 3200, "DDR4"),
    _core(r"10[79]\d{2}(?:[a-z]{1,2})?", 2933, "DDR4"),
    _core(r"10\d{3}(?:[a-z]{1,2})?", 2666, "DDR4"),
    _core(r"[89]\d{3}(?:[a-z]{1,2})?", 2666, "DDR4"),
    _core(r"7\d{3}(?:[a-z]{1,2})?", 2400, "DDR4"),
    _core(r"6\d{3}(?:[a-z]{1,2})?", 2133, "DDR4"),
    _core(r"[2345]\d{3}(?:[a-z]{1,2})?", 1600, "DDR3"),
    _xeon(r"69\d{2}p", 12, "DDR5", 6400),
    _xeon(r"6[57]\d{2}[pe]", 8, "DDR5", 6400),
    _xeon(r"w[3579] 34\d{2}x?", 8, "DDR5", 4800),
    _xeon(r"w[3579] 35\d{2}x?", 8, "DDR5", 4800),
    _xeon(r"w[3579] 24\d{2}x?", 4, "DDR5", 4800),
    _xeon(r"w[3579] 25\d{2}x?", 4, "DDR5", 4800),
    _xeon(r"w 33\d{2}", 8, "DDR4", 3200),
    _xeon(r"w 32\d{2}m?", 6, "DDR4", 2933),
    _xeon(r"w 22\d{2}", 4, "DDR4", 2933),
    _xeon(r"w 21\d{2}", 4, "DDR4", 2666),
    _e5(r"e[57] \d{4}l? v4", 4, "DDR4", 2400),
    _e5(r"e[57] \d{4}l? v3", 4, "DDR4", 2133),
    _e5(r"e5 \d{4}l? v2", 4, "DDR3", 1866),
    _e5(r"e5 \d{4}", 4, "DDR3", 1600),
    _xeon(r"e 2\d{3}[gm]?", 2, "DDR4", 2666),
    _xeon(r"\d5\d{2}[a-z]*", 8, "DDR5", 5600),
    _xeon(r"\d4\d{2}[a-z]*", 8, "DDR5", 4800),
    _xeon(r"\d3\d{2}[a-z]*", 8, "DDR4", 3200),
    _xeon(r"\d2\d{2}[a-z]*", 6, "DDR4", 2933),
    _xeon(r"\d1\d{2}[a-z]*", 6, "DDR4", 2666),
    ProcessorFamily(r"(?:intel )?(n(?:95|97|100|150|200))\b", "Intel", 1, "DDR5", 4800, _INTEL),
    ProcessorFamily(r"(?:i3 )?(n30[05]|n35[05])", "Intel", 1, "DDR5", 4800, _INTEL),
    ProcessorFamily(r"ampere (altra(?: max)?)", "Ampere", 8, "DDR4", 3200,
                    "Ampere's product brief"),
    ProcessorFamily(r"(graviton ?2)", "AWS", 8, "DDR4", 3200, "AWS's instance pages"),
    ProcessorFamily(r"(graviton ?3e?)", "AWS", 8, "DDR5", 4800, "AWS's instance pages"),
    ProcessorFamily(r"(graviton ?4)", "AWS", 12, "DDR5", 5600, "AWS's instance pages"),
    ProcessorFamily(r"(?:raspberry )?pi (4|400)\b", "Raspberry", 0.5, "LPDDR4", 3200,
           "Raspberry Pi's product brief"),
    ProcessorFamily(r"(?:raspberry )?pi (5|500)\b", "Raspberry", 0.5, "LPDDR4X", 4267,
           "Raspberry Pi's product brief"),
)  # fmt: skip
_IDLE = re.compile(
    r"\b(amd|intel|\d+-core|processor|cpu|core(?! ultra)|gen(?=\b)|\d+th gen|with radeon graphics"
    r"|w/? radeon \w+( graphics)?|with radeon \w+( graphics)?)\b"
)


class Processor(NamedTuple):
    """A processor, and the words of the name that were not its own."""

    chip: Chip
    channels: float
    further_words: str


def find_processor(text: str) -> Processor | None:
    """The processor that a lower-case name means, None where it means none."""
    plain = " ".join(re.sub(r"[-_,()]", " ", _IDLE.sub(" ", text)).replace("+", "").split())
    for family in FAMILIES:
        match = re.search(rf"\b{family.pattern}(?!\w)", plain)
        if match:
            start = _start_of_name(plain, match.start())
            further = f"{plain[:start]} {plain[match.end() :]}"
            return Processor(_chip(family, plain[start : match.end()]), family.channels, further)
    return None


def _start_of_name(plain: str, start: int) -> int:
    """Where the brand before a pattern begins: `ryzen` of `ryzen threadripper`, `core` of `i7`."""
    for brand in ("ryzen ", "core ", "xeon "):
        if plain[:start].endswith(brand):
            return start - len(brand)
    return start


def _chip(family: ProcessorFamily, name: str) -> Chip:
    label = _label(name)
    memory = f"{family.kind}-{family.rate}"
    slots = f"{family.channels:g} channel{'s' if family.channels > 1 else ''}"
    return Chip(
        name=label if label.startswith(family.vendor) else f"{family.vendor} {label}",
        vendor=family.vendor,
        platform="cpu",
        bandwidth_bytes_s=bandwidth(family.rate, family.channels),
        unified=True,
        memory_type=family.kind,
        source=family.source,
        notes=(f"{slots} of {memory}, its fastest, assumed; say yours after the name",),
    )


_BRANDS = {"epyc": "EPYC", "pro": "PRO", "ai": "AI", "hx": "HX"}


def _label(name: str) -> str:
    """A name as makers write it: `Core i9-13900K`, `Xeon E5-2680 v4`, `Ryzen 9 7950X`."""
    words = [
        _BRANDS.get(word)
        or (word if re.fullmatch(r"i[3579]|v[234]|w[3579]", word) else "")
        or (word.capitalize() if word.startswith("graviton") else "")
        or (word.upper() if any(letter.isdigit() for letter in word) else word.capitalize())
        for word in name.split()
    ]
    label = re.sub(r"\b(i[3579]|w[3579]|[EW][57]?) (?=N?\d)", r"\1-", " ".join(words))
    label = re.sub(r"^(?=E[57]-)", "Xeon ", label)
    return re.sub(r"^(?=i[3579]-|Ultra )", "Core ", label)
