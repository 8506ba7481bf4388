"""The command that runs a pick, in a terminal: as it stands it can be pasted into a shell."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from grid.advice import Advice


def print_serving(out: Console, advice: Advice) -> None:
    """The lines that run the pick, flush left, and what to know of them; nothing without a pick."""
    serving = advice.serving
    if serving is None:
        return
    command = serving.command(advice.ask.serve)
    if command is None:
        programs = ", ".join(choice.program for choice in serving.commands)
        why = serving.why_not or f"{advice.ask.serve} does not run this pick; {programs} can"
        out.print(Text(f"no command: {why}", style="yellow"))
        out.print(Text(f"weights: {serving.weights.path} ({serving.weights.how})", style="dim"))
        return
    out.print(Text(f"Run it ({serving.assumed}):"))
    out.print(Text(serving.script(command), style="cyan"), soft_wrap=True)
    for remark in serving.remarks(command):
        out.print(Text(f"# {remark}", style="dim"))
    if others := serving.other_programs(command):
        out.print(Text(f"# --serve shows the others: {', '.join(others)}", style="dim"))
    out.print()
