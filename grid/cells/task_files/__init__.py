"""The user's own tasks: JSONL or CSV files of prompts with answers or choices.

file = read_task_file(Path("mine.jsonl"))    # raises InputError with file and line
file = check_task_file(Path("mine.csv"))     # file.faults has every wrong line
"""

from grid.cells.task_files.columns import COLUMNS
from grid.cells.task_files.file import FORMS, TaskFile, check_task_file, read_task_file
from grid.cells.task_files.rows import Fault

__all__ = ["COLUMNS", "FORMS", "Fault", "TaskFile", "check_task_file", "read_task_file"]
