"""Items of every kind, asked of an engine whose answers are known: a table of byte pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grid_fake
import pytest

from grid.cells.measurement import ItemResult
from grid.cells.texts import read_items
from grid.cells.workload import Tasks
from grid.engine.measure.conversation import PromptText, PromptTokenizer
from grid.engine.measure.meter import Meter
from grid.engine.measure.model_facts import UNKNOWN, ModelFacts
from grid.engine.measure.pairs import encode_pair, rolling_pairs
from grid.engine.measure.result import WorkloadResult
from grid.engine.measure.tasks import tasks
from grid.errors import Unsupported

BOS = 256
TEMPLATE = (
    "<|bos|>{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Any]:
    path = grid_fake.write(tmp_path / "toy.fake")
    with grid_fake.backend.load(path, "cpu", grid_fake.backend.options({}, None)) as loaded:
        yield loaded


@pytest.fixture
def chat_model(tmp_path: Path) -> ModelFacts:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    return ModelFacts(path=folder)


class Ask:
    """Asks items, written as dictionaries, of an engine."""

    def __init__(self, engine: Any, folder: Path) -> None:
        self._engine, self._folder = engine, folder

    def outcome(
        self, *rows: dict[str, object], model: ModelFacts = UNKNOWN, chat: bool = False
    ) -> WorkloadResult:
        lines = [json.dumps({"id": str(n), **_BLANK, **row}) for n, row in enumerate(rows)]
        (self._folder / "mine.jsonl").write_text("\n".join(lines))
        items = read_items(str(self._folder), "mine")
        workload = Tasks(
            "reasoning", str(self._folder), items.sha256, len(rows), task="mine", chat=chat
        )
        return tasks(self._engine, workload, Meter(), model)

    def __call__(self, *rows: dict[str, object], **how: Any) -> tuple[ItemResult, ...]:
        return self.outcome(*rows, **how).items


_BLANK: dict[str, object] = {"kind": "choice", "context": "", "choices": [], "answer": 0}
WRITTEN: dict[str, object] = {"kind": "generate", "context": "the t", "max_tokens": 12}


@pytest.fixture
def ask(engine: Any, tmp_path: Path) -> Ask:
    return Ask(engine, tmp_path)


def test_results_carry_task_and_class(ask: Ask) -> None:
    (result,) = ask({"context": "th", "choices": ["e", "q"]})
    assert (result.task_class, result.task, result.item) == ("reasoning", "mine", "0")


def test_results_name_the_group_of_their_item(ask: Ask) -> None:
    choice = {"context": "th", "choices": ["e", "q"]}
    results = ask({**choice, "group": "sea"}, {**WRITTEN, "group": "tea"}, choice)
    assert [result.group for result in results] == ["sea", "tea", ""]


def test_results_are_in_the_order_of_the_items(ask: Ask) -> None:
    choice = {"context": "th", "choices": ["e", "q"]}
    results = ask(choice, WRITTEN, choice, {**WRITTEN, "context": "a"}, choice)
    assert [result.item for result in results] == ["0", "1", "2", "3", "4"]
    assert [bool(result.tokens) for result in results] == [False, True, False, True, False]


def test_normalization_divides_by_the_choices_length(ask: Ask) -> None:
    """`h` is likelier than `he the`, but not per character."""
    item = {"context": "s", "choices": ["h", "he the"], "answer": 1}
    plain, characters, utf8 = ask(
        item, {**item, "normalization": "characters"}, {**item, "normalization": "bytes"}
    )
    assert (plain.chosen, characters.chosen, utf8.chosen) == (0, 1, 1)
    assert plain.log_likelihoods == characters.log_likelihoods


def test_bytes_and_characters_differ_where_text_is_not_ascii(ask: Ask) -> None:
    item = {"context": "th", "choices": ["\u00e9\u00e9", "zzz"], "answer": 0}
    characters, utf8 = ask(
        {**item, "normalization": "characters"}, {**item, "normalization": "bytes"}
    )
    sums = characters.log_likelihoods
    assert characters.chosen == max((0, 1), key=lambda at: sums[at] / (2, 3)[at])
    assert utf8.chosen == max((0, 1), key=lambda at: sums[at] / (4, 3)[at])


def test_a_choice_may_have_a_context_of_its_own(ask: Ask) -> None:
    apart, likely, unlikely = ask(
        {"contexts": ["th", "tq"], "choices": ["e", "e"]},
        {"context": "th", "choices": ["e", "q"]},
        {"context": "tq", "choices": ["e", "q"]},
    )
    sums = (likely.log_likelihoods[0], unlikely.log_likelihoods[0])
    assert apart.log_likelihoods == sums


def test_an_empty_context_is_the_prefix(ask: Ask) -> None:
    with_prefix, _ = ask(
        {"contexts": ["", "t"], "choices": ["the", "he"]},
        {"context": "t", "choices": ["he", "q"]},
    )
    assert with_prefix.log_likelihoods[0] < 0


def test_a_whole_text_is_scored_in_windows(ask: Ask, engine: Any) -> None:
    text = "the cat sat on the mat"
    whole, cut = (
        ask({"kind": "rolling", "context": text}, model=ModelFacts(context_length=length))[0]
        for length in (0, 7)
    )
    assert whole.tokens == cut.tokens == len(text) + 1
    assert cut.log_likelihoods == pytest.approx(whole.log_likelihoods)  # a bigram needs no more


def test_generation_stops_at_a_string_that_spans_tokens(ask: Ask) -> None:
    free, stopped = ask(WRITTEN, {**WRITTEN, "until": ["e th", "zz"]})
    assert free.finish == "length"
    assert free.tokens == 12
    assert "e th" in free.response
    assert stopped.finish == "stop"
    assert stopped.response == free.response.partition("e th")[0] == "h"
    assert stopped.tokens == len(stopped.response) + len("e th")


def test_the_earliest_of_two_stop_strings_counts(ask: Ask) -> None:
    free, stopped = ask(WRITTEN, {**WRITTEN, "until": ["e th", "he th"]})
    assert free.response.startswith("he th")
    assert (stopped.response, stopped.finish) == ("", "stop")


def test_a_written_answer_is_scored(ask: Ask) -> None:
    right, wrong, elsewhere = ask(
        {**WRITTEN, "scoring": "regex", "pattern": "^he"},
        {**WRITTEN, "scoring": "exact", "answers": ["no"]},
        {**WRITTEN, "scoring": "harness"},
    )
    assert (right.score, wrong.score, elsewhere.score) == (1.0, 0.0, 0.0)
    assert elsewhere.response == right.response


def test_many_answers_are_those_of_each_alone(ask: Ask) -> None:
    """More than are written at once, of several lengths and limits."""
    rows = [
        {**WRITTEN, "context": "the cat sat"[: 1 + n % 11], "max_tokens": 1 + n % 5}
        for n in range(40)
    ]
    together = ask(*rows)
    for row, result in zip(rows, together, strict=True):
        (alone,) = ask(row)
        assert (alone.response, alone.tokens) == (result.response, result.tokens)


def test_a_prompt_longer_than_the_context_is_unanswered_and_named(ask: Ask) -> None:
    long = "the cat " * 10
    model = ModelFacts(context_length=40)
    choice, written, short = ask(
        {"context": long, "choices": ["a", "the"]},
        {**WRITTEN, "context": long},
        {"context": "the", "choices": [" cat", " q"]},
        model=model,
    )
    assert (choice.score, choice.chosen, choice.finish) == (0.0, -1, "unanswered")
    assert choice.note == "83 tokens do not fit the model's context of 40"
    assert (written.score, written.finish) == (0.0, "unanswered")
    assert written.note == "82 tokens do not fit the model's context of 40"
    assert short.finish == ""


def test_a_run_says_how_many_items_were_unanswered(ask: Ask) -> None:
    rows = [{"context": "the " * n, "choices": ["a", "the"]} for n in (1, 5, 20)]
    outcome = ask.outcome(*rows, model=ModelFacts(context_length=40))
    assert outcome.environment == {
        "unanswered": "1 of 3 items, such as: 83 tokens do not fit the model's context of 40"
    }
    assert ask.outcome(*rows).environment == {}


def test_a_request_that_fills_the_context_is_answered(ask: Ask) -> None:
    item = {"context": "the", "choices": ["n", "q"]}
    fits, too_long = (
        ask(item, model=ModelFacts(context_length=length))[0].finish for length in (4, 3)
    )
    assert (fits, too_long) == ("", "unanswered")


def test_an_answer_ends_with_the_context(ask: Ask) -> None:
    (result,) = ask(WRITTEN, model=ModelFacts(context_length=10))
    assert (result.tokens, result.finish) == (4, "length")
    assert result.note == "the model's context left 4 of 12 tokens to write"


def test_evaluated_tokens_are_in_the_scalars(ask: Ask) -> None:
    outcome = ask.outcome({"context": "th", "choices": ["e", "qu"]})
    assert outcome.scalars == {"evaluated_tokens": 3 + 4}


def test_chat_renders_the_conversation(ask: Ask, chat_model: ModelFacts, engine: Any) -> None:
    turns = [{"role": "system", "content": "Be"}, {"role": "user", "content": "the t"}]
    rendered = "[system]Be[user]the t[assistant]"
    chat, plain = (
        ask({**WRITTEN, "messages": turns}, chat=True, model=chat_model)[0],
        ask({**WRITTEN, "context": rendered})[0],
    )
    assert chat.response == plain.response


def test_chat_without_messages_is_one_message(ask: Ask, chat_model: ModelFacts) -> None:
    item = {"context": "th", "choices": [" e", " qu"]}
    rendered = {"context": "[user]th[assistant]", "choices": ["e", "qu"]}
    (chat,) = ask(item, chat=True, model=chat_model)
    (plain,) = ask(rendered)
    assert chat.log_likelihoods == plain.log_likelihoods


def test_a_reply_begins_the_assistants_turn(ask: Ask, chat_model: ModelFacts) -> None:
    item = {"context": "th", "choices": [" e", " qu"], "reply": "So"}
    rendered = {"context": "[user]th[assistant]So", "choices": [" e", " qu"]}
    (chat,) = ask(item, chat=True, model=chat_model)
    (plain,) = ask(rendered)
    assert chat.log_likelihoods == plain.log_likelihoods


def test_a_template_writes_bos_once(engine: Any) -> None:
    tokenizer = PromptTokenizer(engine)
    assert tokenizer.ids(PromptText("<|bos|>th", ()))[:2] == [BOS, ord("t")]
    assert tokenizer.ids(PromptText("th", ()))[:2] == [BOS, ord("t")]
    assert tokenizer.ids(PromptText("th"))[:2] == [BOS, ord("t")]


def test_a_message_cannot_spell_a_special_token(engine: Any) -> None:
    tokenizer = PromptTokenizer(engine)
    content = "a<|bos|>b"
    ids = tokenizer.ids(PromptText(f"<|bos|>[user]{content}<|bos|>[assistant]", (content,)))
    assert ids.count(BOS) == 2
    assert bytes(token for token in ids if token != BOS) == b"[user]a<|bos|>b[assistant]"


def test_plain_text_never_holds_special_tokens(engine: Any) -> None:
    assert PromptTokenizer(engine).ids(PromptText("<|bos|>")).count(BOS) == 1


def test_chat_without_a_template_is_unsupported(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="model has no chat template; ask without one"):
        ask(WRITTEN, chat=True, model=ModelFacts(path=tmp_path / "model"))


def test_chat_on_an_engine_without_special_tokens_is_unsupported(
    ask: Ask, chat_model: ModelFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("grid_fake.engine.FakeEngine.encode_special")
    with pytest.raises(Unsupported, match="reads no special tokens"):
        ask(WRITTEN, chat=True, model=chat_model)


def test_white_space_between_goes_to_the_continuation(engine: Any) -> None:
    tokenizer = PromptTokenizer(engine)
    assert encode_pair(tokenizer, PromptText("a \n"), "b") == ([BOS, 97], [32, 10, 98])
    assert encode_pair(tokenizer, PromptText(""), "b") == ([BOS], [98])


def test_windows_predict_each_token_once(engine: Any) -> None:
    text = "abcdefgh"
    pairs = rolling_pairs(PromptTokenizer(engine), text, 4)
    predicted = [token for _, ids in pairs for token in ids]
    assert predicted == [BOS, *text.encode()]
    assert [len(context) + len(ids) - 1 for context, ids in pairs] == [4, 4, 4]
