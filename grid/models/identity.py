"""Identity: the same thing has the same id on every machine and in every run."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(order="deterministic")


def digest(*parts: Any) -> str:
    """16 hex digits (64 bits) of BLAKE2b over the parts as canonical JSON (sorted keys).

    At a million ids the chance of any collision is below 1e-7 (birthday bound n^2 / 2^65).
    """
    return blake2b(_ENCODER.encode(parts), digest_size=8).hexdigest()
