"""The conformance suite tries what a backend says of itself and declares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from grid_fake import FakeBackend, write
from rule_cases import break_message, case

from grid.backend import (
    Availability,
    Needs,
)
from grid.hardware.node import Node
from grid.testing import check


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "toy.fake")


class Probing(FakeBackend):
    """Answers the probe with whatever it is given."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def probe(self, node: Node) -> Availability:
        return Availability(**self.fields)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"ready": True}, "a backend that is ready has a version"),
        ({"ready": True, "version": "2.0"}, "probe says version 2.0, the loaded engine fake 1"),
        ({"ready": False, "mend": "x"}, "a backend that is not ready gives the reason"),
        ({"ready": False, "reason": "x"}, "a backend that is not ready says what mends it"),
    ],
)
def test_a_dishonest_probe_is_found(path: Path, fields: dict[str, Any], rule: str) -> None:
    assert break_message("the_probe_is_honest", case(path, Probing(**fields))) == rule


@pytest.mark.parametrize("version", ["fake 1", "fake 1, numpy 2.4", "1"])
def test_a_version_may_say_more_or_less(path: Path, version: str) -> None:
    probing = case(path, Probing(ready=True, version=version))
    assert check("the_probe_is_honest", probing) == "ran"


def test_a_probe_that_answers_something_else_is_found(path: Path) -> None:
    class Vague(FakeBackend):
        def probe(self, node: Node) -> Any:
            return True

    assert break_message("the_probe_is_honest", case(path, Vague())) == (
        "probe answers with an Availability"
    )


def test_an_engine_that_is_not_there_is_skipped_with_its_reason(path: Path) -> None:
    absent = case(path, Probing(ready=False, reason="no AVX-512", mend="another machine"))
    skipped = "skipped: fake is not ready here: no AVX-512; another machine"
    assert check("logits_are_a_distribution_per_token", absent) == skipped
    assert check("inspection_describes_the_file", absent) == "ran"
    assert check("the_probe_is_honest", absent) == "skipped: not ready: no AVX-512"


def test_noise_that_only_changes_the_speed_is_found(path: Path) -> None:
    class Same(FakeBackend):
        def noise_options(self, options: Any) -> Any:
            return {**options, "threads": options["threads"] + 1}

    assert break_message("options_are_complete_and_checked", case(path, Same())) == (
        "noise options differ in one that is not in speed_only"
    )


def test_an_option_of_speed_that_there_is_not_is_found(path: Path) -> None:
    class Misnamed(FakeBackend):
        speed_only = frozenset({"threads", "cores"})

    assert break_message("options_are_complete_and_checked", case(path, Misnamed())) == (
        "speed_only names options, not cores"
    )


@pytest.mark.parametrize("side", ["host", "device"])
def test_needs_that_shrink_with_the_context_are_found(path: Path, side: str) -> None:
    class Shrinking(FakeBackend):
        def needs(self, artifact: Any, weight_bytes: int, options: Any, workload: Any) -> Needs:
            size = {"host_bytes": 1, f"{side}_bytes": 2**30 // workload.size}
            return Needs(**size)

    assert break_message("needs_grow_with_the_context", case(path, Shrinking())) == (
        f"a longer context needs no less of the {side}"
    )
