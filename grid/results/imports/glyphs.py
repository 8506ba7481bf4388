"""Signs beyond ASCII as they look after a wrong encoding: `±` as `Â±`, `┬▒`, `_` or U+FFFD."""

from __future__ import annotations

import re

_WRITTEN = ("utf-8", "latin-1", "cp850", "cp1253", "cp737")
_READ = (
    "cp1252", "latin-1", "cp437", "cp850", "cp852", "cp866", "cp1250", "cp1251", "koi8-r",
    "mac_roman", "gbk", "big5", "cp932", "cp949", "ascii", "utf-8",
)  # fmt: skip


def renderings(sign: str) -> tuple[str, ...]:
    """What a sign becomes where it is written in one encoding and read in another, the longest
    first; with `_` and `?`, by which tools replace what they cannot print."""
    texts = {sign, "_", "?", "??"}
    for written in _WRITTEN:
        try:
            content = sign.encode(written)
        except UnicodeEncodeError:
            continue
        for encoding in _READ:
            texts.add("".join(c for c in content.decode(encoding, "replace") if c.isprintable()))
    twice = "".join(c for c in sign.encode().decode("latin-1").encode().decode("cp1252", "replace"))
    texts.add("".join(c for c in twice if c.isprintable()))
    return tuple(sorted(filter(None, texts), key=lambda text: (-len(text), text)))


def pattern(sign: str, *spellings: str) -> str:
    """A regular expression of the sign, in all renderings and in other spellings."""
    return "|".join(map(re.escape, (*spellings, *renderings(sign))))


_ALONE = ("_", "?", "??")
"""Signs that stand for `±` only between blanks: `1_4` is no figure with a spread."""

PLUS_MINUS = "|".join(
    rf"(?<=\s){re.escape(text)}(?=\s)" if text in _ALONE else re.escape(text)
    for text in ("+/-", "+-", "&plusmn;", "&#177;", "$\\pm$", "\\pm", *renderings("±"))
)
DELTA = pattern("Δ", "&Delta;", "delta ", "delta_", "d")
