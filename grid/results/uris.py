"""URIs of stores, as messages may show them."""

from __future__ import annotations

from urllib.parse import urlsplit


def without_credentials(place: str) -> str:
    """A store's place for messages: a URI without credentials and query, a path as it is."""
    if "://" not in place:
        return place
    parts = urlsplit(place)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
