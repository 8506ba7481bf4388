"""axe-core, a checker of accessibility: fetched once from npm, and pinned by its content."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import platformdirs
from playwright.sync_api import Page

VERSION = "4.10.3"
SHA256 = "880970c081707360e64f34cea25ff91892f5bc95675b0776925b9709dd8a68bb"
"""Of `axe.min.js` in that version."""

MEMBER, LIMIT_S = "package/axe.min.js", 60

RULES = (
    "color-contrast", "page-has-heading-one", "html-has-lang", "document-title", "aria-valid-attr",
    "aria-valid-attr-value", "role-img-alt", "svg-img-alt", "image-alt", "button-name", "link-name",
    "duplicate-id-aria", "label",
)  # fmt: skip


class Unreachable(Exception):
    """npm, or its registry, cannot be reached."""


def axe_source() -> str:
    """The checker's JavaScript. Raises Unreachable where it cannot be fetched, and ValueError where
    the content is not the pinned one."""
    folder = Path(
        os.environ.get("QUANTGRID_TEST_CACHE") or platformdirs.user_cache_dir("quantgrid")
    )
    file = folder / f"axe-core-{VERSION}.min.js"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_fetch(folder))
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        file.unlink()
        raise ValueError(f"axe-core {VERSION} from npm is not the pinned file; check {SHA256}")
    return content.decode()


def _fetch(folder: Path) -> bytes:
    command = ["npm", "pack", "--silent", f"axe-core@{VERSION}", "--pack-destination", str(folder)]
    try:
        subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unreachable(str(error)) from error
    archive = folder / f"axe-core-{VERSION}.tgz"
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as files:
        member = files.extractfile(MEMBER)
        assert member
        content = member.read()
    archive.unlink()
    return content


def violations(page: Page, source: str) -> list[str]:
    """What the page breaks of RULES: `rule: text or element (why)`, each once."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(source)
    result: list[dict[str, Any]] = page.evaluate(
        """async rules => (await axe.run(document, {
            runOnly: {type: 'rule', values: rules}, resultTypes: ['violations'],
        })).violations.flatMap(broken => broken.nodes.map(node => ({
            rule: broken.id,
            element: node.target.join(' '),
            text: (document.querySelector(node.target[0])?.innerText || node.html).slice(0, 60),
            why: node.any.concat(node.all).map(check => check.message).join('; ').slice(0, 160),
        })))""",
        list(RULES),
    )
    return list(
        dict.fromkeys(f"{r['rule']}: {r['text']!r} [{r['element']}] ({r['why']})" for r in result)
    )
