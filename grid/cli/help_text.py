"""The help of commands: plain text, their options and sub-commands in panels, examples at the end.

Without rich, whose import would double the time of `grid --help`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.models import CommandFunctionType

Row = tuple[str, str]

PANELS = ("Start", "Look", "Data", "Machine", "Rack", "Advanced")
"""Headings of `grid --help`, in their order."""


class Commands(typer.Typer):
    """A group of commands; those added while `panel` is set stand under that heading."""

    def __init__(self, *, cls: type[TyperGroup] | None = None, **settings: Any) -> None:
        settings.setdefault("rich_markup_mode", None)
        super().__init__(cls=cls or PanelGroup, **settings)
        self.panel = ""

    def command(
        self, name: str | None = None, **settings: Any
    ) -> Callable[[CommandFunctionType], CommandFunctionType]:
        settings.setdefault("cls", PanelCommand)
        settings.setdefault("rich_help_panel", self.panel or None)
        return super().command(name, **settings)

    def add_typer(self, typer_instance: typer.Typer, **settings: Any) -> None:
        settings.setdefault("rich_help_panel", self.panel or None)
        super().add_typer(typer_instance, **settings)


def print_help(context: typer.Context) -> None:
    """The callback of a group that does nothing by itself."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


class PanelCommand(TyperCommand):
    """A command whose options stand in panels, and whose epilog is examples, one a line."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_panels(formatter, _parameter_panels(self, ctx))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _write_examples(formatter, self.epilog)


class PanelGroup(TyperGroup):
    """A group whose visible commands stand in panels."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the panels."""
        return sorted(super().list_commands(ctx), key=lambda name: _place(self.commands[name]))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        panels = _command_panels(self, ctx)
        width = max((len(name) for rows in panels.values() for name, _ in rows), default=0)
        _write_panels(formatter, panels, width)
        _write_panels(formatter, _parameter_panels(self, ctx))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _write_examples(formatter, self.epilog)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        pieces: list[str] = super().collect_usage_pieces(ctx)
        return pieces if _command_panels(self, ctx) else pieces[:-1]


def _parameter_panels(command: Any, ctx: Any) -> dict[str, list[Row]]:
    """Arguments first; options without a panel before those of the others, help last."""
    panels: defaultdict[str, list[Row]] = defaultdict(list)
    params = command.get_params(ctx)
    for param in sorted(params, key=lambda param: not isinstance(param, TyperArgument)):
        argument = isinstance(param, TyperArgument)
        row = _argument_row(param, ctx) if argument else param.get_help_record(ctx)
        if row is not None:
            default = "Arguments" if argument else "Options"
            panels[getattr(param, "rich_help_panel", None) or default].append(row)
    return dict(panels)


def _argument_row(param: TyperArgument, ctx: Any) -> Row | None:
    """The name as the usage line has it, without the type."""
    record = param.get_help_record(ctx)
    return None if record is None else (param.display_name_raw, record[1])


def _command_panels(group: TyperGroup, ctx: Any) -> dict[str, list[Row]]:
    panels: defaultdict[str, list[Row]] = defaultdict(list)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if command is not None and not command.hidden:
            panel = getattr(command, "rich_help_panel", None) or "Commands"
            panels[panel].append((name, command.get_short_help_str(limit=80)))
    return dict(panels)


def _place(command: Any) -> int:
    panel = getattr(command, "rich_help_panel", None)
    return PANELS.index(panel) if panel in PANELS else len(PANELS)


def _write_panels(formatter: Any, panels: dict[str, list[Row]], width: int = 0) -> None:
    for title, rows in panels.items():
        with formatter.section(title):
            formatter.write_dl([(name.ljust(width), text) for name, text in rows])


def _write_examples(formatter: Any, epilog: str | None) -> None:
    if epilog:
        with formatter.section("Examples"):
            for line in epilog.strip().splitlines():
                formatter.write(f"  {line}".rstrip() + "\n")
