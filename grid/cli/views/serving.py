"""The command that runs a pick, in a terminal: as it stands it can be pasted into a shell."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from grid.advice import Advice
from grid.cli.views.console import print_script


def print_command(out: Console, advice: Advice) -> None:
    """The lines that run the pick, flush left, or why there are none; nothing without a pick."""
    serving = advice.serving
    if serving is None:
        return
    command = serving.command(advice.ask.serve)
    if command is not None:
        print_script(out, serving.script(command))
        return
    programs = ", ".join(choice.program for choice in serving.commands)
    why = serving.why_not or f"{advice.ask.serve} does not run this pick; {programs} can"
    out.print(Text(f"no command: {why}", style="yellow"))
    out.print(Text(f"weights: {serving.weights.path} ({serving.weights.how})", style="dim"))


def serving_rows(advice: Advice) -> list[tuple[str, str]]:
    """What to know of the command: what it sets, the weights, its address, the other programs."""
    serving = advice.serving
    command = None if serving is None else serving.command(advice.ask.serve)
    if serving is None or command is None:
        return []
    rows = [("command", f"sets {serving.assumed}")]
    rows += [("", remark) for remark in serving.remarks(command)]
    others = serving.other_programs(command)
    return [*rows, ("", f"--serve has the others: {', '.join(others)}")] if others else rows
