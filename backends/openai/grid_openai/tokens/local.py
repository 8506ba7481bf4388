"""Tokenizers of files: the vocabulary of a GGUF in llama.cpp, a folder's tokenizer.json."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path

from grid_llamacpp.library import library
from grid_transformers.tokenizer import FolderTokenizer as Folder

from grid.backend import EngineError, InputError
from grid_openai.tokens.tokenizer import ServedTokenizer


class GgufTokenizer:
    """The vocabulary of a GGUF file in llama.cpp, without its weights."""

    counts = True

    def __init__(self, path: Path) -> None:
        linked = library()
        self._api, mark = linked.api, linked.log.mark()
        parameters = self._api.llama_model_default_params()
        parameters.vocab_only = True
        self._model = self._api.llama_model_load_from_file(str(path).encode(), parameters)
        if not self._model:
            raise linked.error(f"the vocabulary of {path.name} does not load", mark)
        api = self._api
        self._vocab = vocab = api.llama_model_get_vocab(self._model)
        self.vocabulary = int(api.llama_vocab_n_tokens(vocab))
        bos, eos = int(api.llama_vocab_bos(vocab)), int(api.llama_vocab_eos(vocab))
        self.bos = bos if bos >= 0 and api.llama_vocab_get_add_bos(vocab) else None
        self.prefix = next((token for token in (bos, eos) if token >= 0), None)
        self.ends = tuple(i for i in range(self.vocabulary) if api.llama_vocab_is_eog(vocab, i))
        self.source = path.name
        self._by_bytes: dict[bytes, int] | None = None

    def close(self) -> None:
        if self._model:
            self._api.llama_model_free(self._model)
            self._model = None

    def encode(self, text: str) -> list[int]:
        return self._tokenize(text, special=False)

    def encode_special(self, text: str) -> list[int]:
        return self._tokenize(text, special=True)

    def _tokenize(self, text: str, special: bool) -> list[int]:
        raw = text.encode()
        room = len(raw) + 8
        while True:
            out = (ctypes.c_int32 * room)()
            count = self._api.llama_tokenize(self._vocab, raw, len(raw), out, room, False, special)
            if count >= 0:
                return list(out[:count])
            room = -count

    def decode(self, ids: Sequence[int]) -> bytes:
        return b"".join(self._piece(token, special=False) for token in ids)

    def spell(self, ids: Sequence[int]) -> str:
        return b"".join(self._piece(token, special=True) for token in ids).decode(errors="replace")

    def tokens_of(self, text: str) -> list[int]:
        if self._by_bytes is None:
            pieces = ((self._piece(i, special=False), i) for i in reversed(range(self.vocabulary)))
            self._by_bytes = {piece: token for piece, token in pieces if piece}
        token = self._by_bytes.get(text.encode())
        return self.encode(text) if token is None else [token]

    def _piece(self, token: int, special: bool) -> bytes:
        room = 64
        while True:
            out = ctypes.create_string_buffer(room)
            count = self._api.llama_token_to_piece(self._vocab, token, out, room, 0, special)
            if count >= 0:
                return out.raw[:count]
            room = -count


class FolderTokenizer:
    """The tokenizer.json of a folder in Hugging Face's layout."""

    counts = True

    def __init__(self, folder: Path) -> None:
        self._folder = Folder(folder)
        self._library = self._folder.library
        self.bos, self.prefix = self._folder.bos, self._folder.prefix
        self.vocabulary = int(self._library.get_vocab_size(with_added_tokens=True))
        self.ends = _end_ids(folder)
        self.source = folder.name
        self._by_bytes: dict[bytes, int] | None = None

    def close(self) -> None:
        """Nothing is held."""

    def encode(self, text: str) -> list[int]:
        return self._folder.encode(text)

    def encode_special(self, text: str) -> list[int]:
        return self._folder.encode_special(text)

    def decode(self, ids: Sequence[int]) -> bytes:
        return self._folder.decode(ids)

    def spell(self, ids: Sequence[int]) -> str:
        text = bytearray()
        for token in ids:
            piece = self._folder.decode([token])
            text += piece or (self._library.id_to_token(token) or "").encode()
        return text.decode(errors="replace")

    def tokens_of(self, text: str) -> list[int]:
        if self._by_bytes is None:
            pieces = ((self.decode([i]), i) for i in reversed(range(self.vocabulary)))
            self._by_bytes = {piece: token for piece, token in pieces if piece}
        token = self._by_bytes.get(text.encode())
        return self.encode(text) if token is None else [token]


def _end_ids(folder: Path) -> tuple[int, ...]:
    from grid.models.checkpoint.files import read_config

    config = read_config(folder)
    ends = config.get("eos_token_id")
    return tuple(ends) if isinstance(ends, list) else (ends,) if isinstance(ends, int) else ()


def open_local(path: Path) -> ServedTokenizer:
    """The tokenizer of a GGUF file or of a folder. Raises EngineError or Unsupported."""
    if not path.exists():
        raise EngineError(f"tokenizer {path} is not on this machine")
    kinds: dict[bool, Callable[[Path], ServedTokenizer]] = {
        True: FolderTokenizer,
        False: GgufTokenizer,
    }
    try:
        return kinds[path.is_dir()](path)
    except InputError as error:
        raise EngineError(f"tokenizer {path}: {error}") from error
