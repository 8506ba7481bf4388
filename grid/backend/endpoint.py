"""The endpoint of an engine that answers over HTTP: what a load of requests is sent to."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import msgspec

Flavour = Literal["openai", "ollama", "tgi"]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A server that is ready to answer.

    `url` is its root, without `/v1` and without a slash at its end; `model` is the name that
    requests give, `flavour` the API that it speaks. `key_variable` names the environment variable
    that holds its key, empty where it wants none: the key itself is never kept, written or logged.
    """

    url: str
    model: str
    flavour: Flavour = "openai"
    key_variable: str = ""


@runtime_checkable
class HasEndpoint(Protocol):
    """Beside other capabilities of an engine: it answers requests over HTTP, many at once."""

    def endpoint(self) -> Endpoint:
        """Where this engine answers while it is loaded."""
        ...
