"""Conformance: what every backend has to keep to, as checks that run against a real one.

    from grid.testing import CHECKS, Case, check
    case = Case(backend, path, node, options={})
    for name in CHECKS:
        check(name, case)            # "ran", or "skipped: ..." for a capability not declared

`path` is a weight file that the backend can load; any small model does. A broken rule raises
`NonConforming` with one line.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from grid.artifact import Artifact
from grid.backend import Backend, Capability, Generates, Logits, Scores, Steps, Tokenizes
from grid.cell import Options
from grid.errors import EngineError, InputError, Unsupported
from grid.node import Node
from grid.workload import Memory

NEAR = 0.05
"""Nats by which two evaluations of the same tokens in other batches may differ."""
TEXT = "The cat sat on the mat.\nIt was 12 o'clock."
_CONTEXT = 256
_GROWTH = 16 * 2**20
_CYCLES = 4


class NonConforming(AssertionError):
    """A backend broke a rule of the contract."""


@dataclass(frozen=True)
class Case:
    """A backend, a weight file it can load, the node, and options as a user would give them."""

    backend: Backend
    path: Path
    node: Node
    options: Mapping[str, Any] = field(default_factory=dict)

    def complete(self) -> Options:
        return self.backend.options(self.options, self.node)

    @contextmanager
    def engine(self) -> Iterator[Any]:
        with self.backend.load(self.path, "cpu", self.complete()) as engine:
            engine.resize(_CONTEXT)
            yield engine

    def ids(self, engine: Any) -> list[int]:
        """Some tokens of a text, BOS before them where there is one."""
        start = [] if engine.bos is None else [engine.bos]
        return [*start, *engine.encode(TEXT)][:32]


class Check(NamedTuple):
    """One rule: the capabilities it takes, and what tries it."""

    needs: frozenset[Capability]
    run: Callable[[Case], None]


CHECKS: dict[str, Check] = {}


def check(name: str, case: Case) -> str:
    """Run one check: `ran`, or `skipped: ...`. Raises NonConforming where the rule is broken."""
    rule = CHECKS[name]
    missing = sorted(rule.needs - case.backend.capabilities)
    if missing:
        return f"skipped: {case.backend.name} does not declare {', '.join(missing)}"
    rule.run(case)
    return "ran"


def _rule(*needs: Capability) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    def register(run: Callable[[Case], None]) -> Callable[[Case], None]:
        CHECKS[run.__name__] = Check(frozenset(needs), run)
        return run

    return register


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise NonConforming(rule)


def _near(first: npt.ArrayLike, second: npt.ArrayLike, rule: str) -> None:
    furthest = float(np.max(np.abs(np.subtract(first, second)), initial=0.0))
    _require(furthest <= NEAR, f"{rule}: {furthest:.3g} nats apart")


@contextmanager
def _raises(kind: type[Exception], rule: str) -> Iterator[None]:
    try:
        yield
    except kind as error:
        _require("\n" not in str(error) and str(error) != "", f"{rule}: not one line: {error}")
        return
    raise NonConforming(f"{rule}: no {kind.__name__}")


@_rule()
def options_are_complete_and_checked(case: Case) -> None:
    options = case.complete()
    _require(case.backend.options(options, case.node) == options, "complete options are kept")
    noise = case.backend.noise_options(options)
    _require(set(noise) == set(options), "noise options have the same names")
    _require(case.backend.options(noise, case.node) == noise, "noise options are valid")
    with _raises(InputError, "an unknown option is an input error"):
        case.backend.options({**options, "no_such_option": 1}, case.node)


@_rule()
def inspection_describes_the_file(case: Case) -> None:
    found = case.backend.inspect(case.path)
    _require(found.facts.bytes == case.path.stat().st_size, "facts.bytes is the file's size")
    _require(len(found.facts.sha256) == 64, "facts.sha256 is a SHA-256 in hex")
    _require(found.model.parameters > 0, "a model has parameters")
    _require(case.backend.inspect(case.path) == found, "the same file is described the same")


@_rule()
def needs_grow_with_the_context(case: Case) -> None:
    found = case.backend.inspect(case.path)
    artifact = Artifact(
        model=found.model, format=min(case.backend.formats), quant=found.quant, facts=found.facts
    )
    short, long = (
        case.backend.needs(artifact, found.facts.bytes, case.complete(), Memory(n))
        for n in (512, 65_536)
    )
    _require(short.host_bytes + short.device_bytes > 0, "a cell takes memory")
    _require(long.host_bytes >= short.host_bytes, "a longer context needs no less")


@_rule()
def a_wrong_file_is_one_clear_line(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / case.path.name
        for content in (b"", b"\0" * 4096, case.path.read_bytes()[:40]):
            path.write_bytes(content)
            with _raises(InputError, "inspecting a wrong file is an input error"):
                case.backend.inspect(path)


@_rule()
def memory_is_given_back(case: Case) -> None:
    """Loading again and again does not grow the process."""
    import psutil

    def resident() -> int:
        with case.engine() as engine:
            report = engine.memory_report()
        _require(all(type(n) is int and n >= 0 for n in report.values()), "reports are bytes")
        gc.collect()
        return int(psutil.Process().memory_info().rss)

    settled = [resident() for _ in range(2)][-1]
    grown = [resident() for _ in range(_CYCLES)][-1] - settled
    _require(grown < _GROWTH, f"{_CYCLES} loads left {grown} bytes behind")


@_rule()
def the_engine_describes_itself(case: Case) -> None:
    with case.engine() as engine:
        said = engine.environment()
        _require(bool(engine.version), "an engine has a version")
    _require(all(type(v) is str for v in said.values()), "the environment is text")


@_rule("tokenizes")
def tokens_give_their_text_back(case: Case) -> None:
    with case.engine() as engine:
        tokenizer: Tokenizes = engine
        ids = tokenizer.encode(TEXT)
        _require(all(0 <= i < tokenizer.vocabulary for i in ids), "ids are in the vocabulary")
        _require(tokenizer.encode(TEXT) == ids, "encoding is deterministic")
        _require(tokenizer.bos not in ids, "encoding adds no special token")
        back = tokenizer.decode(ids)
        _require(back.endswith(TEXT.encode()), "decoding gives the text back")
        parts = tokenizer.decode(ids[:3]) + tokenizer.decode(ids[3:])
        _require(parts == back, "tokens decode the same apart as together")


@_rule("tokenizes", "logits")
def logits_are_a_distribution_per_token(case: Case) -> None:
    with case.engine() as engine:
        model: Logits = engine
        ids = case.ids(engine)
        found = model.logits(ids)
        _require(found.shape == (len(ids), engine.vocabulary), "one row a token")
        _require(found.dtype == np.float32, "logits are float32")
        _require(bool(np.isfinite(found).all()), "logits are finite")
        _require(np.array_equal(model.logits(ids), found), "logits are deterministic")
        _near(model.logits(ids, 5), found[5:], "rows from `first` on are the same")
        _near(model.logits(ids[:8]), found[:8], "a row depends on nothing after it")


@_rule("tokenizes", "logits", "scores")
def scores_are_those_of_the_logits(case: Case) -> None:
    with case.engine() as engine:
        scorer: Scores = engine
        ids = case.ids(engine)
        requests = [(ids[:4], ids[4:9]), (ids[:4], ids[5:7]), (ids[:9], ids[9:10]), (ids[:1], ids)]
        scores = list(scorer.score(requests))
        _require(len(scores) == len(requests), "one answer a request, in order")
        for (context, rest), found in zip(requests, scores, strict=True):
            logits = engine.logits([*context, *rest[:-1]], len(context) - 1)
            _near(found.log_probs, _log_probs(logits, rest), "scores follow from the logits")
            _require(bool((found.log_probs <= 0).all()), "log-probabilities are not positive")
            top = logits[np.arange(len(rest)), found.argmax]
            _near(top, logits.max(axis=1), "argmax is the most likely token")


def _log_probs(logits: npt.NDArray[np.float32], ids: Sequence[int]) -> npt.NDArray[np.float64]:
    rows = logits.astype(np.float64)
    rows -= rows.max(axis=1, keepdims=True)
    rows -= np.log(np.exp(rows).sum(axis=1, keepdims=True))
    picked: npt.NDArray[np.float64] = rows[np.arange(len(ids)), list(ids)]
    return picked


@_rule("tokenizes", "steps")
def steps_can_be_cut_back_and_repeated(case: Case) -> None:
    """The context has room for what was asked again after every cut."""
    with case.engine() as engine:
        steps: Steps = engine
        ids = case.ids(engine)
        for _ in range(3):
            steps.reset()
            steps.prefill(ids)
            for _ in range(_CONTEXT // 8):
                steps.truncate(len(ids))
                for token in ids[:16]:
                    steps.step(token)


@_rule("tokenizes", "steps")
def a_context_that_is_full_is_an_engine_error(case: Case) -> None:
    with case.engine() as engine, _raises(EngineError, "a full context is an error"):
        for _ in range(64):
            engine.prefill([case.ids(engine)[-1]] * _CONTEXT)


@_rule("tokenizes", "generates")
def generation_counts_and_repeats(case: Case) -> None:
    with case.engine() as engine:
        generator: Generates = engine
        ids = case.ids(engine)
        found = list(generator.generate([ids, ids[:6]], 6, True, 0))
        counts = [sum(i == index for i, _ in found) for index in range(2)]
        _require(counts == [6, 6], f"max_tokens tokens for each prompt, not {counts}")
        again = list(generator.generate([ids, ids[:6]], 6, True, 0))
        _require(again == found, "greedy generation is deterministic")
        drawn = [list(generator.generate([ids], 6, True, 7)) for _ in range(2)]
        _require(drawn[0] == drawn[1], "a seed decides what is drawn")


@_rule("tokenizes", "generates", "logits")
def greedy_tokens_are_the_most_likely(case: Case) -> None:
    with case.engine() as engine:
        ids = case.ids(engine)
        tokens = [token for _, token in engine.generate([ids], 6, True, 0)]
        rows = engine.logits([*ids, *tokens[:-1]], len(ids) - 1)
        _near(rows[np.arange(6), tokens], rows.max(axis=1), "greedy takes the most likely token")


@_rule("quantizes")
def recipes_are_named_and_others_refused(case: Case) -> None:
    recipes = case.backend.recipes()
    _require(bool(recipes), "a quantizer has recipes")
    _require(all(name == r.name and r.bits > 0 for name, r in recipes.items()), "recipes: names")
    _require(bool(case.backend.quantizer()), "the quantizer has a name and version")
    maker: Any = case.backend
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "x"
        with _raises(Unsupported, "an unknown recipe is unsupported"):
            maker.quantize(case.path, "NO_SUCH_RECIPE", target, 1)
        _require(not any(Path(folder).iterdir()), "a failed quantization leaves no file")
