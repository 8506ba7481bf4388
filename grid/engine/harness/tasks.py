"""Item sets of the harness's tasks, kept in the cache."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import msgspec

from grid.cache import cache_dir, write_atomically
from grid.engine.harness import messages
from grid.engine.harness.local_data import find_local_data
from grid.engine.harness.messages import LocalData, TaskName
from grid.engine.harness.names import expand, task_names
from grid.engine.harness.process import HARNESS_VERSION, HarnessProcess
from grid.errors import EngineError, InputError
from grid.models.identity import digest

ITEMS_FORMAT = 2
"""Raised whenever the same documents would be rendered otherwise."""

RENDER_TIMEOUT_S = 6 * 3600.0
"""A large data set comes over a slow line."""

Say = Callable[[str], None]


class PreparedTask(msgspec.Struct, frozen=True, kw_only=True):
    """An item set in the cache: `folder` holds `<name>.jsonl` of grid.cells.items.Item.

    `requested` is the name that was asked for, another one where a group was expanded; `kind` the
    harness's output type, `metric` the harness's name of the figure that an item's score is of,
    such as `acc_norm` or `exact_match,flexible-extract`; `version` the task's own version, `shots`
    its examples. `data` is `hub` or `file`, `data_sha256` the documents' content; `note` says in
    what the data or prompt differs from the harness's own, and is empty where nothing does.
    """

    name: str
    requested: str
    folder: Path
    items: int
    kind: str
    metric: str
    version: str
    shots: int
    data: str
    data_sha256: str
    note: str = ""
    runs_code: bool = False
    """Scoring runs what the model wrote (HumanEval, MBPP)."""


_decode = msgspec.json.Decoder(PreparedTask, dec_hook=lambda kind, text: kind(text)).decode


def prepare(
    names: Sequence[str],
    *,
    data: Path | None = None,
    shots: int | None = None,
    limit: int | None = None,
    seed: int = 1234,
    run_code: bool = False,
    say: Say = lambda line: None,
    process: HarnessProcess | None = None,
) -> tuple[PreparedTask, ...]:
    """The item sets of tasks by their harness names, in the order asked for, groups expanded.

    A group with a figure of its own over all items (`mmlu`) stays one task, whose items carry their
    subject as `group`; any other group becomes its tasks. Items of a passage that several share
    carry that. `data` is a folder of local files, which
    come before the hub; `shots` None is each task's own number; `limit` takes the first items of
    each task (of a group: of its subjects in proportion), as `lm_eval --limit` does; `seed` draws
    the few-shot examples. An item set that was made before costs no more than reading small files.

    Raises InputError for a name that the harness does not know (with the nearest), a task that runs
    code unless `run_code`, or data that neither `data` nor the hub has; EngineError where the
    harness's environment cannot be made. `say` hears lines of progress; `process` is one that
    serves several calls.
    """
    if data is not None and not data.is_dir():
        raise InputError(f"tasks.data {data}: not a folder; it should hold files of the tasks")
    with nullcontext(process) if process is not None else HarnessProcess(say) as process:
        by_name = {task.name: task for task in task_names(process)}
        expanded = [(task, requested) for requested in names for task in expand(requested, by_name)]
        _check_code([task for task, _ in expanded], by_name, run_code)
        makers = {
            task.name: _ItemSet(task, by_name, data, shots, limit, seed) for task, _ in expanded
        }
        hub = any(maker.from_hub for maker in makers.values())
        return tuple(
            makers[task.name].prepare(process, requested, say, hub) for task, requested in expanded
        )


def task_facts(folder: Path, name: str) -> dict[str, str]:
    """What a row's environment says of a prepared task; nothing of items from elsewhere."""
    try:
        task = _decode((folder / f"{name}.json").read_bytes())
    except (OSError, msgspec.MsgspecError):
        return {}
    return {
        "task_harness": f"lm_eval {HARNESS_VERSION}",
        "task_version": task.version,
        "task_metric": task.metric,
        "task_fewshot": str(task.shots),
        "task_data": f"{task.data} {task.data_sha256[:16]}",
        **({"task_note": task.note} if task.note else {}),
    }


def render_request(
    name: str, data: Path | None, shots: int | None = None, seed: int = 1234
) -> dict[str, Any]:
    """What lm-evaluation-harness is to load for a task and its data, as plain data: `leaves`,
    `shots` and `seed`; for checks against its own evaluator."""
    by_name = {task.name: task for task in task_names()}
    item_set = _ItemSet(by_name[name], by_name, data, shots, None, seed)
    fields = msgspec.to_builtins(item_set.request)
    return {key: fields[key] for key in ("leaves", "shots", "seed")}


class _ItemSet:
    """The item set of one task under given settings: its place in the cache, and its making."""

    def __init__(
        self,
        task: TaskName,
        by_name: dict[str, TaskName],
        data: Path | None,
        shots: int | None,
        limit: int | None,
        seed: int,
    ) -> None:
        self._task = task
        leaves = expand(task.name, by_name, leaves=True)
        local = [_local(leaf, data) for leaf in leaves]
        self.request = messages.Render(
            name=task.name,
            leaves=tuple(
                messages.Leaf(name=leaf.name, path=leaf.path, subset=leaf.subset, data=place)
                for leaf, place in zip(leaves, local, strict=True)
            ),
            target="",
            shots=shots,
            limit=limit,
            seed=seed,
            metric=task.metric,
        )
        content = [place.sha256 if place is not None else "hub" for place in local]
        key = digest("task items", ITEMS_FORMAT, HARNESS_VERSION, content, shots, limit, seed)
        self.folder = cache_dir() / "tasks" / f"{task.name}-{key[:16]}"
        self.from_hub = None in local
        self._folder_of_user = data

    def prepare(self, process: HarnessProcess, requested: str, say: Say, hub: bool) -> PreparedTask:
        """The item set, made unless it is there; `hub`: some set of this process takes the hub."""
        info = self.folder / f"{self._task.name}.json"
        with suppress(OSError, msgspec.MsgspecError):
            present = _decode(info.read_bytes())
            if (self.folder / f"{present.name}.jsonl").exists():
                return msgspec.structs.replace(present, requested=requested, folder=self.folder)
        say(f"tasks: items of {self._task.name}")
        prepared = self._make(process, requested, hub)
        write_atomically(info, msgspec.json.encode(prepared, enc_hook=str))
        return prepared

    def _make(self, process: HarnessProcess, requested: str, hub: bool) -> PreparedTask:
        begun = self.folder.with_name(f".{self.folder.name}.begun")
        request = msgspec.structs.replace(self.request, target=str(begun), hub=hub)
        try:
            reply = process.ask(request, RENDER_TIMEOUT_S)
            shutil.rmtree(self.folder, ignore_errors=True)
            begun.rename(self.folder)
        except InputError as error:
            looked = f"; nothing in {self._folder_of_user} looks like them"
            ours = self._folder_of_user is not None and self.from_hub
            raise InputError(f"{error}{looked if ours else ''}") from error
        except OSError as error:
            raise EngineError(f"{error.filename}: {error.strerror}; set QUANTGRID_CACHE") from error
        finally:
            shutil.rmtree(begun, ignore_errors=True)
        assert isinstance(reply, messages.Rendered)
        return PreparedTask(
            name=self._task.name,
            requested=requested,
            folder=self.folder,
            items=reply.items,
            kind=reply.kind,
            metric=reply.metric,
            version=reply.version,
            shots=reply.shots,
            data="hub" if self.from_hub else "file",
            data_sha256=reply.data_sha256,
            note="; ".join(reply.notes),
            runs_code=reply.runs_code,
        )


def _local(task: TaskName, data: Path | None) -> LocalData | None:
    return None if data is None else find_local_data(task, data)


def _check_code(tasks: list[TaskName], by_name: dict[str, TaskName], run_code: bool) -> None:
    for task in tasks:
        runs_code = any(leaf.runs_code for leaf in expand(task.name, by_name, leaves=True))
        if runs_code and not run_code:
            raise InputError(
                f"task {task.name} runs programs that the model writes; say run_code = true under "
                "[tasks] to run them in a sandbox, or leave it out"
            )
