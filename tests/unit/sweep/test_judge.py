"""A judge rates answers: what it is asked, what its replies count, and what goes wrong with it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence

import msgspec
import pytest
from judge_server import JudgeServer

from grid.cells.items import TURN_BREAK, Item
from grid.cells.measurement import ItemResult
from grid.errors import EngineError, Unsupported
from grid.plan.sweep import JudgeTable
from grid.sweep.judge import JudgeScorer
from grid.sweep.judge.endpoint import JudgeEndpoint
from grid.sweep.judge.prompt import PROMPT_VERSION, read_rating, score_of
from grid.sweep.judge.questions import JudgeDocument

KEY = "sk-secret-7"


@pytest.fixture
def judge() -> Iterator[JudgeServer]:
    with JudgeServer() as server:
        yield server


def scorer(table: JudgeTable, timeout_s: float = 20.0) -> JudgeScorer:
    return JudgeScorer(table, JudgeEndpoint(table, timeout_s, waits_s=(0.0, 0.0)))


def item(name: str = "111", references: Sequence[str] = ("", "")) -> Item:
    document = JudgeDocument(
        judge="rule", prompt=PROMPT_VERSION, category="math", references=tuple(references)
    )
    return Item(
        id=name,
        kind="generate",
        context="first question",
        choices=(),
        answer=0,
        max_tokens=16,
        scoring="judge",
        document=msgspec.json.encode(document).decode(),
        turns=("second question",),
    )


def result(*answers: str, name: str = "111", finish: str = "stop", note: str = "") -> ItemResult:
    return ItemResult(
        task_class="instruction",
        task="mt_bench",
        item=name,
        score=0.0,
        chance=0.0,
        chosen=-1,
        answer=0,
        log_likelihoods=(),
        response=TURN_BREAK.join(answers),
        finish=finish,
        note=note,
    )


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ("Good.\n[[7]]", 7),
        ("**Grade: [[ 10 ]]**\n\n", 10),
        ("[[6.5]]", 6.5),
        ("[[7]]\nThat is all.", None),
        ("first [[3]], then [[4]]", None),
        ("[[0]]", None),
        ("[[11]]", None),
        ("[7]", None),
        ("", None),
    ],
)
def test_the_rating_stands_alone_on_the_last_line(reply: str, rating: float | None) -> None:
    assert read_rating(reply) == rating


def test_ratings_of_1_and_10_are_scores_of_0_and_1() -> None:
    assert (score_of(1), score_of(10), score_of(5.5)) == (0, 1, 0.5)


def test_an_item_scores_the_mean_of_its_turns(judge: JudgeServer) -> None:
    judged = scorer(judge.table()).score([item()], [result("four words are here", "a b c d e f g")])
    (rated,) = judged.results
    assert rated.score == pytest.approx((3 / 9 + 6 / 9) / 2)
    assert rated.note == "rated 4, 7 by rule"
    assert judged.facts["task_judge"] == "rule"
    assert judged.facts["task_judge_served"] == '["rule-2026-01"]'


def test_many_answers_keep_their_own_ratings(judge: JudgeServer) -> None:
    items = [item(str(n)) for n in range(8)]
    results = [result("a " * (n + 1), "b", name=str(n)) for n in range(8)]
    scores = [r.score for r in scorer(judge.table()).score(items, results).results]
    assert scores == pytest.approx([n / 9 / 2 for n in range(8)])


def test_the_judge_sees_the_conversation_up_to_the_graded_answer(judge: JudgeServer) -> None:
    scorer(judge.table()).score([item(references=("is 3", ""))], [result("one", "two")])
    first, second = sorted(judge.prompts, key=len)
    assert "second question" not in first
    assert first.index("first question") < first.index("is 3") < first.index("\none\n")
    assert second.index("\none\n") < second.index("second question") < second.index("\ntwo\n")
    assert {(r["temperature"], r["model"]) for r in judge.requests} == {(0, "rule")}
    assert all("reference answer" in r["messages"][0]["content"] for r in judge.requests)


def test_without_a_reference_none_is_spoken_of(judge: JudgeServer) -> None:
    scorer(judge.table()).score([item()], [result("one")])
    assert "reference" not in json.dumps(judge.requests).lower()


def test_a_turn_that_the_model_could_not_be_asked_counts_as_0(judge: JudgeServer) -> None:
    note = "turn 2: 99 tokens do not fit the model's context of 64"
    (rated,) = scorer(judge.table()).score([item()], [result("a b c d", note=note)]).results
    assert rated.score == pytest.approx(3 / 9 / 2)
    assert rated.note == f"rated 4 by rule; {note}"


def test_an_unanswered_item_is_not_rated(judge: JudgeServer) -> None:
    results = [result(finish="unanswered", note="too long")]
    assert scorer(judge.table()).score([item()], results).results == results
    assert judge.requests == []


def test_a_reply_without_a_rating_is_reminded_once(judge: JudgeServer) -> None:
    judge.replies += ["I like it", "[[9]]"]
    (rated,) = scorer(judge.table()).score([item()], [result("a b")]).results
    assert rated.note == "rated 9 by rule"
    roles = [turn["role"] for turn in judge.requests[-1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


def test_an_item_without_any_rating_is_unanswered(judge: JudgeServer) -> None:
    (rated,) = scorer(judge.table()).score([item()], [result("hush")]).results
    assert (rated.finish, rated.score, rated.note) == ("unanswered", 0, "rated none by rule")


def test_a_turn_without_a_rating_does_not_count(judge: JudgeServer) -> None:
    (rated,) = scorer(judge.table()).score([item()], [result("a b", "hush")]).results
    assert (rated.finish, rated.score) == ("stop", pytest.approx(1 / 9))
    assert rated.note == "rated 2, none by rule"


def test_a_judge_that_gives_no_ratings_is_an_error(judge: JudgeServer) -> None:
    with pytest.raises(EngineError, match=r"4 of 4 replies have no rating.*name another judge"):
        scorer(judge.table()).score(
            [item("1"), item("2")],
            [result("hush", "hush", name="1"), result("hush", "hush", name="2")],
        )


def test_the_key_is_sent_and_its_absence_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with JudgeServer(key=KEY) as judge:
        table = judge.table("TEST_JUDGE_KEY")
        with pytest.raises(EngineError, match="variable TEST_JUDGE_KEY, its key, is not set"):
            scorer(table).check([item()])
        assert judge.requests == []
        monkeypatch.setenv("TEST_JUDGE_KEY", KEY)
        scorer(table).check([item()])
        assert judge.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize("key", ["sk-wrong-8", "sk-wrong-8\x7f", "sk-wr\nong-8"])
def test_a_key_that_is_refused_is_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_JUDGE_KEY", key)
    with JudgeServer(key=KEY) as judge, pytest.raises(EngineError) as caught:
        scorer(judge.table("TEST_JUDGE_KEY")).check([item()])
    assert "TEST_JUDGE_KEY" in str(caught.value)
    assert "sk-wr" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_does_not_follow_a_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_JUDGE_KEY", KEY)
    with JudgeServer() as elsewhere, JudgeServer() as judge:
        judge.location, judge.statuses = f"{elsewhere.url}/chat/completions", [302]
        with pytest.raises(EngineError, match="redirects elsewhere"):
            scorer(judge.table("TEST_JUDGE_KEY")).check([item()])
        assert elsewhere.requests == []


def test_no_proxy_stands_before_the_loopback(
    judge: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    scorer(judge.table()).check([item()])
    assert len(judge.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_judge_is_asked_anew(judge: JudgeServer, status: int) -> None:
    judge.statuses += [status, status]
    (rated,) = scorer(judge.table()).score([item()], [result("a b c")]).results
    assert rated.note == "rated 3 by rule"
    assert len(judge.requests) == 3


def test_a_judge_that_stays_busy_is_an_error(judge: JudgeServer) -> None:
    judge.statuses += [503] * 3
    with pytest.raises(EngineError, match=r"judge rule at http.*: HTTP 503 not just now"):
        scorer(judge.table()).check([item()])


@pytest.mark.parametrize("content", [b"<html>", b"{}", b'{"choices": []}', b"[1]", b"[" * 9999])
def test_a_reply_that_is_no_chat_completion_is_an_error(judge: JudgeServer, content: bytes) -> None:
    judge.replies.append(content)
    with pytest.raises(EngineError, match="no chat completion, it begins"):
        scorer(judge.table()).check([item()])
    assert len(judge.requests) == 1


def test_a_wrong_path_is_an_error(judge: JudgeServer) -> None:
    table = msgspec.structs.replace(judge.table(), url=judge.url.removesuffix("/v1"))
    with pytest.raises(EngineError, match="HTTP 404 no such path"):
        scorer(table).check([item()])


def test_a_judge_out_of_reach_is_an_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        port = unused.getsockname()[1]
        table = JudgeTable(url=f"http://127.0.0.1:{port}/v1", model="rule")
        with pytest.raises(EngineError, match="out of reach"):
            scorer(table).check([item()])


def test_a_judge_that_does_not_answer_is_an_error(judge: JudgeServer) -> None:
    judge.answering.clear()
    with pytest.raises(EngineError, match=r"no reply within 0\.2 s"):
        scorer(judge.table(), timeout_s=0.2).check([item()])


def test_a_judge_is_checked_once(judge: JudgeServer) -> None:
    judging = scorer(judge.table())
    judging.check([item()])
    judging.check([item()])
    assert len(judge.requests) == 1


def test_items_for_another_judge_are_refused(judge: JudgeServer) -> None:
    table = msgspec.structs.replace(judge.table(), model="other")
    with pytest.raises(Unsupported, match="for the judge rule"):
        scorer(table).check([item()])
    with pytest.raises(Unsupported, match=r"tasks\.judge is not set"):
        JudgeScorer(None).check([item()])
    assert judge.requests == []
