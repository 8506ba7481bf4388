"""Tokenizers of servers, asked over HTTP; and texts of servers without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from grid.backend import EngineError, Unsupported
from grid_openai.client import Client, Json
from grid_openai.description import Description

_BYTE_IDS = 256


class RemoteTokenizer:
    """A server's tokenizer. Pieces are remembered: a token keeps its bytes.

    Raises EngineError where an answer is none, Unsupported for a token whose bytes are no text.
    """

    counts = True

    def __init__(self, client: Client, description: Description) -> None:
        self._client, self._model = client, description.model
        self._ask = _ENCODERS[description.program]
        self._pieces: dict[int, bytes] = {}
        self.vocabulary = description.vocabulary
        self.ends: tuple[int, ...] = ()
        self.source = description.url
        self.bos: int | None = None
        self.prefix: int | None = None
        started = self._ids("a", special=True, begin=True)
        plain = self._ids("a", special=True, begin=False)
        if len(started) == len(plain) + 1 and started[1:] == plain:
            self.bos = self.prefix = started[0]
            self._pieces[started[0]] = b""
        self._adds_bos_always = started == plain and self._begins_with_bos(started)
        if self.vocabulary == 0:
            self.vocabulary = max(*started, *self._ids("The cat sat on a mat.", True, False)) + 1

    def _begins_with_bos(self, ids: list[int]) -> bool:
        """llama-cpp-python's server begins every text with BOS where the vocabulary wants it."""
        twice = self._ids("aa", special=True, begin=False)
        begins = len(ids) > 1 and twice[:1] == ids[:1]
        if begins:
            self.bos = self.prefix = ids[0]
            self._pieces[ids[0]] = b""
        return begins

    def close(self) -> None:
        """Nothing is held."""

    def encode(self, text: str) -> list[int]:
        return self._encoded(text, special=False)

    def encode_special(self, text: str) -> list[int]:
        return self._encoded(text, special=True)

    def _encoded(self, text: str, special: bool) -> list[int]:
        if not text:
            return []
        ids = self._ids(text, special, begin=False)
        ids = ids[1:] if self._adds_bos_always else ids
        self.vocabulary = max(self.vocabulary, max(ids, default=0) + 1)
        return ids

    def _ids(self, text: str, special: bool, begin: bool) -> list[int]:
        ids, pieces = self._ask(self._client, self._model, text, special, begin)
        self._pieces.update(pieces)
        return ids

    def decode(self, ids: Sequence[int]) -> bytes:
        return b"".join(self._piece(token) for token in ids)

    def spell(self, ids: Sequence[int]) -> str:
        return self.decode(ids).decode(errors="replace")

    def tokens_of(self, text: str) -> list[int]:
        return self.encode(text)

    def _piece(self, token: int) -> bytes:
        if token not in self._pieces:
            text = _detokenize(self._client, self._model, token)
            if text is None or "\N{REPLACEMENT CHARACTER}" in text:
                raise Unsupported(
                    f"{self._client.url}: the bytes of token {token} cannot be asked; give the "
                    "model's tokenizer"
                )
            self._pieces[token] = text.encode()
        return self._pieces[token]


class TextAlone:
    """Where nobody has the tokenizer: ids are the bytes of a text, and the parts that an answer
    comes in. Answers can be read and their tasks scored; tokens cannot be counted."""

    counts = False

    def __init__(self, description: Description) -> None:
        self._parts: list[bytes] = []
        self.vocabulary = _BYTE_IDS
        self.ends: tuple[int, ...] = ()
        self.bos: int | None = None
        self.prefix: int | None = None
        self.source = "none"

    def close(self) -> None:
        """Nothing is held."""

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def encode_special(self, text: str) -> list[int]:
        return self.encode(text)

    def decode(self, ids: Sequence[int]) -> bytes:
        return b"".join(bytes([i]) if i < _BYTE_IDS else self._parts[i - _BYTE_IDS] for i in ids)

    def spell(self, ids: Sequence[int]) -> str:
        return self.decode(ids).decode(errors="replace")

    def tokens_of(self, text: str) -> list[int]:
        self._parts.append(text.encode())
        self.vocabulary = _BYTE_IDS + len(self._parts)
        return [self.vocabulary - 1]


Encoded = tuple[list[int], dict[int, bytes]]


def _llama_server(client: Client, model: str, text: str, special: bool, begin: bool) -> Encoded:
    body = {
        "content": text,
        "add_special": begin,
        "parse_special": special,
        "with_pieces": True,
    }
    tokens = _field(client, client.post("/tokenize", body), "tokens")
    pieces = {}
    for token in tokens:
        piece = token["piece"]
        pieces[token["id"]] = piece.encode() if isinstance(piece, str) else bytes(piece)
    return [token["id"] for token in tokens], pieces


def _llama_cpp_python(client: Client, model: str, text: str, special: bool, begin: bool) -> Encoded:
    body: Json = {"input": text, "model": model}
    return list(_field(client, client.post("/extras/tokenize", body), "tokens")), {}


def _vllm(client: Client, model: str, text: str, special: bool, begin: bool) -> Encoded:
    body = {"model": model, "prompt": text, "add_special_tokens": begin}
    return list(_field(client, client.post("/tokenize", body), "tokens")), {}


_ENCODERS: dict[str, Callable[[Client, str, str, bool, bool], Encoded]] = {
    "llama-server": _llama_server,
    "llama-cpp-python": _llama_cpp_python,
    "vllm": _vllm,
}
REMOTE = frozenset(_ENCODERS)
"""Programs that have a tokenizer's endpoint."""


def _detokenize(client: Client, model: str, token: int) -> str | None:
    body = {"tokens": [token], "model": model}
    for path, name in (
        ("/detokenize", "content"),
        ("/detokenize", "prompt"),
        ("/extras/detokenize", "text"),
    ):
        try:
            answer = client.find(path, body)
        except EngineError:  # some fail for bytes that are no text
            return None
        if isinstance(answer, dict) and isinstance(answer.get(name), str):
            return str(answer[name])
    return None


def _field(client: Client, answer: Any, name: str) -> Any:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, list):
        raise client.error(f"its tokenizer gave no {name}")
    return value
