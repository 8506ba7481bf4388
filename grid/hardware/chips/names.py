"""What the name of a chip says, as people and drivers write it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

from grid.hardware.chips.chip import PLATFORMS

_NUMBERS = {
    "single": 1, "dual": 2, "double": 2, "two": 2, "twin": 2, "triple": 3, "three": 3, "quad": 4,
    "four": 4, "hexa": 6, "six": 6, "octa": 8, "octo": 8, "eight": 8, "twelve": 12,
}  # fmt: skip
_COUNT = rf"\d+|{'|'.join(_NUMBERS)}"
_CHANNELS = re.compile(rf"\b({_COUNT})[ -]?(?:channels?|ch)\b")
_LEADING = re.compile(rf"^\W*(?:(\d{{1,3}})\s*[x\u00d7*]\s*(?=[a-z]|\d{{3}})|({_COUNT})\s+)(?=\S)")
_TRAILING = re.compile(r"(?:\s|\b)[x\u00d7*]\s?(\d{1,2})\W*$|\s(\d{1,2})[x\u00d7]\W*$")
_CORES = re.compile(r"\b(\d{1,3})[ -]?cores?(?:[ -](cpu|gpu))?\b")
_KIND = re.compile(r"\b(l?p?ddr\d(?:l|x)?)\b(?:[ @-]*(?:at )?(\d{4,5})(?:\s*(?:mhz|mt/s|mt))?)?")
_MEMORY = re.compile(r"\b(?:(\d+(?:\.\d+)?) ?(gi?b|ti?b)|(\d{1,2}|[1-4]\d\d|512)g)\b(?!/s|ps)")
_SPEED = re.compile(r"\b(\d+(?:\.\d+)?) ?gb/s")
_CLOCK = re.compile(r"@? ?\b\d{1,2}(?:\.\d+)? ?ghz")
_DRIVER = re.compile(
    r"radv|llvm|drm|nvgpu|aco|mesa|\bgt\d\b"
    r"|\b(?:dg2|acm|bmg|mtl|tgl|adl|rpl|lnl|arl|ptl|rkl|icl|cfl|kbl|skl|bdw|hsw|glk|jsl|ehl)\b"
)
_CODE = re.compile(r"\b(gfx\d+[a-z]?|vangogh|rembrandt|phoenix\d?|renoir|raphael|strix1)\b")
_MEMORY_TYPE = re.compile(r"(?:hbm|gddr)\d[a-z]*")
IDLE = frozenset(
    {"gpu", "core", "cores", "graphics", "card", "ram", "memory", "chip", "the", "with", "w"}
    | {"processor", "edition", "desktop", "unified", "vram", "and", "a", "of", "apu", "oam"}
    | {"asus", "msi", "gigabyte", "zotac", "evga", "palit", "pny", "sapphire", "xfx", "founders"}
    | {"powercolor", "inno3d", "gainward", "galax", "fe", "oc", "igpu", "dgpu", "integrated"}
    | {"onboard", "egpu", "vf", "based", "on", "in", "mac", "macbook"}
    | {"kit", "developer", "devkit", "module", "workstation", "device", "series", "x86"}
    | {"cards", "gpus", "pair", "platform", "soc", "mesa"}
)
"""Words that tell no chip from another."""
_ALIASES = {"laptop": "mobile", "notebook": "mobile"}


@dataclass(frozen=True)
class ChipQuery:
    """The parts of a name.

    `words` name the chip; `memory_gib` are sizes of memory, `memory_type` such as `hbm3`; `kind`
    and `rate` are of main memory (`ddr5`, 5600), with its `channels`; `cores` are words such as
    `14-core-cpu`, `codes` a driver's names of the hardware; `beside_gib` and `beside_bandwidth`
    are said beside the name, `plain` the text without sizes.
    """

    words: frozenset[str]
    memory_gib: tuple[float, ...] = ()
    memory_type: str | None = None
    kind: str | None = None
    rate: int | None = None
    channels: int | None = None
    count: int = 1
    cores: tuple[str, ...] = ()
    platform: str | None = None
    codes: tuple[str, ...] = ()
    bandwidth_bytes_s: float | None = None
    beside_gib: float | None = None
    beside_bandwidth: float | None = None
    plain: str = field(default="", compare=False)


def parse_name(name: str) -> ChipQuery:
    """The parts of a name: `dual 3090 24GB` is two cards of 24 GiB each."""
    text = _plain(name)
    speed = _SPEED.search(text)
    text, codes = _without_driver(_SPEED.sub(" ", text))
    channels = _CHANNELS.search(text)
    kind = _KIND.search(_CHANNELS.sub(" ", text))
    text, sizes = _sizes(_KIND.sub(" ", _CHANNELS.sub(" ", text)))
    text, count = _counted(text)
    words = split_words(_CORES.sub(" ", text))
    types = [word for word in words if _MEMORY_TYPE.fullmatch(word)]
    return ChipQuery(
        words=frozenset(words) - frozenset(PLATFORMS) - frozenset(types),
        memory_gib=sizes,
        memory_type=types[0] if types else None,
        kind=kind[1] if kind else None,
        rate=int(kind[2]) if kind and kind[2] else None,
        channels=_number(channels[1]) if channels else None,
        count=count,
        cores=tuple(_cores_word(match) for match in _CORES.finditer(text)),
        platform=next((word for word in words if word in PLATFORMS), None),
        codes=codes,
        bandwidth_bytes_s=float(speed[1]) * 1e9 if speed else None,
        plain=text,
    )


@cache
def split_words(text: str) -> tuple[str, ...]:
    """`RTX3090Ti` -> rtx 3090 ti; `M2 Ultra (76)` -> m2 ultra 76; idle words are left out."""
    text = re.sub(r"\b(rtx|gtx|rx|arc|gtx|mi)[ -](?=\d)", r"\1 ", text.casefold())
    text = re.sub(r"\b(rtx|gtx|rx|arc)(?=[\da-z]*\d)", r"\1 ", text)
    text = re.sub(r"(\d)(ti|super|xtx|xt)\b", r"\1 \2", text)
    text = re.sub(r"\bti(super)\b", r"ti \1", text)
    text = re.sub(r"\b(m\d)(pro|max|ultra)\b", r"\1 \2", text)
    text = re.sub(r"\bmi (?=\d{2,3}[ax]?\b)", "mi", text)
    text = re.sub(r"(\d+(?:\.\d+)?) ?gi?b\b", r"\1gb", text)
    text = re.sub(r"\bmax[ -]?q\b", "maxq", text)
    text = re.sub(r"\b(x1)[ -](\d\d)\b", r"\1-\2", text)
    words = re.findall(r"x1-\d\d|\d+-core(?:-[cg]pu)?|[a-z0-9]+(?:\.\d+gb)?", text)
    return tuple(_ALIASES.get(w, w) for w in words if w not in IDLE)


def _plain(name: str) -> str:
    text = name.casefold()
    text = re.sub(r"\((?:r|tm|c)\)|[®™]", " ", text)
    text = re.sub(r"\bgh200 (?:480 ?gb|120 ?gb)", "gh200 96gb", text)  # host memory in the name
    text = re.sub(r"\bi?mac ?(?:book )?(?:pro|air|studio|mini)\b|\bimac\b", " ", text)
    text = re.sub(r"\b(m\d(?: pro| max| ultra)?) (?:air|mini|studio)\b", r"\1", text)
    text = re.sub(r"\bcustom gpu (0405|0932)", r"steam deck \1", text)
    return " ".join(_CLOCK.sub(" ", text.replace("_", " ")).split())


def _without_driver(text: str) -> tuple[str, tuple[str, ...]]:
    """The text without what drivers put in brackets, and the hardware's names in there."""
    codes = tuple(match[1] for match in _CODE.finditer(text))
    without = re.sub(
        r"\(([^)]*)\)", lambda match: "" if _DRIVER.search(match[1]) else f" {match[1]} ", text
    )
    return _CODE.sub(" ", re.sub(r"\b(?:radv|nvgpu|sm_?\d+)\b", " ", without)), codes


def _sizes(text: str) -> tuple[str, tuple[float, ...]]:
    sizes = tuple(
        float(match[1] or match[3]) * (1024 if (match[2] or "").startswith("t") else 1)
        for match in _MEMORY.finditer(text)
    )
    return _MEMORY.sub(" ", text), sizes


def _counted(text: str) -> tuple[str, int]:
    """The text without how many chips it names."""
    text = text.strip()
    match = _LEADING.match(text)
    if match is not None and (match[1] or match[2] in _NUMBERS):
        return text[match.end() :], int(match[1]) if match[1] else _NUMBERS[match[2]]
    match = _TRAILING.search(text)
    if match is not None:
        return text[: match.start()], int(match[1] or match[2])
    return text, 1


def _number(text: str) -> int:
    return _NUMBERS.get(text) or int(text)


def _cores_word(match: re.Match[str]) -> str:
    return f"{match[1]}-core-{match[2]}" if match[2] else f"{match[1]}-core"
