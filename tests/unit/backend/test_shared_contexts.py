"""What requests share: every request once, contexts put together again, and few tokens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grid.backend.scoring import Request
from grid.backend.shared_contexts import RUN_TOKENS, Run, packs, shared_runs

SHOTS = list(range(100, 400))


def evaluated(runs: list[Run]) -> int:
    return sum(len(run.prefix) + sum(group.tokens for group in run.groups) for run in runs)


def items(prefix: list[int], count: int) -> list[Request]:
    return [
        ([*prefix, 1000 + n, 7, n], choice)
        for n in range(count)
        for choice in ([1, 2, 3], [4], [5, 6])
    ]


def unpacked(runs: list[Run]) -> dict[int, Request]:
    return {
        place: ((*run.prefix, *group.context), ids)
        for run in runs
        for group in run.groups
        for place, ids in zip(group.places, group.continuations, strict=True)
    }


def test_a_context_is_evaluated_once_and_few_shot_examples_once_for_all() -> None:
    runs = shared_runs(items(SHOTS, 20))
    assert [run.prefix for run in runs] == [tuple(SHOTS)]
    assert evaluated(runs) == len(SHOTS) + 20 * (3 + 2 + 0 + 1)


def test_each_subject_has_its_own_examples() -> None:
    subjects = [[1, 2, 3, subject, *SHOTS] for subject in range(10, 15)]
    requests = [request for prefix in subjects for request in items(prefix, 8)]
    runs = shared_runs(requests)
    assert sorted(run.prefix for run in runs) == [tuple(prefix) for prefix in subjects]


def test_subjects_may_be_mixed() -> None:
    mixed = [
        request
        for pair in zip(items([1, *SHOTS], 9), items([2, *SHOTS], 9), strict=True)
        for request in pair
    ]
    assert len(shared_runs(mixed)) == 2


def test_a_subject_of_one_item_does_not_spoil_the_others() -> None:
    runs = shared_runs(items([1, *SHOTS], 1) + items([2, *SHOTS], 9))
    assert [run.prefix for run in runs] == [(), (2, *SHOTS)]


def test_what_gains_little_stays_in_its_order() -> None:
    requests = [([n, n], [1]) for n in (5, 3, 4, 3, 9)]
    (run,) = shared_runs(requests)
    assert run.prefix == ()
    assert [group.places for group in run.groups] == [(0,), (1,), (2,), (3,), (4,)]


def test_the_last_token_of_a_context_is_never_in_the_prefix() -> None:
    requests = [(SHOTS, [1])] * 2 + [([*SHOTS, 5], [2])] * 2
    for run in shared_runs(requests):
        assert all(group.context for group in run.groups)


CONTEXTS = st.lists(st.integers(0, 2), min_size=1, max_size=6)
REQUESTS = st.lists(
    st.tuples(
        st.tuples(st.sampled_from([[], SHOTS, [9, *SHOTS], SHOTS[:80]]), CONTEXTS).map(
            lambda parts: [*parts[0], *parts[1]]
        ),
        st.lists(st.integers(0, 9), min_size=1, max_size=3),
    ),
    max_size=30,
)


@given(requests=REQUESTS)
def test_every_request_is_there_as_it_was(requests: list[Request]) -> None:
    restored = unpacked(shared_runs(requests))
    assert restored == {n: (tuple(c), tuple(i)) for n, (c, i) in enumerate(requests)}


@given(requests=REQUESTS)
def test_sharing_never_costs_more_tokens(requests: list[Request]) -> None:
    alone = sum(len(context) + len(ids) - 1 for context, ids in requests)
    assert evaluated(shared_runs(requests)) <= alone


@given(requests=REQUESTS)
def test_a_prefix_saves_more_than_it_costs(requests: list[Request]) -> None:
    for run in shared_runs(requests):
        if run.prefix:
            assert (len(run.groups) - 1) * len(run.prefix) > RUN_TOKENS


@given(requests=REQUESTS, tokens=st.integers(1, 500), sequences=st.integers(1, 5))
def test_packs_hold_every_group_within_limits(
    requests: list[Request], tokens: int, sequences: int
) -> None:
    for run in shared_runs(requests):
        places = []
        for pack in packs(run.groups, tokens, tokens, sequences):
            places += [place for group in pack for place in group.places]
            assert sum(len(group.places) for group in pack) <= sequences
            alone = len(pack) == 1
            assert sum(g.tokens for g in pack) <= tokens or (alone and len(pack[0].places) == 1)
        assert places == [place for group in run.groups for place in group.places]
