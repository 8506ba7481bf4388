"""The version of this client, which stands for the engine's; the server's is in each row."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def package_version() -> str:
    """`quantgrid-openai 0.1.0`; without the number where it is imported from elsewhere."""
    try:
        return f"quantgrid-openai {version('quantgrid-openai')}"
    except PackageNotFoundError:
        return "quantgrid-openai"
