"""Who makes, who gives, and whose bytes count."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from grid.sweep.artifacts.directory import Directory
from grid.sweep.artifacts.manifest import FileEntry, Manifest
from grid.sweep.artifacts.peers import Claim

KEY = "artifact/1"
FIRST_BYTES = Manifest((FileEntry("weights.x", 3, "1" * 64),))
OTHER_BYTES = Manifest((FileEntry("weights.x", 3, "2" * 64),))


def test_of_many_nodes_that_claim_at_once_one_makes() -> None:
    directory = Directory()
    names = [f"n{i}" for i in range(32)]
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda name: directory.claim(name, KEY), names))
    makers = [name for name, claim in zip(names, claims, strict=True) if claim.make]
    assert len(makers) == 1
    assert {claim.maker for claim in claims if not claim.make} == {makers[0]}


def test_other_nodes_take_an_artifact_from_its_maker() -> None:
    directory = Directory()
    directory.claim("a", KEY)
    assert directory.announce("a", KEY, FIRST_BYTES) == FIRST_BYTES
    assert directory.claim("b", KEY) == Claim(holders=("a",), manifest=FIRST_BYTES)


def test_after_a_release_the_next_claim_makes() -> None:
    directory = Directory()
    directory.claim("a", KEY)
    directory.release("a", KEY)
    assert directory.claim("b", KEY).make
    assert directory.claim("a", KEY) == Claim(maker="b")


def test_a_restarted_worker_makes_its_artifact_again() -> None:
    directory = Directory()
    assert directory.claim("a", KEY).make
    assert directory.claim("a", KEY).make


def test_a_dead_workers_claims_are_free_and_its_node_still_serves() -> None:
    directory = Directory()
    directory.claim("a", KEY)
    directory.announce("a", "artifact/2", FIRST_BYTES)
    directory.give_up("a")
    assert directory.claim("b", KEY).make
    assert directory.claim("b", "artifact/2").holders == ("a",)


def test_a_node_that_left_neither_serves_nor_makes() -> None:
    directory = Directory()
    directory.claim("a", KEY)
    directory.announce("a", "artifact/2", FIRST_BYTES)
    directory.forget("a")
    assert directory.claim("b", KEY).make
    assert directory.claim("b", "artifact/2").make


def test_the_first_announced_bytes_win_and_others_are_not_served() -> None:
    directory = Directory()
    directory.announce("a", KEY, FIRST_BYTES)
    assert directory.announce("b", KEY, OTHER_BYTES) == FIRST_BYTES
    assert directory.claim("c", KEY).holders == ("a",)
    assert directory.claim("b", KEY) == Claim(holders=("a",), manifest=FIRST_BYTES)


def test_the_next_announced_bytes_count_once_nobody_has_the_first() -> None:
    directory = Directory()
    directory.announce("a", KEY, FIRST_BYTES)
    directory.missing("a", KEY)
    assert directory.announce("b", KEY, OTHER_BYTES) == OTHER_BYTES


def test_the_only_holder_may_announce_other_bytes() -> None:
    """The user's own file, exchanged: nobody else has the old ones."""
    directory = Directory()
    directory.announce("a", KEY, FIRST_BYTES)
    assert directory.announce("a", KEY, OTHER_BYTES) == OTHER_BYTES
    assert directory.claim("b", KEY) == Claim(holders=("a",), manifest=OTHER_BYTES)


def test_holders_serve_in_turn() -> None:
    directory = Directory()
    for name in ("a", "b", "c"):
        directory.announce(name, KEY, FIRST_BYTES)
    assert {directory.claim("d", KEY).holders[0] for _ in range(3)} == {"a", "b", "c"}


def test_artifacts_of_an_earlier_sweep_are_known_when_a_node_joins() -> None:
    directory = Directory()
    directory.enlist("a", {KEY: FIRST_BYTES})
    assert directory.claim("b", KEY).holders == ("a",)
