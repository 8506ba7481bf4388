"""The harness's process takes what a driver starts it with, and ends with the driver."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_it_ends_with_its_pipe_and_takes_its_folder_along(tmp_path: Path) -> None:
    folder = tmp_path / "of-the-process"
    folder.mkdir()
    requests, driver = os.pipe()
    answers, replies = os.pipe()
    command = [sys.executable, "-m", "grid.engine.harness.host", str(requests), str(replies)]
    with subprocess.Popen([*command, str(folder)], pass_fds=(requests, replies)) as process:
        for descriptor in (requests, replies, driver):
            os.close(descriptor)
        assert process.wait(60) == 0
    assert os.read(answers, 1) == b""
    os.close(answers)
    assert not folder.exists()
