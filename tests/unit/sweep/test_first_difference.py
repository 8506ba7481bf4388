"""Where an output differs from its reference, token by token."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grid.engine.messages import Continued
from grid.sweep.compare import FirstDifference, Output, Token
from grid.sweep.compare.first_difference import text_of, token_of, with_difference

OUTPUT = Output(label="m Q4", model="m", quant="Q4", backend="b", artifact_id="a")


def continuation(*words: str, prompt: tuple[int, ...] = (1,), vocabulary: int = 0) -> Continued:
    """An output of these tokens; a word's id is its bytes as a number, and another
    in another `vocabulary`."""
    return Continued(
        prompt=prompt,
        tokens=tuple(int.from_bytes(word.encode()) + vocabulary for word in words),
        spelling=tuple(word.encode() for word in words),
        times_s=tuple(0.1 * n for n in range(len(words))),
        engine_s=1.0,
    )


def difference(output: Continued, reference: Continued) -> FirstDifference | None:
    compared = with_difference(OUTPUT, output, reference)
    assert compared.same == (compared.parts is None)
    return compared.parts


def test_equal_outputs_have_no_first_difference() -> None:
    assert difference(continuation(" a", " b"), continuation(" a", " b")) is None


def test_first_difference_has_both_tokens_and_the_length_of_the_common_text() -> None:
    output = continuation(" a", " cat", " x")
    reference = continuation(" a", " dog", " x")
    assert difference(output, reference) == FirstDifference(
        index=1,
        token=token_of(output.tokens[1], b" cat"),
        reference_token=token_of(reference.tokens[1], b" dog"),
        common=2,
    )


def test_a_shorter_output_differs_from_its_end() -> None:
    short, long = continuation(" a"), continuation(" a", " b")
    token = token_of(long.tokens[1], b" b")
    assert difference(short, long) == FirstDifference(
        index=1, token=None, reference_token=token, common=2
    )
    assert difference(long, short) == FirstDifference(
        index=1, token=token, reference_token=None, common=2
    )


def test_outputs_of_two_vocabularies_are_compared_by_their_text() -> None:
    output = continuation(" far", "mer", "s", prompt=(5, 6), vocabulary=7)
    assert difference(output, continuation(" farmers")) is None
    reference = continuation(" farm", "ing")
    assert difference(output, reference) == FirstDifference(
        index=1,
        token=token_of(output.tokens[1], b"mer"),
        reference_token=token_of(reference.tokens[1], b"ing"),
        common=4,
    )


def test_bytes_that_are_not_utf8_are_spelled_with_backslashes() -> None:
    assert token_of(7, b"\xe2\x82") == Token(7, "\\xe2\\x82")
    assert text_of([b"\xe2\x82", b"\xac"]) == "€"


WORDS = st.lists(st.sampled_from([" a", " b", "c"]), max_size=6)


@given(WORDS, WORDS)
def test_outputs_are_equal_before_their_first_difference_only(
    words: list[str], reference_words: list[str]
) -> None:
    parts = difference(continuation(*words), continuation(*reference_words))
    assert (parts is None) == (words == reference_words)
    if parts is not None:
        at = parts.index
        assert words[:at] == reference_words[:at]
        assert words[at : at + 1] != reference_words[at : at + 1]
        assert "".join(words)[: parts.common] == "".join(words[:at])
