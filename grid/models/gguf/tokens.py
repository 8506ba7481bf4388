"""Texts of single tokens of a GGUF file's vocabulary, which its header reader passes over."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from grid.errors import InputError
from grid.models.gguf.reader import MAX_NAME, HeaderReader

TOKENS = "tokenizer.ggml.tokens"


def read_tokens(path: Path, ids: Collection[int]) -> dict[int, str]:
    """The texts of tokens by id, as the vocabulary spells them; ids that it has not are left out.

    Raises InputError for a file whose header cannot be true.
    """
    with path.open("rb", buffering=2**18) as file:
        reader = _TokenReader(path, file, path.stat().st_size)
        reader.header()
        return reader.texts(ids)


class _TokenReader(HeaderReader):
    """A header reader that remembers where the tokens stand."""

    start = token_count = 0

    def _skip_strings(self, key: str, count: int) -> None:
        if key == TOKENS:
            self.start, self.token_count = self.offset, count
        super()._skip_strings(key, count)

    def texts(self, ids: Collection[int]) -> dict[int, str]:
        wanted = {number for number in ids if 0 <= number < self.token_count}
        self.offset = self.start
        self.file.seek(self.start)
        texts: dict[int, str] = {}
        for number in range(max(wanted, default=-1) + 1):
            if number not in wanted:
                self.skip(self.integer("<Q", "the length of a token"), "a token")
                continue
            text = self.text("a token", MAX_NAME)
            if not isinstance(text, str):
                raise InputError(f"{self.path}: token {number} is {text.length} bytes long")
            texts[number] = text
        return texts
