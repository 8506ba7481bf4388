"""Where an output parts from another. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from msgspec.structs import replace

from grid.engine.messages import Continued
from grid.sweep.compare.comparison import FirstDifference, Output, Token


def token_of(number: int, spelling: bytes) -> Token:
    return Token(number, spelling.decode(errors="backslashreplace"))


def text_of(spellings: Sequence[bytes]) -> str:
    """The text that tokens spell together; what is no UTF-8 becomes a replacement character."""
    return b"".join(spellings).decode(errors="replace")


def with_difference(output: Output, continuation: Continued, reference: Continued) -> Output:
    """The output with where it parts from the reference: by token ids where both cut the prompt
    alike, else (another vocabulary) at the first byte that differs."""
    if continuation.prompt == reference.prompt:
        index = _first_difference(continuation.tokens, reference.tokens)
        at = index
    else:
        byte = _first_difference(b"".join(continuation.spelling), b"".join(reference.spelling))
        index, at = (
            None if byte is None else _token_at_byte(side.spelling, byte)
            for side in (continuation, reference)
        )
    if index is None or at is None:
        return replace(output, same=True)
    return replace(
        output,
        same=False,
        parts=FirstDifference(
            index=index,
            token=_token(continuation, index),
            reference_token=_token(reference, at),
            common=len(text_of(continuation.spelling[:index])),
        ),
    )


def _first_difference(left: Sequence[int], right: Sequence[int]) -> int | None:
    """Index of the first that differs or that only one of them has; None where there is none."""
    for index, (mine, theirs) in enumerate(zip(left, right, strict=False)):
        if mine != theirs:
            return index
    return None if len(left) == len(right) else min(len(left), len(right))


def _token_at_byte(spelling: Sequence[bytes], offset: int) -> int:
    """Index of the token that holds a byte of the text; one behind the last where none does."""
    ends = list(accumulate(map(len, spelling)))
    return next((index for index, end in enumerate(ends) if offset < end), len(ends))


def _token(continuation: Continued, index: int) -> Token | None:
    if index >= len(continuation.tokens):
        return None
    return token_of(continuation.tokens[index], continuation.spelling[index])
