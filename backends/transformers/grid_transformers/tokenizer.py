"""A model folder's tokenizer: text to ids, and ids back to exactly their own bytes."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grid.backend import EngineError, Unsupported, first_line

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPACE = "\u2581"
FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
)
"""Files of a folder that are its tokenizer's, and how it generates."""
_LLAMA = frozenset({"llama", "mistral", "mixtral", "gemma", "gemma2"})
"""Model types whose own tokenizer starts a text with BOS where its files say nothing."""


class FolderTokenizer:
    """Tokenizes of `grid.backend`, from tokenizer.json, or from what transformers makes of an older
    folder. `bos` is the id that starts a text only where the tokenizer puts one there.

    Raises EngineError where the folder has no tokenizer, Unsupported where it has an unknown kind.
    """

    def __init__(self, folder: Path) -> None:
        self._tokenizer, where = _open_plain(folder)
        content = json.loads(self._tokenizer.to_str())
        self._pieces = _pieces(content, self._tokenizer, where)
        self.bos = _bos(folder, content)
        self.prefix = _prefix(folder, content, self.bos)

    @property
    def library(self) -> Any:
        """The tokenizer of the `tokenizers` library, which adds the model's own special tokens."""
        return self._tokenizer

    def encode(self, text: str) -> list[int]:
        """Ids of the text; no special token is added, and none is parsed out of the text."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def encode_special(self, text: str) -> list[int]:
        """Ids of a text in which special tokens are written; none is added."""
        self._tokenizer.encode_special_tokens = False
        try:
            return self.encode(text)
        finally:
            self._tokenizer.encode_special_tokens = True

    def decode(self, ids: Sequence[int]) -> bytes:
        """The tokens' own bytes, one after the other; control tokens have none.

        decode(a + b) == decode(a) + decode(b), so a space that the vocabulary puts before a text
        stays in it.
        """
        return b"".join(self._pieces.get(token, b"") for token in ids)


def open_tokenizer(folder: Path) -> Any:
    """The folder's tokenizer of the `tokenizers` library, which cuts and pads nothing and parses
    no special token out of a text. Raises EngineError or Unsupported."""
    return _open_plain(folder)[0]


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy the tokenizer's files of one folder to another."""
    for name in FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def _open_plain(folder: Path) -> tuple[Any, Path]:
    tokenizer, where = _open(folder)
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, where


def _open(folder: Path) -> tuple[Any, Path]:
    """The `tokenizers` object, and the file or folder to name in errors."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        return _convert_tokenizer(folder), folder
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path)), path
    except Exception as error:  # the library raises plain Exception
        raise EngineError(f"{path}: no tokenizer that can be read ({error})") from error


def _convert_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError, KeyError) as error:
        line = first_line(error)
        raise EngineError(f"{folder}: no tokenizer.json there, and none made ({line})") from error
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise Unsupported(f"{folder}: its tokenizer is not one of the `tokenizers` library")
    return backend


def _pieces(content: dict[str, Any], tokenizer: Any, where: Path) -> dict[int, bytes]:
    """Bytes by id. Special tokens are control tokens and left out."""
    added = {entry["id"]: entry for entry in content.get("added_tokens") or []}
    kinds = {step.get("type") for step in _steps(content.get("decoder"), "decoders")}
    if "ByteLevel" in kinds:
        to_bytes = _byte_level
    elif kinds & {"ByteFallback", "Metaspace", "Replace"}:
        to_bytes = _sentence_piece
    else:
        raise Unsupported(
            f"{where}: its tokens ({', '.join(sorted(map(str, kinds)))}) are neither byte-level "
            "nor SentencePiece; their bytes are not known here"
        )
    pieces = {
        number: to_bytes(text)
        for text, number in tokenizer.get_vocab(with_added_tokens=False).items()
        if number not in added
    }
    for number, entry in added.items():
        if not entry.get("special"):
            text = entry["content"]
            # Elsewhere this character is itself, and not a space.
            spaced = text.replace(_SPACE, " ") if to_bytes is _sentence_piece else text
            pieces[number] = spaced.encode()
    return pieces


def _steps(step: dict[str, Any] | None, inner: str) -> list[dict[str, Any]]:
    """A step of the pipeline, or the steps of a sequence of them."""
    return [] if not step else list(step.get(inner) or [step])


def _byte_level(text: str) -> bytes:
    """Byte-level BPE writes each byte as one printable character."""
    table = _BYTES
    if all(character in table for character in text):
        return bytes(table[character] for character in text)
    return text.encode()


def _alphabet() -> dict[str, int]:
    """Printable Latin-1 characters stand for themselves, the other bytes for 256, 257, ..."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(plain)]
    table = {chr(byte): byte for byte in plain}
    return table | {chr(256 + index): byte for index, byte in enumerate(others)}


_BYTES = _alphabet()


def _sentence_piece(text: str) -> bytes:
    match = _BYTE.fullmatch(text)
    return bytes([int(match[1], 16)]) if match else text.replace(_SPACE, " ").encode()


def _bos(folder: Path, content: dict[str, Any]) -> int | None:
    """BOS where tokenizer_config.json says that it is added; where it says nothing, if the
    post-processor adds it; without one, if the model has one and is of a type that starts with it.

    The id is the post-processor's, else config.json's, else that of the configured text.
    """
    config, settings = _json(folder / "config.json"), _json(folder / "tokenizer_config.json")
    adds = settings.get("add_bos_token")
    processors = _steps(content.get("post_processor"), "processors")
    templates = [step for step in processors if step.get("type") == "TemplateProcessing"]
    first = _template_start(templates)
    if adds is False or (templates and first is None and adds is None):
        return None
    if first is not None:
        return first
    if adds is None and config.get("model_type") not in _LLAMA:
        return None
    return _bos_id(config, settings, content)


def _template_start(templates: list[dict[str, Any]]) -> int | None:
    """The id of the special token that a template puts before a text."""
    for template in templates:
        pieces = template.get("single") or [{}]
        name = pieces[0].get("SpecialToken", {}).get("id")
        if name is not None:
            return int(template["special_tokens"][name]["ids"][0])
    return None


def _bos_id(
    config: dict[str, Any], settings: dict[str, Any], content: dict[str, Any]
) -> int | None:
    declared = (config.get("text_config") or config).get("bos_token_id", config.get("bos_token_id"))
    return declared if type(declared) is int else _configured_id("bos_token", settings, content)


def _configured_id(name: str, settings: dict[str, Any], content: dict[str, Any]) -> int | None:
    """The id of a special token whose text tokenizer_config.json says."""
    token = settings.get(name)
    text = token.get("content") if isinstance(token, dict) else token
    added = {entry["content"]: entry["id"] for entry in content.get("added_tokens") or []}
    return added.get(text)


def _prefix(folder: Path, content: dict[str, Any], bos: int | None) -> int | None:
    """What stands before an empty context: BOS, else EOS, as the tokenizer names them."""
    settings = _json(folder / "tokenizer_config.json")
    named = (_configured_id(name, settings, content) for name in ("bos_token", "eos_token"))
    ids = (number for number in (*named, bos) if number is not None)
    return next(ids, None)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EngineError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise EngineError(f"{path}: no JSON object")
    return content
