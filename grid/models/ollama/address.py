"""Names of models as Ollama writes them: `[HOST/][NAMESPACE/]MODEL[:TAG]`."""

from __future__ import annotations

import re

import msgspec

from grid.errors import InputError

PREFIX = "ollama:"
_HOST, _NAMESPACE, _TAG = "registry.ollama.ai", "library", "latest"
_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?")
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?")
_FORM = "write ollama:MODEL:TAG, such as ollama:llama3.2:3b; `ollama list` names them"


class OllamaAddress(msgspec.Struct, frozen=True):
    """A model in the store, with what Ollama fills in where a name leaves it out."""

    model: str
    tag: str = _TAG
    namespace: str = _NAMESPACE
    host: str = _HOST

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """Folders of the manifest, and its name."""
        return self.host, self.namespace, self.model, self.tag

    @property
    def name(self) -> str:
        """As Ollama's own commands write it: `llama3.2:3b`."""
        host = "" if self.host == _HOST else f"{self.host}/"
        namespace = "" if not host and self.namespace == _NAMESPACE else f"{self.namespace}/"
        return f"{host}{namespace}{self.model}:{self.tag}"

    def __str__(self) -> str:
        return PREFIX + self.name


def parse(text: str) -> OllamaAddress:
    """The address in `ollama:NAME`. Raises InputError with one line and the remedy."""
    *before, last = text.removeprefix(PREFIX).split("/")
    model, colon, tag = last.partition(":")
    if len(before) > 2:
        raise InputError(f"{text!r} has too many parts; {_FORM}")
    namespace = before[-1] if before else _NAMESPACE
    host = before[0] if len(before) == 2 else _HOST
    address = OllamaAddress(model, tag if colon else _TAG, namespace, host)
    parts_fit = all(_PART.fullmatch(part) for part in (model, address.tag, namespace))
    if not parts_fit or not _HOST_NAME.fullmatch(host) or ".." in text:
        raise InputError(f"{text!r} is no name of a model of Ollama; {_FORM}")
    return address
