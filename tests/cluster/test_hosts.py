"""The hosts themselves are what the other tests take them for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from cluster.hosts import Rack
from cluster.machine import wait_for

MAKER = """
import sys
from cluster.hosts import Rack
with Rack() as rack:
    print(rack.add_host("box").pid, rack.folder, flush=True)
    sys.stdin.read()
"""


def test_hosts_have_their_own_name_processes_and_files() -> None:
    with Rack() as rack:
        box, gamer = rack.add_host("box"), rack.add_host("gamer")
        assert [host.run("hostname").stdout.strip() for host in (box, gamer)] == ["box", "gamer"]
        (box.home / "mine").write_text("here")
        (box.folder / "tmp" / "scratch").write_text("here")
        assert box.run("cat ~/mine /tmp/scratch").stdout == "herehere"
        assert gamer.run(f"cat {box.home}/mine", check=False).returncode != 0
        assert gamer.run("cat /tmp/scratch", check=False).returncode != 0
        sleeping = box.start("exec sleep 1000", box.folder / "log")
        assert "sleep 1000" not in gamer.run("ps ax").stdout
        wait_for(lambda: bool(box.kill("^sleep 1000")), "the sleep", 10)
        assert sleeping.wait(10) != 0


def test_a_cut_host_is_silent_until_it_is_restored() -> None:
    with Rack() as rack:
        box = rack.add_host("box")
        greet = f"ssh -o BatchMode=yes -o ConnectTimeout=2 {box.address} hostname"
        accept = greet.replace("-o Batch", "-o StrictHostKeyChecking=accept-new -o Batch")
        assert rack.laptop.run(accept).stdout == "box\n"
        rack.cut(box)
        cut = rack.laptop.run(greet, check=False)
        assert cut.returncode == 255
        assert "timed out" in cut.stderr
        rack.restore(box)
        wait_for(lambda: rack.laptop.run(greet, check=False).returncode == 0, "the host", 20)


def test_everything_ends_with_the_process_that_made_it() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    maker = subprocess.Popen(
        [sys.executable, "-c", MAKER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert maker.stdout is not None
    pid, folder = maker.stdout.readline().split()
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the host's end", 10)
    subprocess.run(["rm", "-r", folder], check=True)
