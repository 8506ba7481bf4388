"""The columns of a task file."""

from __future__ import annotations

COLUMNS: dict[str, str] = {
    "id": "name of the item, once in the file; default: its line's number",
    "prompt": "what the model is asked; `question` is the same",
    "question": "the same as `prompt`",
    "system": "a system message before the prompt, where the model has a chat template",
    "messages": 'JSONL: a conversation instead of a prompt, [{"role": ..., "content": ...}]',
    "answer": "what is right; of choices the text, the letter (A the first) or the index (from 0)",
    "answers": "several right answers: a list, in CSV with `|` between them",
    "choices": "a list, in CSV with `|` between them or as columns A, B, C, ...",
    "scoring": "choice, written_choice, exact, contains, regex, number or json; default: choice "
    "where there are choices, else exact",
    "max_tokens": "most tokens of a written answer; default 256",
    "until": "texts that end a written answer: a list, in CSV with `|` between them; default of "
    "`exact`: a line's end",
    "group": "passage or subject that items share; intervals are over groups then",
}
"""What each means, by name."""

SETTINGS: dict[str, str] = {
    "class": "the task class, such as `math`; default: unclassified",
    "chat": "true: only by the chat template; false: never; default: where the model has one",
}
"""What is of the whole file, and stands with the defaults of columns in a first line of JSONL."""

DEFAULT_COLUMNS = ("system", "choices", "scoring", "max_tokens", "until", "group")
"""Columns that a first line of JSONL may set for the whole file."""

SCORINGS = ("choice", "written_choice", "exact", "contains", "regex", "number", "json")
"""How an answer counts. `choice`: the choice of the highest log-probability. The others are
written: `written_choice` names the letter or text of a choice, which the prompt is given with
letters; `json` is one JSON value, equal to the answer if there is any."""

DEFAULTS = "defaults"
"""The key of a first line of JSONL that holds settings and defaults."""
