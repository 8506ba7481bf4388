"""Typed access to config.json, whose keys have had several names over the years."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grid.errors import InputError
from grid.models.model import MAX_LAYERS, MAX_WIDTH

_INNER = ("text_config", "llm_config", "language_config", "thinker_config", "decoder")
_CONTEXT = (
    "max_position_embeddings",
    "n_positions",
    "max_sequence_length",
    "max_seq_len",
    "max_seq_length",
    "seq_length",
    "seq_len",
    "n_ctx",
    "context_length",
    "max_target_positions",
    "model_max_length",
)
_VOCABULARY = ("vocab_size", "n_vocab", "padded_vocab_size", "vocabulary_size")
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers")
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "decoder_attention_heads")
_HIDDEN = ("hidden_size", "n_embd", "d_model", "model_dim", "dim")


class Config:
    """The part of config.json that describes the text model.

    Impossible numbers are an InputError; absent ones are None or 0 as each property says.
    """

    def __init__(self, where: Path, values: Mapping[str, Any]) -> None:
        self.where = where
        self.outer = values
        self.values = _text_values(values)
        self.architecture = self._architecture()

    def error(self, what: str) -> InputError:
        return InputError(f"{self.where}: {what}")

    def integer(self, *names: str, limit: int = 2**31) -> int | None:
        """The first of these keys that is a whole number; None if none is there."""
        for name in names:
            value = self.values.get(name)
            if value is None or value == "auto" or isinstance(value, list):
                continue
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if type(value) is not int or not -1 <= value < limit:
                raise self.error(f"{name} is {str(value)[:60]!r}, not a number within reason")
            return value if value >= 0 else None
        return None

    def flag(self, name: str) -> bool | None:
        """True or false where the key says so, else None."""
        value = self.values.get(name)
        return value if isinstance(value, bool) else None

    def sequence(self, *names: str) -> Sequence[Any] | None:
        """The first of these keys that is a list."""
        values = (self.values.get(name) for name in names)
        return next((value for value in values if isinstance(value, list)), None)

    def section(self, name: str) -> Mapping[str, Any]:
        """A nested object, empty where there is none."""
        value = self.values.get(name)
        return value if isinstance(value, dict) else {}

    def section_integer(self, name: str, key: str) -> int:
        """A whole number in a nested object, 0 where there is none."""
        value = self.section(name).get(key)
        if value is None:
            return 0
        if type(value) is not int or not 0 <= value < MAX_WIDTH:
            raise self.error(f"{name}.{key} is {str(value)[:60]!r}, not a number within reason")
        return value

    @property
    def context_length(self) -> int:
        """Tokens; 0 where the config does not say."""
        return self.integer(*_CONTEXT) or 0

    @property
    def vocabulary(self) -> int:
        """Token ids; 0 where the config does not say."""
        return self.integer(*_VOCABULARY) or 0

    @property
    def layers(self) -> int:
        count = self.integer(*_LAYERS) or 0
        if count > MAX_LAYERS:
            raise self.error(f"absurd: {count} layers")
        return count

    @property
    def heads(self) -> int:
        """Attention heads, 0 without attention."""
        return self.integer(*_HEADS, limit=MAX_WIDTH) or 0

    @property
    def hidden(self) -> int:
        return self.integer(*_HIDDEN, limit=MAX_WIDTH) or 0

    @property
    def kv_heads(self) -> int:
        """Heads that keys and values have."""
        if self.flag("multi_query") and not self.flag("new_decoder_architecture"):
            return 1
        if self.flag("multi_query_attention"):
            return self.integer("multi_query_group_num", limit=MAX_WIDTH) or 1
        count = self.integer("num_key_value_heads", "num_kv_heads", "n_head_kv", limit=MAX_WIDTH)
        return count or self.heads

    @property
    def head_width(self) -> int:
        """Elements of one head."""
        width = self.integer("head_dim", "kv_channels", "attention_head_dim", limit=MAX_WIDTH)
        return width or (self.hidden // self.heads if self.heads else 0)

    def _architecture(self) -> str:
        name = self.values.get("model_type") or self.outer.get("model_type")
        if not isinstance(name, str) or not name.strip():
            raise self.error("model_type is missing; it names the architecture")
        return "".join(c for c in name if c.isprintable()).strip()[:100]


def _text_values(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The text model's own keys, where a model of several kinds nests them."""
    for name in _INNER:
        inner = values.get(name)
        if isinstance(inner, dict) and any(key in inner for key in (*_LAYERS, *_INNER)):
            return _text_values(inner)
    return values
