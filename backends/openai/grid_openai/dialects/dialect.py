"""What all APIs of servers come to: text that streams in, and what the server says of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple, Protocol

from grid_openai.client import Client
from grid_openai.description import Description


class Prompt(NamedTuple):
    """A prompt as ids, and as the text of these, in which special tokens are spelled."""

    ids: Sequence[int]
    text: str


class Piece(NamedTuple):
    """Text as it arrives; `ids` are its tokens where the server tells them."""

    text: str
    ids: tuple[int, ...] = ()


class Usage(NamedTuple):
    """What the server says of an answer at its end; None for what it does not say.

    `finish` is `length` or `stop`. `prefill_s` and `decode_s` are its own times for the prompt and
    for the tokens after it.
    """

    finish: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prefill_s: float | None = None
    decode_s: float | None = None


class Sampling(NamedTuple):
    """How an answer is chosen: greedily where `seed` is 0. `banned` are the ids that end a text,
    where that is to be ignored; `context` is the tokens to make room for."""

    max_tokens: int
    ignore_eos: bool
    seed: int
    banned: tuple[int, ...]
    context: int


class NextToken(NamedTuple):
    """The natural logarithms of the probabilities of a token and of the likeliest, and that one's
    id, -1 where the server does not tell it."""

    log_prob: float
    top_log_prob: float
    top: int


class Dialect(Protocol):
    """An API. `takes_ids`: prompts are sent as ids, not as text. `adds_bos`: the server begins
    prompts with BOS where the vocabulary wants it. `scoring`: why it scores nothing, empty where it
    does."""

    takes_ids: ClassVar[bool]
    adds_bos: ClassVar[bool]
    scoring: ClassVar[str]

    def __init__(self, client: Client, description: Description) -> None: ...

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[Piece | Usage]:
        """The answer as it arrives, `Usage` last."""
        ...

    def next_token(self, prompt: Prompt, token: int) -> NextToken:
        """How likely a token is after a prompt. Raises Unsupported where that is not complete."""
        ...
