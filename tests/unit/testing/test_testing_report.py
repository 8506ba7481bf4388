"""All checks on one case: the report, what it sums up to, and the command that prints it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest
from grid_fake import FakeBackend, write
from grid_fake.engine import FakeEngine

from grid.backend import Availability, Capability
from grid.hardware.node import Node
from grid.testing import CHECKS, Case, capabilities, expectation, local_node, report
from grid.testing.__main__ import main


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "toy.fake")


@pytest.fixture
def case(path: Path) -> Case:
    whole = Case(FakeBackend(), path, local_node(), recipe="Q4")
    return Case(FakeBackend(), path, local_node(), recipe="Q4", expected=expectation(whole))


ENDPOINT_RULE = "the_endpoint_is_where_the_engine_says"
NO_ENDPOINT = "skipped: fake does not declare endpoint"
"""The fake backend answers calls, not requests over HTTP."""


def test_every_rule_runs_on_a_whole_case(case: Case) -> None:
    outcomes = report(case)
    assert outcomes == dict.fromkeys(CHECKS, "ran") | {ENDPOINT_RULE: NO_ENDPOINT}
    assert {*capabilities(case, outcomes).values()} == {"ran", NO_ENDPOINT}


def test_each_line_is_heard_as_it_comes(case: Case) -> None:
    lines: list[tuple[str, str]] = []
    outcomes = report(case, lambda name, outcome: lines.append((name, outcome)))
    assert dict(lines) == outcomes


def test_a_broken_rule_spares_the_others(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEngine, "decode", lambda self, ids: b"something else")
    outcomes = report(case)
    assert outcomes.pop("tokens_give_their_text_back") == "broken: decoding gives the text back"
    assert outcomes.pop(ENDPOINT_RULE) == NO_ENDPOINT
    assert {*outcomes.values()} == {"ran"}


def test_an_error_of_the_engine_is_a_broken_rule(case: Case) -> None:
    failing = Case(case.backend, case.path, case.node, options={"oom_on": "prefill"})
    outcomes = report(failing)
    assert outcomes["steps_can_be_cut_back_and_repeated"] == (
        "broken: OutOfMemory: no memory for prefill, as the option oom_on asks"
    )
    assert capabilities(failing, outcomes)["steps"].startswith("broken: ")
    assert capabilities(failing, outcomes)["logits"] == "ran"


def test_a_capability_that_is_not_declared_is_skipped(path: Path) -> None:
    class Bare(FakeBackend):
        capabilities = frozenset({"tokenizes", "logits"})

    bare = Case(Bare(), path, local_node())
    summed = capabilities(bare, report(bare))
    assert summed["steps"] == "skipped: fake does not declare steps"
    assert summed["logits"] == "ran"


def test_an_engine_that_is_not_there_has_run_nothing(path: Path) -> None:
    class Absent(FakeBackend):
        def probe(self, node: Node) -> Availability:
            return Availability(ready=False, reason="not installed", mend="install it")

    absent = Case(Absent(), path, local_node(), recipe="Q4")
    outcomes = report(absent)
    skipped = "skipped: fake is not ready here: not installed; install it"
    assert outcomes["recipes_are_named_and_others_refused"] == "ran"
    assert {*capabilities(absent, outcomes).values()} == {skipped, NO_ENDPOINT}


def test_quantizing_has_run_where_a_recipe_was_made(path: Path) -> None:
    without_recipe = Case(FakeBackend(), path, local_node())
    outcomes = report(without_recipe)
    assert outcomes["an_unknown_recipe_leaves_no_file"] == "ran"
    assert capabilities(without_recipe, outcomes)["quantizes"] == (
        "skipped: the case names no recipe to be made (Case.recipe)"
    )


class Counting(FakeBackend):
    """Counts loads, and how many engines there are at once."""

    def __init__(self) -> None:
        self.loads = self.open = self.most = 0

    @contextmanager
    def load(self, path: Path, device: str, options: Any) -> Iterator[FakeEngine]:
        self.loads += 1
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            with super().load(path, device, options) as engine:
                yield engine
        finally:
            self.open -= 1


def test_rules_share_an_engine_and_none_is_left_open(path: Path) -> None:
    backend = Counting()
    report(Case(backend, path, local_node(), recipe="Q4", loads=1))
    # two loads that score alike, three for memory, one that a recipe made; and what lies between
    assert backend.loads <= 9
    assert (backend.most, backend.open) == (1, 0)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "grid.testing", *arguments],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_the_command_prints_a_line_for_each_check_and_capability(path: Path) -> None:
    done = run("fake", str(path), "--recipe", "Q4")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split("  ", 1)[0].strip() for line in done.stdout.splitlines()]
    assert lines[: len(CHECKS)] == list(CHECKS)
    assert lines[len(CHECKS) :] == [f"capability {name}" for name in get_args(Capability)]


def test_the_command_exits_with_1_where_something_is_broken(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["fake", str(path), "--option", "unsupported_on=step", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert code == 1
    assert answer["backend"] == "fake"
    assert answer["version"] == "fake 1"
    assert answer["capabilities"]["steps"].startswith("broken: Unsupported: ")
    assert answer["capabilities"]["generates"] == "ran"
    assert answer["checks"]["a_recipe_makes_what_it_says"].startswith("skipped: ")


def test_figures_go_from_one_engine_to_another(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = str(tmp_path / "expected.json")
    assert main(["fake", str(path), "--write-expected", figures, "--json"]) == 0
    other_weights = str(write(tmp_path / "other.fake", seed=3))
    capsys.readouterr()
    assert main(["fake", other_weights, "--expected", figures, "--json"]) == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert checks["text_becomes_the_tokens_of_the_reference"] == "ran"
    assert checks["scores_agree_with_the_reference"].startswith("broken: scores agree with fake: ")
    assert main(["fake", str(path), "--expected", figures, "--json", "--tokens", "8"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fack", "{path}"], "no backend 'fack'. Known: "),
        (["fake", "nowhere.fake"], "no file nowhere.fake"),
        (["fake", "{path}", "--source", "nowhere"], "no file nowhere"),
        (["fake", "{path}", "--recipe", "q4"], "fake has no recipe 'q4'. Did you mean 'Q4'?"),
        (["fake", "{path}", "--option", "x"], "--option x: expected NAME=VALUE"),
        (["fake", "{path}", "--tokens", "2"], "tokens: 2 are too few"),
        (["fake", "{path}", "--expected", "nowhere"], "--expected nowhere: No such file"),
        (["fake", "{path}", "--expected", "{path}"], "toy.fake: Object "),
    ],
)
def test_a_wrong_command_is_one_line(
    path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([argument.format(path=path) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_suite_takes_no_more_than_an_engines_process_has() -> None:
    heavy = ("pyarrow", "ray", "duckdb", "pandas", "rich", "scipy", "platformdirs", "packaging")
    code = f"import grid.testing.__main__, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
