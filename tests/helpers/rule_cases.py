"""Cases of the conformance suite on the fake backend, and what it says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from grid_fake import FakeBackend

from grid.hardware.node import Node
from grid.testing import Case, NonConforming, check

NODE = Node(name="n", system="s", chip="c", cores=1, memory_bytes=2**34, bandwidth_bytes_s=1e10)


def case(path: Path, backend: FakeBackend | None = None, **fields: Any) -> Case:
    return Case(backend or FakeBackend(), path, NODE, **fields)


def break_message(rule: str, tried: Case) -> str:
    with pytest.raises(NonConforming) as caught:
        check(rule, tried)
    assert "\n" not in str(caught.value)
    return str(caught.value)
