"""`grid tasks`: what can be asked, and the user's own tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.help_text import Commands, print_help
from grid.cli.options import Json
from grid.cli.standard_streams import write_progress
from grid.errors import InputError

if TYPE_CHECKING:
    from grid.cells.items import Item

EXAMPLES = """
grid tasks list
grid tasks show hellaswag --items 3
grid tasks check my-questions.csv
grid tasks needles book.txt needles.jsonl --words 3000
grid sweep ref:small --tasks quick
"""

tasks_app = Commands(
    help="List tasks, check a task file of your own, look at items.",
    invoke_without_command=True,
    epilog=EXAMPLES,
)
tasks_app.callback()(print_help)

Data = Annotated[
    str,
    typer.Option("--data", metavar="FOLDER", help="The tasks' data, where no hub is reached."),
]
Every = Annotated[bool, typer.Option("--all", help="All other tasks of lm-evaluation-harness too.")]


def register(app: Commands) -> None:
    """Add the commands to the command line."""
    app.add_typer(tasks_app, name="tasks")


@tasks_app.command("list")
def list_tasks(every: Every = False, as_json: Json = False) -> None:
    """List tasks and ready sets: class, items, cost, resolution."""
    from grid.cli.views.tasks import show_tasks

    names: tuple[str, ...] = ()
    if every:
        from grid.engine.harness import HarnessProcess, task_names

        with HarnessProcess(write_progress) as process:
            names = tuple(task.name for task in task_names(process))
    show_tasks(names, as_json=as_json)


@tasks_app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .jsonl or .csv file.")],
    as_json: Json = False,
) -> None:
    """Check a task file of your own, line by line.

    Exit codes: 0 it is right, 1 some lines are wrong, 2 it cannot be read.
    """
    from grid.cells.task_files import check_task_file
    from grid.cli.views.task_file import show_task_file

    task_file = check_task_file(file)
    show_task_file(task_file, as_json=as_json)
    raise typer.Exit(1 if task_file.faults else 0)


@tasks_app.command()
def needles(
    text: Annotated[Path, typer.Argument(metavar="TEXT", help="A text file in UTF-8.")],
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The .jsonl file to write.")],
    words: Annotated[int, typer.Option(min=20, metavar="COUNT", help="Words of a passage.")] = 3000,
    items: Annotated[int, typer.Option(min=1, metavar="COUNT", help="Questions.")] = 50,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="Draws codes and places.")] = 1234,
) -> None:
    """Write a task that asks for facts hidden in long passages of a text.

    It shows what a quantized cache or a long context costs: files = ["FILE"] in [tasks].
    """
    from grid.cells.task_files.needles import write_needles
    from grid.cli.views.console import say

    longest = write_needles(text, target, words, items, seed)
    say(f"{target}: {items} items; the longest prompt has {longest:,} characters")


@tasks_app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="TASK | FILE", help="A task's name, or a file of your own.")
    ],
    items: Annotated[int, typer.Option(min=1, metavar="COUNT", help="Items to show.")] = 1,
    model: Annotated[
        str, typer.Option(metavar="FILE | FOLDER", help="Weights whose chat template to use.")
    ] = "",
    data: Data = "",
    as_json: Json = False,
) -> None:
    """Show items of a task: the prompt, the choices, the right answer."""
    from grid.cli.views.task_items import show_items
    from grid.models.chat import read_chat_template

    chosen = _items(name, items, data)[:items]
    template = None
    if model:
        template = read_chat_template(Path(model).expanduser())
        if template is None:
            raise InputError(f"{model} has no chat template")
    show_items(chosen, template, as_json=as_json)


def _items(name: str, items: int, data: str) -> tuple[Item, ...]:
    """Of a file, or of the first task of that name in the harness."""
    from grid.cells.task_files import FORMS, read_task_file
    from grid.cells.texts import read_items
    from grid.engine.harness import prepare
    from grid.models.bundled import TASK_CLASSES

    if name in TASK_CLASSES:
        raise InputError(
            f"{name} is a class of the bundled models' items, and no task of its own; "
            "a sweep of ref:small asks them. `grid tasks list` has the tasks that can be shown"
        )
    if Path(name).suffix.lower().removeprefix(".") in FORMS:
        return read_task_file(Path(name)).items
    folder = Path(data) if data else None
    task = prepare([name], data=folder, limit=items, run_code=True, say=write_progress)[0]
    return read_items(str(task.folder), task.name).items
