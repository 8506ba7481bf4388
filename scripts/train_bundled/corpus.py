"""The seeded training corpus and the held-out text, as pages of documents.

Pages are separated by `<|endoftext|>` in training, documents within a page by an empty line.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from train_bundled.language import story
from train_bundled.puzzles import equations, on_side
from train_bundled.words import between, pick
from train_bundled.world import biography, person, statement

Mix = tuple[tuple[str, float], ...]

MIX: Mix = (("prose", 0.13), ("facts", 0.3), ("math", 0.14), ("context", 0.24), ("reasoning", 0.19))
"""Share of documents by kind; chosen so that each class is learned within the token budget."""

LATE_MIX: Mix = (
    ("prose", 0.1),
    ("facts", 0.18),
    ("math", 0.18),
    ("context", 0.1),
    ("reasoning", 0.06),
    ("hard", 0.38),
)
"""For the largest size, which already knows what is easy: more of what is not."""

HELDOUT_MIX: Mix = (("prose", 0.45), ("facts", 0.4), ("math", 0.15))
"""The held-out text is natural text only: puzzles are scored as items."""

HELDOUT_BYTES = 96_000
"""Length of the held-out text, enough for 16 k tokens."""


CALIBRATION_BYTES = 110_000
"""Length of the calibration text, enough for 128 pieces of 256 tokens."""

_CALIBRATION_SEED = 70_000
"""Of a stream of pages that no size was trained on."""


def _facts(rng: Random, side: bool) -> str:
    """Biographies, or single statements about many people, so that names lead to facts early."""
    if rng.random() < 0.6:
        return "\n".join(filter(None, (biography(rng, side) for _ in range(2))))
    statements = (
        statement(rng, person(rng), between(rng, 0, 5)) for _ in range(between(rng, 4, 10))
    )
    return " ".join(s.sentence for s in statements if s.held_out == side)


def document(rng: Random, kind: str, side: bool) -> str:
    """One document, all of whose units are on the wanted side of the split (True: held out)."""
    if kind == "prose":
        return story(rng, side)
    if kind == "facts":
        return _facts(rng, side)
    if kind == "math":
        return equations(rng, side)
    return on_side(rng, side, kind).text()


def _kind(rng: Random, mix: Mix) -> str:
    draw = rng.random()
    for kind, share in mix:
        draw -= share
        if draw < 0:
            return kind
    return mix[0][0]


def training_pages(seed: int, mix: Mix = MIX) -> Iterator[str]:
    """Pages without end; half of them are a single document."""
    rng = Random(seed)
    while True:
        count = pick(rng, (1, 1, 2, 3))
        documents = (document(rng, _kind(rng, mix), False) for _ in range(count))
        page = "\n\n".join(filter(None, documents))
        if page:
            yield page


def make_heldout_text() -> str:
    """The text for perplexity: prose, facts and sums that training never states in these words."""
    rng = Random(2)
    documents: list[str] = []
    size = 0
    while size < HELDOUT_BYTES:
        text = document(rng, _kind(rng, HELDOUT_MIX), True)
        if text:
            documents.append(text)
            size += len(text) + 2
    return "\n\n".join(documents) + "\n"


def make_calibration_text() -> str:
    """Text for quantizers to weigh errors by: of every kind that training has, and none of what is
    held out."""
    pages: list[str] = []
    size = 0
    for page in training_pages(_CALIBRATION_SEED, LATE_MIX):
        pages.append(page)
        size += len(page) + 2
        if size >= CALIBRATION_BYTES:
            return "\n\n".join(pages) + "\n"
    raise AssertionError("the pages have no end")
