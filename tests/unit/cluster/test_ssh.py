"""Commands and copies over a real sshd on this machine."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from ssh_hosts import SshHost, reason_to_skip, ssh_host

from grid.cluster import ssh

pytestmark = pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    with ssh_host(tmp_path_factory.mktemp("box")) as host:
        yield host


def test_words_of_a_command_arrive_unchanged(box: SshHost) -> None:
    done = ssh.run(box.host, ["printf", "%s|", "two words", "$HOME", "it's"])
    assert (done.code, done.stdout) == (0, "two words|$HOME|it's|")


def test_text_command_is_run_by_the_shell(box: SshHost) -> None:
    assert ssh.run(box.host, "echo $HOME").stdout.strip() == str(box.home)


def test_exit_code_and_both_outputs_come_back(box: SshHost) -> None:
    done = ssh.run(box.host, "echo out; echo err >&2; exit 7")
    assert (done.code, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_input_reaches_the_command(box: SshHost) -> None:
    assert ssh.run(box.host, ["cat"], input=b"given\n").stdout == "given\n"


def test_a_command_without_input_sees_its_end(box: SshHost) -> None:
    assert ssh.run(box.host, ["cat"]).stdout == ""


def test_checked_failure_names_command_host_and_reason(box: SshHost) -> None:
    with pytest.raises(ssh.CommandFailed, match=r"`ls /nowhere` on 127\.0\.0\.1 .*No such file"):
        ssh.run(box.host, ["ls", "/nowhere"], check=True)


def test_a_closed_port_is_a_silent_host_with_what_to_try(box: SshHost) -> None:
    closed = msgspec.structs.replace(box.host, port=9)
    with pytest.raises(ssh.HostSilent, match=r"does not answer: .*refused; try: ssh -i .* -p 9 "):
        ssh.run(closed, ["true"])


def test_a_wrong_key_is_a_silent_host(box: SshHost, tmp_path: Path) -> None:
    stranger = msgspec.structs.replace(box.host, key=str(box.folder / "host_key"))
    with pytest.raises(ssh.HostSilent, match="Permission denied"):
        ssh.run(stranger, ["true"])


def test_a_command_that_hangs_is_given_up(box: SshHost) -> None:
    with pytest.raises(ssh.HostSilent, match=r"did not end `sleep 60` within 0\.5 s"):
        ssh.run(box.host, ["sleep", "60"], timeout_s=0.5)


def test_a_key_below_a_folder_with_a_space_is_taken(box: SshHost, tmp_path: Path) -> None:
    folder = tmp_path / "my keys"
    folder.mkdir()
    shutil.copy(box.host.key, folder / "key")
    host = msgspec.structs.replace(
        box.host, key=str(folder / "key"), known_hosts=str(folder / "known hosts")
    )
    assert ssh.run(host, ["echo", "here"]).stdout == "here\n"
    assert (folder / "known hosts").is_file()
    (tmp_path / "rows.txt").write_text("rows")
    ssh.push(host, [tmp_path / "rows.txt"], "~/spaced")
    assert (box.home / "spaced/rows.txt").read_text() == "rows"


def test_a_port_that_nobody_named_is_left_to_ssh() -> None:
    assert "-p" not in ssh.ssh_command(ssh.Host(address="rack"))
    assert ssh.ssh_command(ssh.Host(address="rack", port=22))[2:4] == ["-p", "22"]


def _named_pipe(path: Path) -> int:
    """A new named pipe, open for reading."""
    os.mkfifo(path)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def test_an_interrupt_ends_what_runs_on_all_hosts(box: SshHost) -> None:
    """Ctrl-C is sent to a process of its own, and not to the ssh processes below it."""
    code = (
        "import sys, msgspec, signal\n"
        "from grid.cluster import ssh\n"
        "from grid.cluster.subprocesses import run_concurrently\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "host = msgspec.json.decode(sys.argv[1], type=ssh.Host)\n"
        "print('asking', flush=True)\n"
        "run_concurrently(lambda n: ssh.run(host, f'echo > ~/asked-{n}; exec sleep 60'), [1, 2])\n"
    )
    words = [sys.executable, "-c", code, msgspec.json.encode(box.host).decode()]
    pipes = [_named_pipe(box.home / f"asked-{n}") for n in (1, 2)]
    asking = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)
    for pipe in pipes:
        assert select.select([pipe], [], [], 30)[0]
        os.close(pipe)
    children = psutil.Process(asking.pid).children(recursive=True)
    assert [child.name() for child in children] == ["ssh", "ssh"]
    asking.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in asking.communicate(timeout=20)[1]
    assert not any(child.is_running() for child in children)


def test_lines_come_while_the_command_runs(box: SshHost) -> None:
    begun = time.monotonic()
    with ssh.stream(box.host, "echo one; sleep 60; echo two") as lines:
        assert next(lines) == "one"
    assert time.monotonic() - begun < 30


def test_exit_code_of_a_stream_is_set_after_its_last_line(box: SshHost) -> None:
    with ssh.stream(box.host, "echo one; echo two; exit 5") as lines:
        assert (list(lines), lines.code) == (["one", "two"], 5)


def test_a_lost_connection_breaks_the_stream(box: SshHost) -> None:
    with ssh.stream(box.host, "echo one; sleep 60") as lines:
        assert next(lines) == "one"
        box.drop()
        with pytest.raises(ssh.HostSilent, match="does not answer"):
            next(lines)


def test_a_folder_is_pushed_into_the_home_and_pulled_back(box: SshHost, tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b/rows.txt").write_text("rows")
    (tmp_path / "a b/left.log").write_text("log")
    ssh.push(box.host, [f"{tmp_path / 'a b'}/"], "~/state/x y", excludes=["*.log"])
    assert [p.name for p in (box.home / "state/x y").iterdir()] == ["rows.txt"]
    ssh.pull(box.host, "~/state/x y/", tmp_path / "back")
    assert (tmp_path / "back/rows.txt").read_text() == "rows"


def test_only_a_remote_path_that_a_shell_would_split_takes_rsyncs_quoting(
    box: SshHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS's own rsync does not know the option."""
    old = tmp_path / "old" / "rsync"
    old.parent.mkdir()
    real = shutil.which("rsync")
    old.write_text(f'#!/bin/sh\ncase " $* " in *" -s "*) exit 9;; esac\nexec {real} "$@"\n')
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    (tmp_path / "a b").write_text("rows")
    ssh.push(box.host, [tmp_path / "a b"], "~/plain")
    ssh.pull(box.host, "~/plain/", tmp_path / "c d")
    assert (tmp_path / "c d" / "a b").read_text() == "rows"


def test_an_unchanged_file_is_not_sent_again(box: SshHost, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("0123")
    os.utime(tmp_path / "weights", (1e9, 1e9))
    ssh.push(box.host, [tmp_path / "weights"], "~/kept")
    arrived = (box.home / "kept/weights").stat()
    ssh.push(box.host, [tmp_path / "weights"], "~/kept")
    assert (box.home / "kept/weights").stat().st_ino == arrived.st_ino


def test_a_copy_of_nothing_says_which_file(box: SshHost, tmp_path: Path) -> None:
    with pytest.raises(ssh.CommandFailed, match=r"copying with 127.*gone.*No such file"):
        ssh.pull(box.host, "~/gone", tmp_path)


def test_a_copy_from_a_closed_port_is_a_silent_host(box: SshHost, tmp_path: Path) -> None:
    closed = msgspec.structs.replace(box.host, port=9)
    with pytest.raises(ssh.HostSilent, match="refused"):
        ssh.pull(closed, "~/x", tmp_path)


def test_a_proxy_command_is_gone_through(box: SshHost) -> None:
    pipe = ["-W", f"127.0.0.1:{box.port}", box.host.address]
    through = msgspec.structs.replace(
        box.host, address="box.invalid", proxy=shlex.join([*ssh.ssh_command(box.host), *pipe])
    )
    assert ssh.run(through, ["echo", "here"]).stdout == "here\n"
