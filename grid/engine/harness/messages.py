"""The messages between the driver and the harness's process: one JSON object per line."""

from __future__ import annotations

import msgspec

OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
"""Settings that keep the hub's libraries from trying."""


class LocalData(msgspec.Struct, frozen=True, kw_only=True):
    """Files that hold a task's documents: paths by split (`eval`, `train`, `dev`), read as `shape`.

    `folder` is a copy of the hub's repository instead. `sha256` is the files' content; `note` says
    in what they differ from the harness's own data.
    """

    shape: str = ""
    paths: dict[str, str] = {}
    folder: str = ""
    sha256: str = ""
    note: str = ""


class Leaf(msgspec.Struct, frozen=True, kw_only=True):
    """A task of the harness: its name, its YAML file (relative to the harness's tasks), its data;
    None is the hub."""

    name: str
    path: str
    subset: str = ""
    data: LocalData | None = None


class ListTasks(msgspec.Struct, tag=True, frozen=True):
    """What tasks there are; the reply is TaskList."""


class Render(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Write the items of a task (of a group: its leaves) to `target`; the reply is Rendered.

    `metric` names the figure where a group says which; `hub` says that this or a later task of the
    process comes from the hub.
    """

    name: str
    leaves: tuple[Leaf, ...]
    target: str
    shots: int | None
    limit: int | None
    seed: int
    metric: str = ""
    hub: bool = False


class Score(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Score answers: `documents` as items hold them, and for each what the model wrote, or the
    log-likelihoods of its choices. The reply is Scored."""

    documents: tuple[str, ...]
    responses: tuple[str, ...]
    log_likelihoods: tuple[tuple[float, ...], ...]


Request = ListTasks | Render | Score


class TaskName(msgspec.Struct, frozen=True, kw_only=True):
    """A name that `prepare` takes: a task, or a group of tasks (`members`).

    `kind` is the harness's output type: multiple_choice, loglikelihood, loglikelihood_rolling or
    generate_until; of a group that of its first task, empty where none can be asked. `metric` is
    the figure that a group has over all its items; without it the group is only a list of tasks.
    """

    name: str
    kind: str
    members: tuple[str, ...] = ()
    metric: str = ""
    path: str = ""
    """The task's YAML file, relative to the harness's tasks."""
    dataset: str = ""
    """Its repository on the hub."""
    subset: str = ""
    split: str = ""
    """The split that is asked: `test` or `validation`."""
    runs_code: bool = False
    obstacle: str = ""
    """Why it cannot be asked, empty where it can."""


class TaskList(msgspec.Struct, tag=True, frozen=True):
    """All names, sorted."""

    tasks: tuple[TaskName, ...]


class Rendered(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """The items of a task are written; the fields are those of PreparedTask."""

    items: int
    kind: str
    metric: str
    version: str
    shots: int
    data_sha256: str
    notes: tuple[str, ...]
    runs_code: bool


class Scored(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """A score for each document. Of tasks that run code `programs` instead: each tests itself, and
    the score is 1 where it passes. `chances` are scores of guessing, of choices only."""

    scores: tuple[float, ...] = ()
    chances: tuple[float, ...] = ()
    programs: tuple[str, ...] = ()


class Refused(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """The request failed; `input` where the user's data or request is at fault."""

    reason: str
    input: bool = False


Reply = TaskList | Rendered | Scored | Refused

_requests = msgspec.json.Decoder(Request)
_replies = msgspec.json.Decoder(Reply)


def encode(message: Request | Reply) -> bytes:
    """One line, newline included."""
    return msgspec.json.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    return _requests.decode(line)  # type: ignore[no-any-return]


def decode_reply(line: bytes) -> Reply:
    return _replies.decode(line)  # type: ignore[no-any-return]
