"""Speculative decoding: the text of plain greedy decoding, and counts that add up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from grid_llamacpp import backend
from grid_llamacpp.speculative import PromptLookup
from llamacpp_random import CONFIG, write_folder

from grid.errors import EngineError, InputError, Unsupported
from grid.hardware.node import Node

IDS = [0, 17, 258, 80, 3, 99, 200, 261, 45, 45, 12, 7]


def generated(engine: Any, tokens: int = 40) -> list[int]:
    engine.resize(len(IDS) + tokens + 8)
    return [token for _, token in engine.generate([IDS], tokens, True, 0)]


def test_lookup_continues_the_last_place_of_the_longest_tail() -> None:
    lookup = PromptLookup(2)
    assert lookup.guess([1, 2, 9, 8, 1, 2, 7, 6, 1, 2], 2) == [7, 6]
    assert lookup.guess([5, 2, 9, 8, 1, 2], 3) == [9, 8, 1]
    assert lookup.guess([1, 2, 3], 3) == []
    assert lookup.guess([4], 3) == []


@pytest.mark.engine
def test_guesses_from_the_text_leave_the_greedy_text_as_it_is(f16: Path, load_engine: Any) -> None:
    with load_engine(f16) as engine:
        plain = generated(engine)
        assert engine.speculation is None
    with load_engine(f16, ngram=2, draft_tokens=3) as engine:
        assert generated(engine) == plain
        counts = engine.speculation
    assert 0 <= counts.accepted <= counts.drafted
    assert counts.steps + counts.accepted == len(plain) - 1


@pytest.mark.engine
def test_the_model_as_its_own_draft_is_right_nearly_always(f16: Path, load_engine: Any) -> None:
    with load_engine(f16) as engine:
        plain = generated(engine)
    with load_engine(f16, draft=str(f16), draft_tokens=3) as engine:
        assert generated(engine) == plain
        counts = engine.speculation
        assert engine.memory_report()["draft_buffer_bytes"] > f16.stat().st_size / 2
    assert counts.accepted >= 0.9 * counts.drafted > 0
    assert counts.steps + counts.accepted == len(plain) - 1


@pytest.mark.engine
def test_a_smaller_draft_leaves_the_greedy_text_as_it_is(
    f16: Path, q8: Path, load_engine: Any
) -> None:
    with load_engine(f16) as engine:
        plain = generated(engine)
    with load_engine(f16, draft=str(q8)) as engine:
        assert generated(engine) == plain
        assert generated(engine) == plain  # a second text after the first


@pytest.mark.engine
def test_an_answer_ends_where_its_reader_says(f16: Path, load_engine: Any) -> None:
    with load_engine(f16, ngram=2) as engine:
        engine.resize(64)
        stream = engine.generate([IDS], 20, True, 0)
        first = next(stream)
        with pytest.raises(StopIteration):
            stream.send(True)
        assert first[0] == 0


@pytest.mark.engine
def test_a_draft_of_another_vocabulary_is_one_line(
    f16: Path, load_engine: Any, tmp_path: Path
) -> None:
    weights = write_folder(tmp_path / "other", vocab_size=CONFIG["vocab_size"] + 8)
    draft = tmp_path / "other.gguf"
    backend.quantize(weights, "F16", draft, 1)
    with (
        pytest.raises(Unsupported, match=r"vocabulary of 328 tokens, the model one of 320"),
        load_engine(f16, draft=str(draft)),
    ):
        pass


@pytest.mark.engine
def test_a_draft_that_is_not_there_is_one_line(f16: Path, load_engine: Any) -> None:
    with (
        pytest.raises(EngineError, match=r"draft .*none\.gguf is not there"),
        load_engine(f16, draft=str(f16.with_name("none.gguf"))),
    ):
        pass


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"draft": "a.gguf", "ngram": 2}, "draft and ngram both guess"),
        ({"draft_tokens": 4}, "guesses nothing by itself"),
        ({"ngram": 2, "draft_tokens": 64, "ubatch": 32}, "does not fit in a batch"),
        ({"draft": 3}, "write the path of a GGUF file"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: dict[str, Any], words: str, node: Node
) -> None:
    with pytest.raises(InputError, match=words):
        backend.options(options, node)


def test_runs_without_guesses_are_called_as_before(node: Node) -> None:
    assert not backend.speculative_options & set(backend.options({"ngram": 0}, node))
    assert not backend.speculative_options & set(
        backend.options({"ngram": 0, "draft_tokens": 4}, node)
    )
    assert backend.options({"ngram": 3}, node)["ngram"] == 3
