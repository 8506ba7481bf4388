"""The pick on a card, and beside it what is smaller and what is faster."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import streamlit as st

from grid.advice import Advice
from grid.advice.advice import DECODE, Candidate, Compromise
from grid.advice.pick_card import PickCard, pick_card
from grid.advice.sentences import headline
from grid.analysis.figures import number, rate, share
from grid.app.page_parts import plain
from grid.app.pick.answers import PickAnswer
from grid.models.display_names import capitalised, visible
from grid.units import format_bytes

ALIKE = 0.05
"""Of the pick's speed: less is not called a difference."""

Entry = tuple[str, str, str]
"""A figure: its title, its value, and what to know of it."""

STYLE = """
<style>
  .answer h2 {
    font-size: 1.55rem; line-height: 1.2; padding: 0; margin: 0; overflow-wrap: anywhere;
  }
  .answer p { margin: 0; line-height: 1.4; }
  .answer .kicker { font-size: 0.875rem; }
  .answer .why { font-size: 0.9rem; padding-top: 0.4rem; }
  .answer dl {
    display: grid; grid-template-columns: repeat(auto-fit, minmax(8.2rem, 1fr));
    gap: 0.5rem 0.8rem; margin: 0.5rem 0 0; padding: 0;
  }
  .answer dt { font-size: 0.8rem; }
  .answer dd { margin: 0; font-size: 1.05rem; font-weight: 600; line-height: 1.3; }
  .answer dd small { display: block; font-size: 0.8rem; font-weight: 400; }
  .answer.choice h2 { font-size: 1.15rem; }
</style>
"""


def draw_pick(answer: PickAnswer) -> None:
    """What to run, how good, how fast, whether it fits, and the command that runs it."""
    card = pick_card(answer.advice)
    if card is None:
        _draw_none(answer.advice)
        return
    st.html(STYLE + pick_html(card, answer.advice, answer.title))
    _draw_commands(answer.advice)


def draw_choices(answer: PickAnswer) -> None:
    """The clearly smaller and the clearly faster choice, where there are such."""
    for title, choice in choices_of(answer.advice):
        with st.container(border=True, key=f"{title.split()[0].lower()}_card_{answer.title}"):
            st.html(choice_html(title, choice))
            _draw_command_of(answer, choice.candidate)


def choices_of(advice: Advice) -> list[tuple[str, Compromise]]:
    """What stands beside the pick, with its title; one entry where both are the same variant."""
    smaller, faster = advice.smaller_choice, advice.faster_choice
    if smaller and faster and smaller.candidate.variant.id == faster.candidate.variant.id:
        return [("Smaller and faster", faster)]
    choices = (("Smaller", smaller), ("Faster", faster))
    return [(title, choice) for title, choice in choices if choice is not None]


def pick_html(card: PickCard, advice: Advice, title: str = "") -> str:
    """The card's text."""
    kicker = f"Run this on {title}" if title else "Run this"
    why = f"{card.reason}. {capitalised(card.sure)}." if card.reason else ""
    return (
        f'<div class="answer"><p class="kicker">{_text(kicker)}</p><h2>{_text(card.label)}</h2>'
        f"<p>in {_text(card.engine)} on {_text(card.machine)}</p>{_list(entries(card, advice))}"
        f'<p class="why">{_text(why)}</p></div>'
    )


def entries(card: PickCard, advice: Advice) -> list[Entry]:
    """The card's figures in people's units."""
    pick = advice.pick
    bits = pick.variant.bpw_file if pick else None
    figures = [
        ("Speed", *_split(card.speed)),
        ("Against 16 bits", *_closeness(card, advice)),
        ("Memory", _fits(advice), card.fits),
        ("Size", card.size, f"{bits:.3g} bits per weight" if bits else ""),
        ("Capability", *_join(_split(card.capability), "0 guesses, 1 all right")),
    ]
    return [figure for figure in figures if figure[1]]


def _closeness(card: PickCard, advice: Advice) -> tuple[str, str]:
    """The share of the 16-bit capability that is left; without tasks how often the next token is
    the same."""
    value, _, detail = card.closeness.partition(", ")
    same = advice.pick.variant.same_top1 if advice.pick else None
    if value.startswith("KLD") and same is not None:
        return f"Same next token in {share(same.value)}", value
    return _join(_split(value), detail)


def _fits(advice: Advice) -> str:
    """`Fits 24 GiB at 4k`."""
    pick = advice.pick
    if pick is None or advice.budget_bytes is None:
        return "Not known whether it fits"
    memory = advice.ask.memory_bytes or advice.budget_bytes
    context = pick.context
    tokens = f"{context // 1024}k" if context % 1024 == 0 else f"{context:,} tokens"
    return f"Fits {format_bytes(memory)} at {tokens}"


def choice_html(title: str, choice: Compromise) -> str:
    """The text of a card beside the pick."""
    candidate = choice.candidate
    size = format_bytes(candidate.variant.artifact_bytes)
    figures = [("Size", size, f"{100 * choice.size:.0f} % of the pick's" if choice.size else "")]
    decode = candidate.figures.get(DECODE)
    if decode is not None:
        times = _times(choice.speed.value) if choice.speed else ""
        figures.append(("Speed", f"{rate(decode.value)} token/s", times))
    return (
        f'<div class="answer choice"><p class="kicker">{title}</p>'
        f"<h2>{_text(candidate.label)}</h2>{_list(figures)}"
        f'<p class="why">{_text(capitalised(choice.text))}.</p></div>'
    )


def _times(ratio: float) -> str:
    """`1.4 times the pick's`; of what no reader would call another speed `about the pick's`."""
    alike = abs(ratio - 1) < ALIKE
    return "about the pick's" if alike else f"{number(ratio, 2)} times the pick's"


def _draw_commands(advice: Advice) -> None:
    """The commands that run the pick, each ready to be copied."""
    serving = advice.serving
    if serving is None:
        return
    if not serving.commands:
        st.caption(plain(f"No command: {serving.why_not}. Weights: {serving.weights.how}."))
        return
    programs = [command.program for command in serving.commands]
    for place, command in zip(st.tabs(programs), serving.commands, strict=True):
        with place:
            st.code(visible(serving.script(command), prose=True), language="bash", wrap_lines=True)


def _draw_command_of(answer: PickAnswer, candidate: Candidate) -> None:
    """The command of a choice, worked out when it is opened."""
    key = f"run_{candidate.variant.id}_{answer.title}"
    with st.expander("Run it", key=key, on_change="rerun") as box:
        if not box.open:
            return
        serving = answer.serving(candidate)
        command = serving.command(answer.advice.ask.serve) if serving else None
        if serving is None or command is None:
            st.caption(plain(f"No command: {serving.why_not if serving else 'nothing was run'}."))
        else:
            st.code(visible(serving.script(command), prose=True), language="bash", wrap_lines=True)


def _draw_none(advice: Advice) -> None:
    """Why nothing is picked, and what to change."""
    st.markdown(f"**{plain(capitalised(headline(advice)))}.**")
    if not advice.relax:
        return
    together = any(step.together for step in advice.relax)
    st.markdown("To get an answer, do all of these:" if together else "To get an answer:")
    for step in advice.relax:
        st.markdown(f"- {plain(step.text)}")


def _list(figures: Iterable[Entry]) -> str:
    parts = (
        f"<div><dt>{_text(title)}</dt><dd>{_text(value)}<small>{_text(detail)}</small></dd></div>"
        for title, value, detail in figures
    )
    return f"<dl>{''.join(parts)}</dl>"


def _split(text: str) -> tuple[str, str]:
    """`2,701 token/s (2,544 to 2,861), measured here` as value and detail."""
    value, _, detail = text.partition(" (")
    return value, detail.replace(")", "", 1)


def _join(figure: tuple[str, str], detail: str) -> tuple[str, str]:
    return figure[0], ", ".join(filter(None, (figure[1], detail)))


def _text(text: str) -> str:
    return escape(visible(text))
