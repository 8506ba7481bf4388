"""A Hugging Face tokenizer.json (byte-level BPE) as the metadata llama.cpp reads."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from grid.backend import EngineError, Unsupported

_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5

_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITS = {_QWEN2: "qwen2", _LLAMA3: "llama-bpe"}


class Vocabulary(NamedTuple):
    """Tokens by id, their types (llama.cpp's numbers), merges, and the name of the splitting."""

    tokens: list[str]
    types: list[int]
    merges: list[str]
    pre: str
    adds_bos: bool | None
    """Whether encoding puts BOS first; None where the tokenizer does not say."""


def read(folder: Path) -> Vocabulary:
    """The tokenizer of a model folder, or of the folder above where a family shares one.

    Raises EngineError where there is none, Unsupported for another kind than byte-level BPE.
    """
    path = find_file(folder, "tokenizer.json")
    if path is None:
        raise EngineError(f"{folder}: no tokenizer.json there or in the folder above")
    content = json.loads(path.read_text(encoding="utf-8"))
    model = content["model"]
    if model.get("type") != "BPE" or model.get("byte_fallback"):
        raise Unsupported(f"{path}: only byte-level BPE is converted; convert with llama.cpp's own")
    tokens, types = _tokens(content, model["vocab"])
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    return Vocabulary(tokens, types, merges, _pre(path, content), _adds_bos(folder, content))


def refuse_unknown(folder: Path) -> None:
    """Raises Unsupported where the tokenizer, or what else llama.cpp keeps beside it, would not be
    written as llama.cpp's own converter writes it. A tokenizer.json of which only the place is
    there, as before a download, passes."""
    path = find_file(folder, "tokenizer.json")
    if path is not None:
        _refuse_splitting(path, path.stat().st_mtime_ns)
    config = find_file(folder, "tokenizer_config.json")
    in_config = config is not None and '"chat_template"' in config.read_text(errors="replace")
    if in_config or any((folder / f"chat_template.{end}").exists() for end in ("jinja", "json")):
        raise Unsupported(f"{folder}: has a chat template, which is not written here")


@lru_cache(maxsize=8)
def _refuse_splitting(path: Path, changed_ns: int) -> None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return
    if isinstance(content, dict):
        _pre(path, content)


def find_file(folder: Path, name: str) -> Path | None:
    """A file of the folder, or of the one above; None where neither has it."""
    return next((p for p in (folder / name, folder.parent / name) if p.is_file()), None)


def _tokens(content: dict[str, Any], vocab: dict[str, int]) -> tuple[list[str], list[int]]:
    """Token texts and types by id; ids that nothing names become unused ones."""
    added = {entry["id"]: entry for entry in content.get("added_tokens") or []}
    by_id = {number: text for text, number in vocab.items()}
    by_id |= {number: entry["content"] for number, entry in added.items()}
    size = max(by_id) + 1
    tokens = [by_id.get(i, f"[PAD{i}]") for i in range(size)]
    types = [_NORMAL if i in by_id else _UNUSED for i in range(size)]
    for number, entry in added.items():
        types[number] = _CONTROL if entry.get("special") else _USER_DEFINED
    return tokens, types


def _pre(path: Path, content: dict[str, Any]) -> str:
    """llama.cpp knows ways of splitting text by name; the pattern decides which it is."""
    splitter = content.get("pre_tokenizer") or {}
    parts = splitter.get("pretokenizers") or [splitter]
    plain = {part.get("type") for part in parts} <= {"Split", "ByteLevel"}
    patterns = [p["pattern"].get("Regex") for p in parts if p.get("type") == "Split"]
    if plain and len(patterns) == 1 and patterns[0] in _SPLITS:
        return _SPLITS[patterns[0]]
    byte_level = any(p.get("type") == "ByteLevel" and p.get("use_regex") for p in parts)
    if plain and not patterns and byte_level:
        return "gpt-2"
    raise Unsupported(f"{path}: splits text in a way not known here; convert with llama.cpp's own")


def _adds_bos(folder: Path, content: dict[str, Any]) -> bool | None:
    path = find_file(folder, "tokenizer_config.json")
    adds = json.loads(path.read_text(encoding="utf-8")).get("add_bos_token") if path else None
    if adds is not None:
        return bool(adds)
    processor = content.get("post_processor") or {}
    steps = [processor, *(processor.get("processors") or [])]
    templates = [step for step in steps if step.get("type") == "TemplateProcessing"]
    if templates:
        return any("SpecialToken" in s["single"][0] for s in templates if s.get("single"))
    return None
