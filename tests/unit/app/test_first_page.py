"""The page Pick by its logic, without a browser: its answer, its limits, its address."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from advice_cases import OWN_CLASS, add_ladder, family, write_store
from analysis_cases import Rows
from mixture_cases import rows_of
from streamlit.testing.v1 import AppTest

from grid.advice import Ask, pick_card, recommend
from grid.analysis.dataset import Dataset
from grid.app import address
from grid.app.pick.cards import choices_of, entries
from grid.app.pick.limits import read_context, read_memory, read_rate
from grid.app.pick.table import candidates_table, search
from grid.errors import InputError
from grid.units import GIB

Open = Callable[..., AppTest]
RIGHT, WRONG = [1.0] * 30, [0.0] * 30


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Open:
    """`opened(store, memory="8 GiB")`: the page over a store, at an address."""

    def open_page(folder: Path, /, **parameters: str) -> AppTest:
        monkeypatch.setenv("QUANTGRID_STORE", str(folder))
        script = "from grid.app.navigation import draw_page\ndraw_page('pick')\n"
        at = AppTest.from_string(script, default_timeout=120)
        for key, value in parameters.items():
            at.query_params[key] = value
        return at.run()

    return open_page


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_store(family(), tmp_path / "rows")
    return tmp_path / "rows"


def cards(at: AppTest) -> str:
    """The text of the cards and panels, without tags."""
    bodies = [str(element.proto.body) for element in at.get("html")]
    return re.sub(r"<style>.*?</style>|<[^>]+>", " ", " ".join(bodies), flags=re.DOTALL)


def words(at: AppTest) -> str:
    boxes = (*at.markdown, *at.info, *at.warning, *at.error, *at.caption, *at.title)
    return " ".join(str(box.value) for box in boxes).replace("\\", "")


def test_the_card_says_what_recommend_says(opened: Open, store: Path) -> None:
    at = opened(store)
    assert not at.exception
    advice = recommend(Dataset(store), Ask(hardware=OWN_CLASS))
    card = pick_card(advice)
    assert card is not None
    text = " ".join(cards(at).split())
    assert card.label in text
    assert card.reason in text
    for title, value, detail in entries(card, advice):
        assert f"{title} {value} {detail}" in text
    assert card.command in [code.value for code in at.code]


def test_smaller_and_faster_stand_beside_the_pick(opened: Open, store: Path) -> None:
    text = cards(opened(store))
    advice = recommend(Dataset(store), Ask(hardware=OWN_CLASS))
    choices = choices_of(advice)
    assert choices
    for title, choice in choices:
        assert re.search(rf"\s{title}\s+{re.escape(choice.candidate.label)}\s", text)


@pytest.mark.parametrize("limit", [{"memory": "4 GiB"}, {"speed": "30 token/s"}, {"context": "8k"}])
def test_limits_in_the_address_are_those_of_the_ask(
    opened: Open, store: Path, limit: dict[str, str]
) -> None:
    at = opened(store, **limit)
    fields = {
        "memory": ("memory_bytes", read_memory),
        "speed": ("min_decode_tps", read_rate),
        "context": ("context", read_context),
    }
    ((key, value),) = limit.items()
    name, read = fields[key]
    advice = recommend(Dataset(store), Ask(hardware=OWN_CLASS, **{name: read(value)}))
    assert at.selectbox(key=key).value == value
    card = pick_card(advice)
    assert (card.label if card else "To get an answer") in cards(at) + words(at)
    assert not at.warning


def test_a_typed_memory_is_in_gib(opened: Open, store: Path) -> None:
    at = opened(store, memory="3")
    assert not at.exception
    assert not at.warning
    assert "Fits 3 GiB" in cards(at) or "To get an answer" in words(at)


def test_values_that_the_page_does_not_know_are_named_in_one_sentence(
    opened: Open, store: Path
) -> None:
    at = opened(
        store, memory="much", context="-1", x="sideways", share="200", hardware="[x](http://x)"
    )
    assert not at.exception
    (warning,) = at.warning
    sentence = warning.value.replace("\\", "")
    named = ("memory=much", "context=-1", "x=sideways", "share=200", "hardware=[x](http://x)")
    assert all(pair in sentence for pair in named)
    assert "\\[x\\]\\(http\\://x\\)" in warning.value
    assert at.selectbox(key="memory").value == "all of it"
    at.selectbox(key="memory").set_value("8 GiB").run()
    assert not at.warning


def test_the_link_carries_what_is_chosen(opened: Open, store: Path) -> None:
    at = opened(store, memory="8 GiB")
    at.selectbox(key="context").set_value("1k").run()
    link = at.session_state[address._PARAMETERS]
    assert link == {"memory": "8 GiB", "context": "1k"}
    assert "memory=8+GiB&context=1k" in str(at.code[-1].value)


def test_a_link_alone_opens_no_other_store(opened: Open, store: Path, tmp_path: Path) -> None:
    ladder = tmp_path / "ladder"
    rows = Rows()
    add_ladder(rows)
    write_store(rows, ladder)
    at = opened(store, store=str(ladder))
    assert f"This link is of another store: {ladder}" in words(at)
    shown = cards(at)
    next(button for button in at.button if "of the link" in button.label).click().run()
    assert not at.exception
    assert cards(at) != shown
    assert "another store" not in words(at)


def test_without_tasks_the_closeness_ranks_and_no_capability_is_shown(
    opened: Open, tmp_path: Path
) -> None:
    rows = Rows()
    add_ladder(rows)
    write_store(rows, tmp_path / "ladder")
    at = opened(tmp_path / "ladder")
    text = cards(at)
    assert "base Q8_0" in text
    assert "KLD" in text
    assert "Capability" not in text
    assert "task scores of base were not measured" in words(at)


def test_a_pick_has_each_of_its_commands_ready_to_copy(opened: Open, tmp_path: Path) -> None:
    rows = Rows()
    for i, quant in enumerate(("F16", "Q8_0", "Q4_K_M", "Q2_K")):
        rows.decode([1.0, 1.1, 1.2], quant=quant)
        rows.tasks("math", RIGHT[: 30 - 6 * i] + WRONG[: 6 * i], quant=quant)
    write_store(rows, tmp_path / "rows")
    at = opened(tmp_path / "rows")
    assert not at.exception
    assert [tab.label for tab in at.tabs] == ["llama-server", "llama-cpp-python", "ollama"]
    codes = [block.value for block in at.code]
    assert any(code.startswith("llama-server -m base-") for code in codes)
    assert any("PARAMETER num_ctx" in code for code in codes)


def test_a_card_with_main_memory_beside_it_shows_the_placement(
    opened: Open, tmp_path: Path
) -> None:
    write_store(rows_of("Qwen3-30B-A3B", {"Q4_K_M": 93}), tmp_path / "rows")
    at = opened(
        tmp_path / "rows",
        machine="a card, Mac or memory",
        chip="NVIDIA GeForce RTX 3060 12 GB",
        ram="64 GiB",
    )
    assert not at.exception
    assert "Placement: experts of" in words(at)
    assert "(llama-server --n-cpu-moe" in words(at)


def test_a_hostile_name_is_text_wherever_it_stands(opened: Open, tmp_path: Path) -> None:
    name = "<img src=x>\x1b]0;![a](http://x)\u202e"
    rows = Rows()
    for quant, right in (("F16", 30), ("Q4_K_M", 28)):
        rows.decode([1.0, 1.1], model=name, quant=quant)
        rows.tasks("math", RIGHT[:right] + WRONG[right:], model=name, quant=quant)
    write_store(rows, tmp_path / "rows")
    at = opened(tmp_path / "rows")
    assert not at.exception
    bodies = "".join(str(element.proto.body) for element in at.get("html"))
    texts = bodies + "".join(str(block.value) for block in (*at.markdown, *at.code, *at.caption))
    assert "<img" not in bodies
    assert "&lt;img src=x&gt;" in bodies
    assert "![a](" not in "".join(str(block.value) for block in (*at.markdown, *at.caption))
    assert not {"\x1b", "\u202e"} & set(texts)


def test_two_sweeps_stand_side_by_side(opened: Open, tmp_path: Path) -> None:
    rows = Rows()
    for sweep, seconds in (("old", 2.0), ("new", 1.0)):
        for quant, right in (("F16", 30), ("Q4_K_M", 28)):
            rows.decode(
                [seconds, 1.1 * seconds, 1.05 * seconds], quant=quant, sweep=sweep, sweep_id=sweep
            )
            rows.tasks(
                "math", RIGHT[:right] + WRONG[right:], quant=quant, sweep=sweep, sweep_id=sweep
            )
    write_store(rows, tmp_path / "rows")
    at = opened(tmp_path / "rows", sweep="old", beside="sweep new")
    assert not at.exception
    assert not at.warning
    text = cards(at)
    assert "47.7 token/s" in text
    assert "95.4 token/s" in text


def test_the_table_has_numbers_and_can_be_searched(store: Path) -> None:
    advice = recommend(Dataset(store), Ask(hardware=OWN_CLASS))
    table = candidates_table(advice)
    assert len(table) == len(advice.candidates)
    assert advice.pick is not None
    assert (table["model"][0], table["quant"][0]) == (
        advice.pick.variant.model,
        advice.pick.variant.quant,
    )
    assert table["token/s"].dtype == float
    assert "the pick" in set(table["why not"])
    shown = search(table, "q8_0 base")
    assert "Q8_0" in set(shown["quant"])
    assert set(table["quant"]) - set(shown["quant"])
    assert search(table, "nowhere").empty


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (read_memory, "20", 20 * GIB),
        (read_memory, "all of it", None),
        (read_context, "8k", 8192),
        (read_context, "8,192", 8192),
        (read_context, "usual", None),
        (read_rate, "20", 20.0),
        (read_rate, "10 token/s", 10.0),
        (read_rate, "any", None),
    ],
)
def test_typed_limits_are_read(read: Callable[[str], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_memory, "0"), (read_memory, "x"), (read_context, "0"), (read_context, "infk"),
        (read_context, "k"), (read_rate, "nan"), (read_rate, "-3"), (read_rate, "inf"),
    ],
)  # fmt: skip
def test_what_is_no_limit_is_one_line(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(InputError) as caught:
        read(text)
    assert "\n" not in str(caught.value)
