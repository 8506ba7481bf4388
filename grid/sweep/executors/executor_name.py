"""The executors by name; apart, so that the command line knows them without loading any."""

from __future__ import annotations

from enum import StrEnum


class ExecutorName(StrEnum):
    """Where sessions run: in an actor of a local Ray, or driven from this process."""

    ray = "ray"
    inline = "inline"
