"""The conformance suite finds memory that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_fake import FakeBackend, write
from grid_fake.engine import FakeEngine
from rule_cases import break_message, case

from grid.testing import check


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "toy.fake")


class Leaking(FakeBackend):
    """Holds on to what it loaded."""

    def __init__(self) -> None:
        self.leaks: list[Any] = []

    @contextmanager
    def load(self, path: Path, device: str, options: Any) -> Iterator[FakeEngine]:
        self.leaks.append(np.ones(12 * 2**20, dtype=np.uint8))
        with super().load(path, device, options) as engine:
            yield engine


def test_memory_that_is_kept_is_found(path: Path) -> None:
    assert "bytes behind" in break_message("memory_is_given_back", case(path, Leaking()))


def test_memory_that_is_given_back_is_no_leak(path: Path) -> None:
    assert check("memory_is_given_back", case(path, options={"allocate_mib": 48})) == "ran"


def test_fewer_loads_can_be_asked_for(path: Path) -> None:
    leaking = Leaking()
    assert check("memory_is_given_back", case(path, leaking, loads=1)) == "ran"
    assert len(leaking.leaks) == 3  # two to settle, one that is watched
