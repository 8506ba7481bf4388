"""The conformance suite finds what is broken, skips what cannot be tried, and says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_fake import FakeBackend, write
from grid_fake.engine import FakeEngine

from grid.backend import (
    Artifact,
    Availability,
    Calibration,
    Needs,
    Recipe,
    ServeCommand,
    ServeRequest,
    ShellCommand,
)
from grid.errors import InputError
from grid.hardware.node import Node
from grid.testing import CHECKS, Case, Expected, NonConforming, check, expectation, local_node

NODE = Node(name="n", system="s", chip="c", cores=1, memory_bytes=2**34, bandwidth_bytes_s=1e10)
Breaks = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "toy.fake")


def case(path: Path, backend: FakeBackend | None = None, **fields: Any) -> Case:
    return Case(backend or FakeBackend(), path, NODE, **fields)


def break_message(rule: str, tried: Case) -> str:
    with pytest.raises(NonConforming) as caught:
        check(rule, tried)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Scores against a reference


def test_an_engine_agrees_with_its_own_figures(path: Path) -> None:
    expected = expectation(case(path), "itself")
    assert check("scores_agree_with_the_reference", case(path, expected=expected)) == "ran"
    assert check("text_becomes_the_tokens_of_the_reference", case(path, expected=expected)) == "ran"


def test_figures_of_other_weights_are_found_to_differ(path: Path, tmp_path: Path) -> None:
    other_weights = write(tmp_path / "other.fake", seed=1)
    expected = expectation(case(other_weights), "another model")
    complaint = break_message("scores_agree_with_the_reference", case(path, expected=expected))
    assert complaint.startswith("scores agree with another model: ")
    assert complaint.endswith(" nats apart")


def test_figures_may_be_off_by_as_much_as_they_say(path: Path) -> None:
    exact = expectation(case(path))
    off = [value - 0.04 for value in exact.log_probs]
    loose = Expected(ids=exact.ids, log_probs=tuple(off))
    strict = Expected(ids=exact.ids, log_probs=tuple(off), near=0.03)
    assert check("scores_agree_with_the_reference", case(path, expected=loose)) == "ran"
    break_message("scores_agree_with_the_reference", case(path, expected=strict))


def test_an_engine_that_only_scores_is_held_against_the_reference(path: Path) -> None:
    class Scorer(FakeBackend):
        capabilities = frozenset({"tokenizes", "scores"})

    expected = expectation(case(path))
    assert check("scores_agree_with_the_reference", case(path, Scorer(), expected=expected)) == (
        "ran"
    )


def test_other_tokens_of_a_text_are_found(path: Path) -> None:
    expected = Expected(ids=(256, 97, 99), log_probs=(-1.0, -1.0), text="ab", source="another")
    complaint = break_message(
        "text_becomes_the_tokens_of_the_reference", case(path, expected=expected)
    )
    assert complaint == (
        "text becomes the tokens of the reference: 3 tokens of the text, another has 3, "
        "the first other one at 2"
    )


def test_a_special_token_too_many_is_found(path: Path) -> None:
    expected = Expected(ids=(97, 98), log_probs=(-1.0,), text="ab")
    complaint = break_message(
        "text_becomes_the_tokens_of_the_reference", case(path, expected=expected)
    )
    assert "3 tokens of the text, the reference has 2" in complaint


@pytest.mark.parametrize("log_probs", [(), (-1.0,), (-1.0, -1.0, -1.0)])
def test_figures_that_do_not_fit_together_are_an_input_error(log_probs: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="a log-probability for each but the first"):
        Expected(ids=(1, 2, 3), log_probs=log_probs)


# Probe


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


# Declaration


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


# Memory


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


# Determinism


def test_weights_that_load_differently_each_time_are_found(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = iter(range(100))
    plain_init = FakeEngine.__init__

    def init(self: FakeEngine, content: Any, options: Any) -> None:
        plain_init(self, content, options)
        noise = np.random.default_rng(next(seeds)).standard_normal(self._table.shape)
        self._table = (self._table + noise).astype(np.float32)

    monkeypatch.setattr(FakeEngine, "__init__", init)
    assert "loaded twice score the same" in break_message(
        "a_second_load_computes_the_same", case(path)
    )
    assert check("logits_are_a_distribution_per_token", case(path)) == "ran"


# Making weights


class Maker(FakeBackend):
    """Makes weights as a test wants them to be broken."""

    def __init__(self, makes: Breaks) -> None:
        self.makes = makes

    def quantize(
        self,
        source: Path,
        recipe: str,
        target: Path,
        threads: int,
        calibration: Calibration | None = None,
        device: str = "cpu",
    ) -> None:
        self.makes(super().quantize, source, recipe, target, threads)


def _another_quant(quantize: Breaks, source: Path, _: str, target: Path, threads: int) -> None:
    quantize(source, "Q8", target, threads)


def _litter(quantize: Breaks, source: Path, recipe: str, target: Path, threads: int) -> None:
    quantize(source, recipe, target, threads)
    target.with_name("temporary").write_bytes(b"")


def _leave(quantize: Breaks, source: Path, recipe: str, target: Path, threads: int) -> None:
    target.write_bytes(b"half")
    quantize(source, recipe, target, threads)


@pytest.mark.parametrize(
    ("makes", "complaint"),
    [
        (_another_quant, "Q4 was asked, Q8 was made"),
        (_litter, "quantize leaves its target, nothing else"),
    ],
)
def test_weights_that_are_not_what_was_asked_are_found(
    path: Path, makes: Breaks, complaint: str
) -> None:
    assert (
        break_message("a_recipe_makes_what_it_says", case(path, Maker(makes), recipe="Q4"))
        == complaint
    )


def test_a_file_that_a_failure_leaves_is_found(path: Path) -> None:
    complaint = break_message("an_unknown_recipe_leaves_no_file", case(path, Maker(_leave)))
    assert complaint == "a failed quantization leaves no file"


def test_a_recipe_is_made_of_the_source(path: Path, tmp_path: Path) -> None:
    q2 = tmp_path / "q2.fake"
    FakeBackend().quantize(path, "Q2", q2, 1)
    quantizing = case(q2, recipe="Q4", source=path)
    assert check("a_recipe_makes_what_it_says", quantizing) == "ran"


def test_recipes_without_a_format_where_there_are_two_are_found(path: Path) -> None:
    class Two(FakeBackend):
        formats = frozenset({"fake", "other"})

    assert break_message("recipes_are_named_and_others_refused", case(path, Two())) == (
        "a recipe names its format where the backend has several"
    )


class Calibrated(FakeBackend):
    def recipes(self) -> Mapping[str, Recipe]:
        return {"Q4": Recipe(name="Q4", bits=4.0, calibrated=True)}


@pytest.mark.parametrize(
    ("backend", "skipped"),
    [
        (FakeBackend(), "skipped: the case names no recipe to be made (Case.recipe)"),
        (Calibrated(), "skipped: Q4 takes a calibration set (Case.calibration)"),
    ],
)
def test_a_recipe_that_cannot_be_tried_is_skipped_with_the_reason(
    path: Path, backend: FakeBackend, skipped: str
) -> None:
    recipe = "Q4" if "Q4" in skipped else ""
    assert check("a_recipe_makes_what_it_says", case(path, backend, recipe=recipe)) == skipped


def test_a_recipe_that_there_is_not_is_no_skip(path: Path) -> None:
    with pytest.raises(InputError, match="fake has no recipe 'Q5'"):
        check("a_recipe_makes_what_it_says", case(path, recipe="Q5"))


# Case


def test_a_skipped_rule_says_what_the_case_lacks(path: Path) -> None:
    skipped = "skipped: the case has no figures of another engine (Case.expected)"
    assert check("scores_agree_with_the_reference", case(path)) == skipped


def test_a_capability_that_is_not_declared_is_skipped(path: Path) -> None:
    class Bare(FakeBackend):
        capabilities = frozenset({"tokenizes"})

    bare = case(path, Bare())
    assert (
        check("generation_counts_and_repeats", bare) == "skipped: fake does not declare generates"
    )
    assert check("a_second_load_computes_the_same", bare) == (
        "skipped: fake declares neither logits nor scores"
    )


def test_slow_engines_are_asked_for_few_tokens(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    logits = FakeEngine.logits

    def counted(self: FakeEngine, ids: Any, first: int = 0) -> Any:
        counts.append(len(ids))
        return logits(self, ids, first)

    monkeypatch.setattr(FakeEngine, "logits", counted)
    for name in CHECKS:
        check(name, case(path, tokens=8, recipe="Q4"))
    assert max(counts) <= 8 + 5  # greedy text is followed to its end


@pytest.mark.parametrize("fields", [{"tokens": 7}, {"loads": 0}])
def test_a_case_that_leaves_nothing_to_try_is_an_input_error(
    path: Path, fields: dict[str, int]
) -> None:
    with pytest.raises(InputError, match="too few"):
        case(path, **fields)


def test_the_local_node_is_described_without_measuring_it() -> None:
    assert local_node().cores >= 1
    assert local_node().memory_bytes > 0
    assert local_node().bandwidth_bytes_s == 0


# Serving


class Serving(FakeBackend):
    """Serves by other words than the fake backend."""

    def __init__(self, *argv: str) -> None:
        self._argv = argv

    def serve_command(self, artifact: Artifact, request: ServeRequest) -> list[ServeCommand]:
        argv = tuple(str(artifact.path) if word == "PATH" else word for word in self._argv)
        return [ServeCommand(program="fake", commands=(ShellCommand(argv=argv),))]


def test_a_command_that_its_program_refuses_is_broken(path: Path) -> None:
    tried = case(path, Serving("python", "-m", "grid_fake", "PATH", "--context", "many"))
    complaint = break_message("the_engine_accepts_its_serve_commands", tried)
    assert complaint.startswith("python refuses python -m grid_fake")
    assert "invalid int value: 'many'" in complaint


def test_an_option_that_its_program_does_not_list_is_broken(path: Path) -> None:
    tried = case(path, Serving("python", "-m", "grid_fake", "PATH", "--ctx", "64"))
    complaint = break_message("the_engine_accepts_its_serve_commands", tried)
    assert complaint == "python lists no option --ctx"


def test_a_command_without_the_weights_is_broken(path: Path) -> None:
    tried = case(path, Serving("python", "-m", "grid_fake", "--context", "64"))
    complaint = break_message("serve_commands_are_shell_lines", tried)
    assert complaint.startswith("fake: no command names the weights")


def test_a_program_that_is_not_there_is_not_tried(path: Path) -> None:
    tried = case(path, Serving("no-such-server", "PATH"))
    assert check("serve_commands_are_shell_lines", tried) == "ran"
    assert check("the_engine_accepts_its_serve_commands", tried) == (
        "skipped: none of the programs that serve it is installed"
    )
