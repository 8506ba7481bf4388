"""Where an output parts from another, token by token."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grid.engine.messages import Continued
from grid.sweep.compare import Output, Token
from grid.sweep.compare.first_difference import with_difference, text_of, token_of

OUTPUT = Output(label="m Q4", model="m", quant="Q4", backend="b", artifact_id="a")


def said(*words: str, prompt: tuple[int, ...] = (1,), vocabulary: int = 0) -> Continued:
    """An output of these tokens; a word's id is its bytes as a number, and another
    in another `vocabulary`."""
    return Continued(
        prompt=prompt,
        tokens=tuple(int.from_bytes(word.encode()) + vocabulary for word in words),
        spelling=tuple(word.encode() for word in words),
        times_s=tuple(0.1 * n for n in range(len(words))),
        engine_s=1.0,
    )


def test_the_same_tokens_part_nowhere() -> None:
    found = with_difference(OUTPUT, said(" a", " b"), said(" a", " b"))
    assert found.same is True
    assert found.parts is None


def test_the_first_token_that_differs_is_told_with_both_spellings() -> None:
    found = with_difference(OUTPUT, said(" a", " cat", " x"), said(" a", " dog", " x"))
    assert found.same is False
    assert found.parts is not None
    assert found.parts.index == 1
    assert found.parts.token is not None
    assert found.parts.reference_token is not None
    assert (found.parts.token.text, found.parts.reference_token.text) == (" cat", " dog")
    assert found.parts.common == 2


def test_an_output_that_ends_sooner_parts_where_it_ends() -> None:
    shorter = with_difference(OUTPUT, said(" a"), said(" a", " b"))
    longer = with_difference(OUTPUT, said(" a", " b"), said(" a"))
    assert shorter.parts is not None
    assert longer.parts is not None
    assert (shorter.parts.index, shorter.parts.token) == (1, None)
    assert (longer.parts.index, longer.parts.reference_token) == (1, None)


def test_other_vocabularies_are_compared_by_what_they_spell() -> None:
    one = said(" far", "mer", "s", prompt=(5, 6), vocabulary=7)
    same = with_difference(OUTPUT, one, said(" farmers"))
    assert same.same is True
    other = with_difference(OUTPUT, one, said(" farm", "ing"))
    assert other.parts is not None
    assert other.parts.index == 1
    assert other.parts.token == token_of(one.tokens[1], b"mer")
    assert other.parts.reference_token is not None
    assert other.parts.reference_token.text == "ing"
    assert other.parts.common == 4


def test_bytes_that_are_no_text_by_themselves_are_spelled_as_such() -> None:
    assert token_of(7, b"\xe2\x82") == Token(7, "\\xe2\\x82")
    assert text_of([b"\xe2\x82", b"\xac"]) == "€"


WORDS = st.lists(st.sampled_from([" a", " b", "c"]), max_size=6)


@given(WORDS, WORDS)
def test_what_is_before_the_parting_is_the_same_and_what_is_there_is_not(
    one: list[str], other: list[str]
) -> None:
    found = with_difference(OUTPUT, said(*one), said(*other))
    assert found.same == (one == other)
    if found.parts is not None:
        at = found.parts.index
        assert one[:at] == other[:at]
        assert one[at : at + 1] != other[at : at + 1]
        assert "".join(one)[: found.parts.common] == "".join(one[:at])
