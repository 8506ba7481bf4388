"""What every tokenizer of a served model has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class ServedTokenizer(Protocol):
    """`Tokenizes` and `SpecialTokens` of `grid.backend`, and texts of tokens as servers read them.

    `counts`: its ids are the model's tokens, which can be counted; `ends` are the ids that end a
    text, `source` says where it comes from.
    """

    bos: int | None
    prefix: int | None
    vocabulary: int
    counts: bool
    ends: tuple[int, ...]
    source: str

    def encode(self, text: str) -> list[int]: ...

    def encode_special(self, text: str) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> bytes: ...

    def spell(self, ids: Sequence[int]) -> str:
        """The text of tokens, special ones spelled."""
        ...

    def tokens_of(self, text: str) -> list[int]:
        """The tokens of a part of an answer, which is often one."""
        ...

    def close(self) -> None: ...
