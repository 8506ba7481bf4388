"""A store here and its mirror on a head: rows there before are brought along, new ones fetched.

A store's files never change and no two have one name, so files are only ever added, on both sides,
and a sweep that writes here meanwhile is not disturbed: no lock is needed. Rows that are deleted
here come back from the mirror; `--fresh` measures anew.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from grid.cluster import ssh
from grid.cluster.remote.runs import STATE
from grid.cluster.ssh import Host
from grid.models.identity import digest

STORES = f"{STATE}/stores"

_CHILDREN = ("metrics-*.arrow", "samples-*.arrow", "items-*.arrow")
_FIRST = re.compile(r"(metrics|samples|items)-.*")
_ROWS = re.compile(r"[^/\0\n]+\.arrow")
_ADD_ONLY = ("--ignore-existing", "--no-links", "--no-specials", "--no-devices")
_AS_HERE = ("--no-perms", "--omit-dir-times")
"""The store's folder here stays as its owner has it."""


def mirror_of(machine: str, store: Path) -> str:
    """The folder on a head that mirrors a store of a machine."""
    return f"{STORES}/{digest('store', machine, str(store))}"


class Mirror(msgspec.Struct, frozen=True):
    """`remote_folder` is a folder on the host, below its home; `folder` the store's folder here."""

    host: Host
    remote_folder: str
    folder: Path

    def push(self) -> None:
        """Bring the rows that are here. Raises HostSilent, CommandFailed."""
        names = [path.name for path in self.folder.glob("*.arrow")] if self.folder.is_dir() else []
        children = [name for name in names if _FIRST.match(name)]
        for names_of_kind in (children, sorted({*names} - {*children})):
            if names_of_kind:
                with _only_files(names_of_kind) as options:
                    ssh.push(self.host, [f"{self.folder}/"], self.remote_folder, options=options)

    def pull(self) -> int:
        """Fetch the rows that are not here; returns the number of files with attempts among them.

        Attempts are listed before their children are fetched and come after them, so that a reader
        here never sees an attempt without its figures. Raises HostSilent, CommandFailed.
        """
        missing = [name for name in self._row_files() if not (self.folder / name).exists()]
        if not missing:
            return 0
        source = f"{self.remote_folder}/"
        children = [f"--include={pattern}" for pattern in _CHILDREN]
        options = [*_ADD_ONLY, *_AS_HERE, *children, "--exclude=*"]
        ssh.pull(self.host, source, self.folder, options=options)
        last = [name for name in missing if not _FIRST.match(name)]
        if last:
            with _only_files(last) as options:
                ssh.pull(self.host, source, self.folder, options=[*_AS_HERE, *options])
        return len(last)

    def _row_files(self) -> list[str]:
        """Files of rows on the host; none where there is no such folder."""
        folder = self.remote_folder.removeprefix("~/")
        done = ssh.run(self.host, ["ls", "-1", folder])
        return [name for name in done.stdout.splitlines() if _ROWS.fullmatch(name)]


@contextmanager
def _only_files(names: Sequence[str]) -> Iterator[list[str]]:
    """rsync's options for just these names of a folder."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("\n".join(names) + "\n")
        file.flush()
        yield [*_ADD_ONLY, f"--files-from={file.name}"]
