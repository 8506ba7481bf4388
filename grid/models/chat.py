"""Chat templates: a conversation as the text that a model was trained on.

A template is Jinja, kept in a GGUF file's metadata or in a folder's tokenizer files. It is code of
strangers: it runs in jinja2's sandbox, which reaches neither files nor attributes of objects.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from grid.errors import InputError, did_you_mean
from grid.models.gguf.reader import SkippedValue, read_header
from grid.models.gguf.tokens import read_tokens

DATE = datetime(2024, 7, 26)
"""The day that templates are told it is, always this one, so that the same conversation gives the
same text: the date that Llama 3.2's own template falls back to."""

_SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")


class ChatTemplate(msgspec.Struct, frozen=True):
    """A template's text, where it was read, and the special tokens that it may name."""

    text: str
    source: str
    special: Mapping[str, str] = {}

    def render(
        self, messages: Sequence[Mapping[str, str]], reply: str = "", complete: bool = False
    ) -> str:
        """The conversation as text, up to where the assistant's next turn begins, and `reply`, the
        beginning of that turn; of a `complete` one the turns alone. Messages have `role` (system,
        user, assistant) and `content`.

        A template that refuses a system message gets it at the head of the user's first message.
        Raises InputError where the template does not take the conversation, or is broken.
        """
        try:
            return self._render(messages, complete) + reply
        except InputError:
            merged = _without_system(messages)
            if merged is None:
                raise
            return self._render(merged, complete) + reply

    def _render(self, messages: Sequence[Mapping[str, str]], complete: bool) -> str:
        try:
            template = _environment().from_string(self.text)
            text: str = template.render(
                messages=[dict(message) for message in messages],
                add_generation_prompt=not complete,
                tools=None,
                documents=None,
                **self.special,
            )
        except InputError:
            raise
        except Exception as error:  # a template is a program, and raises what programs raise
            reason = " ".join(str(error).split())
            raise InputError(f"{self.source}: the chat template fails: {reason}") from error
        return text


def read_chat_template(path: Path) -> ChatTemplate | None:
    """The chat template of a GGUF file or of a folder in Hugging Face's layout; None where there is
    none. Of named templates it is the one called `default`.

    A folder's chat_template.jinja comes before chat_template.json, and that before
    tokenizer_config.json. Raises InputError where a file is damaged, or names templates without
    `default`.
    """
    if path.is_dir():
        return _of_folder(path)
    return _of_gguf(path) if path.suffix.lower() == ".gguf" else None


def _of_gguf(path: Path) -> ChatTemplate | None:
    metadata = read_header(path).metadata
    key = "tokenizer.chat_template"
    named = {
        name.removeprefix(f"{key}."): text
        for name, text in metadata.items()
        if name.startswith(f"{key}.")
    }
    text = metadata.get(key) or _default(named, path)
    if isinstance(text, SkippedValue):
        raise InputError(f"{path}: its chat template is {text.length} bytes long, which is absurd")
    if not isinstance(text, str):
        return None
    ids = {name: metadata.get(f"tokenizer.ggml.{_GGUF_NAMES[name]}_token_id") for name in _SPECIAL}
    numbers = {name: number for name, number in ids.items() if type(number) is int}
    texts = read_tokens(path, numbers.values())
    special = {name: texts[number] for name, number in numbers.items() if number in texts}
    return ChatTemplate(text, str(path), special)


_GGUF_NAMES = {
    "bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"
}  # fmt: skip


def _of_folder(folder: Path) -> ChatTemplate | None:
    settings = _json(folder / "tokenizer_config.json")
    special = {
        name: text for name in _SPECIAL if (text := _token_text(settings.get(name))) is not None
    }
    jinja = folder / "chat_template.jinja"
    if jinja.is_file():
        return ChatTemplate(_text(jinja), str(jinja), special)
    for path in (folder / "chat_template.json", folder / "tokenizer_config.json"):
        template = _json(path).get("chat_template")
        if isinstance(template, list):
            template = _default({entry["name"]: entry["template"] for entry in template}, path)
        if isinstance(template, str) and template:
            return ChatTemplate(template, str(path), special)
    return None


def _default(named: Mapping[str, Any], path: Path) -> Any:
    if named and "default" not in named:
        hint = did_you_mean("default", named)
        raise InputError(f"{path}: no chat template is called default. {hint}".rstrip())
    return named.get("default")


def _token_text(token: Any) -> str | None:
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(_text(path))
    except ValueError as error:
        raise InputError(f"{path}: no JSON ({error})") from error
    return content if isinstance(content, dict) else {}


def _without_system(messages: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]] | None:
    """System messages put before the first of the user; None where there are not both."""
    system = [message["content"] for message in messages if message["role"] == "system"]
    others = [dict(message) for message in messages if message["role"] != "system"]
    if not system or not others or others[0]["role"] != "user":
        return None
    others[0]["content"] = "\n\n".join([*system, others[0]["content"]])
    return [*others]


def _environment() -> Any:
    """Jinja as transformers sets it up, whose templates these are."""
    try:
        from jinja2 import ext, nodes
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError:
        raise InputError(
            "chat templates need the package jinja2, which this environment lacks"
        ) from None

    class Generation(ext.Extension):
        """`{% generation %}` marks the assistant's words for training; here it is what it holds."""

        tags = {"generation"}  # noqa: RUF012  (jinja2 reads a plain set)

        def parse(self, parser: Any) -> list[nodes.Node]:
            next(parser.stream)
            body: list[nodes.Node] = parser.parse_statements(
                ("name:endgeneration",), drop_needle=True
            )
            return body

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, ext.loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = DATE.strftime
    return environment


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Plain JSON: jinja2's own filter escapes HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise_exception(message: str) -> NoReturn:
    import jinja2

    raise jinja2.TemplateError(message)
