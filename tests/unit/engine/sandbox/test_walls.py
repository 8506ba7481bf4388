"""Hostile programs read, reach and change nothing outside their sandbox. Each attack is a program
that passes if it works; most are first seen to work in an ordinary Python."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_programs import succeeds_unconfined

from grid.engine.sandbox import Outcome, Program, SandboxLimits, run_programs
from grid.engine.sandbox.tree import interpreter

pytestmark = pytest.mark.usefixtures("walls")

NOTHING = "nothing came of it"


def attack(source: str) -> Outcome:
    """What came of an attack: a program that ends with `assert success, NOTHING`."""
    limits = SandboxLimits(wall_s=60)
    (outcome,) = run_programs([Program(f"{source}\nassert success, {NOTHING!r}")], limits)
    return outcome


def assert_fails_inside_only(source: str) -> None:
    assert succeeds_unconfined(f"{source}\nassert success")
    outcome = attack(source)
    assert outcome.status == "failed"
    assert NOTHING in outcome.reason


@pytest.fixture
def secret_in_home() -> Iterator[Path]:
    """A readable file in the user's real home folder."""
    with tempfile.NamedTemporaryFile("w", dir=Path.home(), prefix=".sandbox-test-") as file:
        file.write("the secret of the house")
        file.flush()
        os.chmod(file.name, 0o644)
        yield Path(file.name)


READ_FILE = """
import os
path, content, success = {path!r}, "the secret of the house", False
def read(path):
    global success
    try:
        with open(path) as file:
            success = success or content in file.read()
    except OSError:
        pass
for prefix in ("", "/proc/self/root", "/proc/1/root", "/proc/self/cwd/../../..", "../../../../.."):
    read(prefix + path)
link = os.path.join(os.environ.get("TMPDIR", "/tmp"), "link-{name}")
os.symlink(path, link)
read(link)
os.unlink(link)
os.chdir("/")
for _ in range(20):
    os.chdir("..")
read(path.lstrip("/"))
for folder, _, files in os.walk("/"):
    if os.path.basename(path) in files:
        read(os.path.join(folder, os.path.basename(path)))
    if folder.count("/") > 6:
        break
"""


def test_the_home_folder_is_not_read(secret_in_home: Path) -> None:
    name = secret_in_home.name
    assert_fails_inside_only(READ_FILE.format(path=str(secret_in_home), name=name))


def test_a_temporary_home_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("the secret of the house")
    assert_fails_inside_only(READ_FILE.format(path=str(path), name=secrets.token_hex(4)))


def test_no_folder_of_the_machine_stands_in_the_tree() -> None:
    source = """
import os
own = {"dev", "lib", "lib64", "program.py", "python", "runner.py", "tmp"}
success = bool(set(os.listdir("/")) - own)
success = success or set(os.listdir("/dev")) - {"null", "zero", "random", "urandom"}
success = success or [name for name in os.listdir("/lib") if ".so" not in name]
"""
    assert_fails_inside_only(source)


def test_no_installed_package_is_read() -> None:
    source = f"""
import os
success = any(
    os.path.basename(folder) in ("site-packages", "dist-packages") and inside + files
    for top in ("/lib", "/python", {str(interpreter().parents[1] / "lib")!r})
    for folder, inside, files in os.walk(top)
)
"""
    assert_fails_inside_only(source)


def test_environment_is_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    source = """
import os
success = "HF_TOKEN" in os.environ or set(os.environ) - {
    "HOME", "LANG", "LC_CTYPE", "LD_LIBRARY_PATH", "LD_ORIGIN_PATH", "PATH", "PYTHONHASHSEED"
}
try:
    success = success or "hf_secret" in open("/proc/self/environ").read()
except OSError:
    pass
"""
    assert_fails_inside_only(source)


def test_host_name_is_not_seen() -> None:
    assert_fails_inside_only(f"import os\nsuccess = os.uname().nodename == {os.uname().nodename!r}")


CONNECT = """
import socket
success = False
for family, address in {addresses!r}:
    try:
        with socket.socket(family) as client:
            client.settimeout(5)
            client.connect(address)
            success = True
    except OSError:
        pass
"""


def test_no_socket_of_this_machine_is_reached(tmp_path: Path) -> None:
    name = f"\0{secrets.token_hex(8)}"
    addresses: list[tuple[int, object]] = [
        (int(socket.AF_UNIX), name),
        (int(socket.AF_UNIX), str(tmp_path / "socket")),
    ]
    with (
        socket.create_server(("127.0.0.1", 0)) as loopback,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as named,
    ):
        for server, (_, address) in zip((abstract, named), addresses, strict=True):
            server.bind(address)
            server.listen()
        addresses.append((int(socket.AF_INET), loopback.getsockname()))
        for address in addresses:
            assert succeeds_unconfined(CONNECT.format(addresses=[address]) + "assert success")
        for server in (abstract, named, loopback):
            server.accept()[0].close()
            server.setblocking(False)
        outcome = attack(CONNECT.format(addresses=addresses))
        assert outcome.status == "failed"
        assert NOTHING in outcome.reason
        for server in (abstract, named, loopback):
            with pytest.raises(BlockingIOError):
                server.accept()


def test_no_address_outside_is_reached() -> None:
    source = """
import socket
success = False
for address in (("192.0.2.1", 9), ("255.255.255.255", 9), ("127.0.0.1", 9)):
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(address)
            client.send(b"x")
            success = True
    except OSError:
        pass
"""
    assert_fails_inside_only(source)


def test_no_process_of_this_machine_is_seen_or_signalled() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as victim:
        source = f"""
import os
success = False
try:
    os.kill({victim.pid}, 0)
    success = True
except OSError:
    pass
"""
        assert_fails_inside_only(source)
        hostile = """
import os, signal
success = False
for process in [-1, *range(2, 70_000)]:
    try:
        os.kill(process, signal.SIGKILL)
        success = True
    except OSError:
        pass
"""
        outcome = attack(hostile)
        assert victim.poll() is None
        assert outcome.status == "failed"
        assert NOTHING in outcome.reason
        victim.communicate(b"\n", timeout=30)


def test_nothing_is_written_outside_the_scratch_folder(tmp_path: Path) -> None:
    name = f"written-{secrets.token_hex(6)}"
    places = [tmp_path, Path("/usr/lib"), Path("/tmp"), Path("/"), interpreter().parents[1] / "lib"]
    source = f"""
import os
success = False
folders = [folder for folder, _, _ in os.walk("/") if not folder.startswith("/tmp")]
for folder in [*folders, {str(tmp_path)!r}]:
    for call in (lambda path: open(path, "w").close(), os.mkdir, lambda p: os.symlink("/", p)):
        try:
            call(os.path.join(folder, {name!r}))
            success = True
        except OSError:
            pass
open("/tmp/{name}", "w").close()
"""
    outcome = attack(source)
    assert outcome.status == "failed"
    assert NOTHING in outcome.reason
    assert [place for place in places if (place / name).exists()] == []


ESCAPES = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def works(call):
    try:
        return call() == 0
    except (OSError, ValueError):
        return False
def raises_nothing(call, *arguments):
    def attempt():
        call(*arguments)
        return 0
    return works(attempt)
CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x20000
attempts = {
    "setuid": raises_nothing(os.setuid, 0),
    "setgroups": raises_nothing(os.setgroups, [0]),
    "chroot": raises_nothing(os.chroot, "/tmp"),
    "device": raises_nothing(os.mknod, "/tmp/disk", 0o060644, os.makedev(8, 0)),
    "mount": works(lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)),
    "mount proc": works(lambda: libc.mount(b"none", b"/tmp", b"proc", 0, None)),
    "remount": works(lambda: libc.mount(None, b"/", None, 0x20 | 0x1000, None)),
    "uncover": works(lambda: libc.umount2(b"/tmp", 2)),
    "new user": works(lambda: libc.unshare(CLONE_NEWUSER | CLONE_NEWNS)),
    "new mounts": works(lambda: libc.unshare(CLONE_NEWNS)),
    "trace": works(lambda: libc.ptrace(16, 2, 0, 0)),
    "host name": works(lambda: libc.sethostname(b"x", 1)),
    "reboot": works(lambda: libc.reboot(0)),
    "limits": raises_nothing(__import__("resource").setrlimit, 9, (1 << 40, 1 << 40)),
    "proc": os.path.exists("/proc/self"),
    "sys": os.path.exists("/sys/fs"),
    "files": any(raises_nothing(os.fstat, number) for number in range(5, 64)),
}
success = [name for name, worked in attempts.items() if worked]
assert not success, f"these worked: {success}"
"""


def test_no_privilege_is_gained() -> None:
    outcome = attack(ESCAPES)
    assert outcome.status == "failed"
    assert NOTHING in outcome.reason
