"""Write the exact versions of a fresh resolution into pyproject.toml.

    python scripts/pins.py

resolves the workspace with uv (honouring its own settings for indexes) and replaces the list of
`[tool.uv] constraint-dependencies`. The list takes the place of a lock file in git: it pins
versions and names no index.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"constraint-dependencies = \[\n.*?^\]\n", re.DOTALL | re.MULTILINE)
PIN = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>.+))?$")
EXPORT = (
    "uv", "export", "--quiet", "--no-hashes", "--no-annotate", "--no-header",
    "--no-emit-workspace", "--all-packages", "--all-groups", "--no-group", "train",
)  # fmt: skip
"""The training group is left out: its torch comes with gigabytes that nobody else resolves."""


def resolve() -> list[str]:
    """`name==version` of every third-party package, sorted, from a resolution made anew."""
    text = (ROOT / "pyproject.toml").read_text()
    (ROOT / "pyproject.toml").write_text(with_pins(text, []))
    try:
        subprocess.run(["uv", "lock", "--quiet", "--upgrade"], cwd=ROOT, check=True)
        done = subprocess.run(EXPORT, cwd=ROOT, check=True, capture_output=True, text=True)
    finally:
        (ROOT / "pyproject.toml").write_text(text)
    return sorted(_pins(done.stdout.splitlines()))


def _pins(lines: list[str]) -> Iterator[str]:
    """A package with one version is pinned everywhere; one with several keeps their markers."""
    matches = [match for line in lines if (match := PIN.match(line))]
    versions: dict[str, set[str]] = {}
    for match in matches:
        versions.setdefault(match["name"], set()).add(match["version"])
    for match in matches:
        pin = f"{match['name']}=={match['version']}"
        yield pin if len(versions[match["name"]]) == 1 else f"{pin} ; {match['marker']}"


def with_pins(text: str, pins: list[str]) -> str:
    """The text of pyproject.toml with its list of constraints replaced."""
    lines = "".join(f'    "{pin}",\n' for pin in pins)
    replaced, count = BLOCK.subn(f"constraint-dependencies = [\n{lines}]\n", text)
    if count != 1:
        raise SystemExit("pyproject.toml has no constraint-dependencies list to replace")
    return replaced


if __name__ == "__main__":
    pins = resolve()
    path = ROOT / "pyproject.toml"
    path.write_text(with_pins(path.read_text(), pins))
    print(f"{len(pins)} packages pinned")
