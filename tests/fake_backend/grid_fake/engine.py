"""The engine: byte bigrams, every capability of the contract, and failures where they are asked."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from grid.backend import TokenScores
from grid.cells.cell import Options
from grid.errors import OutOfMemory, Unsupported
from grid.units import MIB
from grid_fake.file import FakeFile

BOS = 256
BOS_TEXT = "<|bos|>"
"""How a text spells BOS where special tokens are read."""
VOCABULARY = 257
USUAL_BATCH = 8

PROSE = (
    "The cat sat on the mat and the dog ran to the door. Then a man came in from the rain; he had "
    "seen the sun on the sea, and there was no one with him. She said that it was late, and that "
    "all the others were at home with their bread and their books."
)


class FakeEngine:
    """A loaded `.fake` file."""

    version = "fake 1"
    bos: int | None = BOS
    prefix: int | None = BOS
    vocabulary = VOCABULARY

    def __init__(self, content: FakeFile, options: Options) -> None:
        self._content = content
        self._options = options
        self._context = content.context_length
        self._held: list[int] = []
        self.evaluated_tokens = 0
        self._fail("load")
        self._ballast = np.ones(int(options["allocate_mib"]) * MIB, dtype=np.uint8)
        self._table = _table(content, int(options["batch"]))

    def environment(self) -> Mapping[str, str]:
        return {"threads": str(self._options["threads"]), "kernels": "table"}

    def resize(self, context: int) -> None:
        self._fail("resize")
        if context > self._content.context_length:
            raise Unsupported(
                f"{context} tokens of context asked, the model has {self._content.context_length}"
            )
        self._context = context
        self._held.clear()
        time.sleep(float(self._options["cell_s"]))  # each cell resizes once

    def memory_report(self) -> Mapping[str, int]:
        layer = 2 * self._content.width * 2  # key and value, 16 bits each
        return {"kv_buffer_bytes": self._context * self._content.layers * layer}

    def encode(self, text: str) -> list[int]:
        self._fail("encode")
        return list(text.encode())

    def encode_special(self, text: str) -> list[int]:
        parts = [list(part.encode()) for part in text.split(BOS_TEXT)]
        return [token for part in parts for token in (BOS, *part)][1:]

    def decode(self, ids: Sequence[int]) -> bytes:
        return bytes(token for token in ids if token < BOS)

    def logits(self, ids: Sequence[int], first: int = 0) -> npt.NDArray[np.float32]:
        self._fail("logits")
        self._room(len(ids))
        rows: npt.NDArray[np.float32] = self._table[np.asarray(ids[first:], dtype=np.int64)]
        return rows

    def score(
        self, requests: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> Iterator[TokenScores]:
        for context, continuation in requests:
            self._fail("score")
            self._room(len(context) + len(continuation))
            self.evaluated_tokens += len(context) + len(continuation) - 1
            before = [*context, *continuation][len(context) - 1 : -1]
            rows = self._table[before].astype(np.float64)
            rows -= np.log(np.exp(rows).sum(axis=1, keepdims=True))
            yield TokenScores(
                log_probs=rows[np.arange(len(before)), list(continuation)],
                argmax=rows.argmax(axis=1),
            )

    def reset(self) -> None:
        self._held.clear()

    def truncate(self, tokens: int) -> None:
        del self._held[tokens:]

    def prefill(self, ids: Sequence[int]) -> None:
        self._fail("prefill")
        self._room(len(self._held) + len(ids))
        self._held.extend(ids)

    def step(self, token: int) -> None:
        self._fail("step")
        self._room(len(self._held) + 1)
        self._held.append(token)

    pooling = "mean"

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """How often each byte is in a text, as a vector of length 1."""
        self._fail("embed")
        counts = np.array([np.bincount([*text.encode()], minlength=256) for text in texts])
        unit = counts / np.linalg.norm(counts, axis=1, keepdims=True)
        return unit.astype(np.float32)

    def generate(
        self, prompts: Sequence[Sequence[int]], max_tokens: int, ignore_eos: bool, seed: int
    ) -> Iterator[tuple[int, int]]:
        """Greedy for seed 0, else sampled; the BOS ends a text unless that is to be ignored."""
        random = np.random.default_rng(seed)
        for index, prompt in enumerate(prompts):
            self._fail("generate")
            self._room(len(prompt) + max_tokens)
            last = prompt[-1]
            for _ in range(max_tokens):
                last = self._next(last, random if seed else None)
                if last == BOS and not ignore_eos:
                    break
                yield index, last

    def _next(self, last: int, random: np.random.Generator | None) -> int:
        row = self._table[last].astype(np.float64)
        if random is None:
            return int(row.argmax())
        return int(random.choice(VOCABULARY, p=np.exp(row) / np.exp(row).sum()))

    def _room(self, tokens: int) -> None:
        if tokens > self._context:
            raise Unsupported(f"{tokens} tokens do not fit the context of {self._context}")

    def _fail(self, call: str) -> None:
        """Fails as the options say, for real."""
        confined = str(self._options["fail_quant"])
        if confined and self._content.quant not in confined.split(","):
            return
        if call in str(self._options["crash_on"]).split(","):
            os.abort()
        if call in str(self._options["hang_on"]).split(","):
            threading.Event().wait()
        if call in str(self._options["oom_on"]).split(","):
            raise OutOfMemory(f"no memory for {call}, as the option oom_on asks")
        if call in str(self._options["unsupported_on"]).split(","):
            raise Unsupported(f"{call} is not supported, as the option unsupported_on asks")


def _table(content: FakeFile, batch: int) -> npt.NDArray[np.float32]:
    """Logits after each token, [257, 257]."""
    prose = np.frombuffer(PROSE.encode(), dtype=np.uint8)
    pairs = np.zeros((VOCABULARY, VOCABULARY))
    np.add.at(pairs, (prose[:-1], prose[1:]), 1.0)
    pairs[BOS, :BOS] = np.bincount(prose, minlength=BOS) / len(prose)
    logits: npt.NDArray[np.float64] = np.log(pairs + 0.02)
    logits += 0.1 * np.random.default_rng(content.seed).standard_normal(logits.shape)
    if content.bits < 16:
        logits += 5 * 2.0**-content.bits * _noise(content.seed, logits, pairs)
    if batch != USUAL_BATCH:
        logits += 1e-4 * np.sin(np.arange(logits.size).reshape(logits.shape) * batch)
    return logits.astype(np.float32)


def _noise(
    seed: int, logits: npt.NDArray[np.float64], pairs: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Unit noise along which the loss over `pairs` grows: one direction for all bits.

    The loss is convex along it, so where it grows at first it grows for ever, and fewer bits are
    worse whatever the seed.
    """
    noise = np.random.default_rng([seed, 1]).standard_normal(logits.shape)
    predicted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gradient = pairs.sum(axis=1, keepdims=True) * predicted - pairs
    return noise if (gradient * noise).sum() >= 0 else -noise
