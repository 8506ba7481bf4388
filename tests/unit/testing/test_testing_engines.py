"""Tests of engines that skip in the engines' own environments are no pass."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "engine_tests.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("engine_tests", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "reason",
    [
        "mlx-lm is not installed here",
        "gptqmodel is not installed in this interpreter",
        "skipped: vllm is not ready here: it does not load; install it",
        "skipped: not ready: it does not load",
        "QUANTGRID_TEST_GPTQ names no GPTQ checkpoint to run",
    ],
)
def test_a_skip_for_want_of_the_engine_is_found(script: ModuleType, reason: str) -> None:
    line = f"SKIPPED [3] backends/x/tests/test_x.py:38: {reason}"
    assert script.skipped_for_want(["3 passed, 3 skipped", line]) == [line]


@pytest.mark.parametrize(
    "line",
    [
        "SKIPPED [1] test_x.py:1: limits of private memory are Linux's",
        "SKIPPED [1] test_x.py:1: skipped: vllm does not declare steps",
        "backends/x/tests/test_x.py: what is not installed is said",
    ],
)
def test_other_skips_are_none(script: ModuleType, line: str) -> None:
    assert script.skipped_for_want([line]) == []
