"""The sandbox's outer process: makes the namespaces, waits for the program in them, ends them.

A script of its own, run as `python -I -S jail.py` with a job (JSON) on standard input, so that it
has one thread, no environment and no file of its caller. It answers one JSON line: `setup` (why the
sandbox could not be made, or empty), `status` (of waitpid), `cpu_s`, `timed_out`.

The program is process 1 of its own process namespace: when it ends, the kernel kills every process
in it. It is killed after `wall_s`, and when `lifeline` closes, which is when the caller has gone.
"""

import ctypes
import errno
import fcntl
import json
import os
import resource
import select
import signal
import sys
from contextlib import suppress
from typing import Any, NoReturn

NOBODY = 65534
GATE_OPEN = b"\n"
NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000
NEW_NETWORK = 0x40000000
CLONE, PIVOT_ROOT, MOUNT_SETATTR = {
    "x86_64": (56, 155, 442),
    "aarch64": (220, 41, 442),
}[os.uname().machine]
PIDFD_OPEN = 434
ROOT = "/sys"
"""Where the new root is put together: a folder that every system has and no library is in."""

NOSUID, NODEV, NOEXEC, READ_ONLY = 2, 4, 8, 1
BIND, RECURSIVE, PRIVATE, DETACH = 0x1000, 0x4000, 1 << 18, 2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
SET_PARENT_DEATH_SIGNAL, SET_SECCOMP, DROP_BOUNDING, SET_NO_NEW_PRIVS = 1, 22, 24, 38
SECCOMP_FILTER = 2
PYTHON_FLAGS = ("-s", "-S", "-P", "-B")
"""No packages, no folder of the script on the path, no byte code written."""

libc = ctypes.PyDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def check(result: int, step: str) -> int:
    """The result of a call. Raises OSError with the step's name where it failed."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{step}: {os.strerror(code)}")
    return result


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """mount(2)."""
    arguments = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    result = libc.mount(*arguments, ctypes.c_ulong(flags), os.fsencode(options) or None)
    check(result, f"mount {target}")


def restrict(target: str, flags: int) -> None:
    """Add flags to a mount and to all that is mounted below it (mount_setattr(2), Linux 5.12)."""
    attributes = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
    arguments = (AT_FDCWD, os.fsencode(target), AT_RECURSIVE, ctypes.byref(attributes), 32)
    check(libc.syscall(MOUNT_SETATTR, *arguments), f"read-only {target}")


def prctl(option: int, *values: Any) -> int:
    """prctl(2), with all of its five arguments."""
    padded = [ctypes.c_ulong(v) if isinstance(v, int) else v for v in (*values, 0, 0, 0, 0)][:4]
    return int(libc.prctl(option, *padded))


def clone() -> int:
    """fork(2) into new namespaces. Also the network's, which has then no device but a loopback
    that is down."""
    ctypes.pythonapi.PyOS_BeforeFork()
    flags = NEW_NAMESPACES | NEW_NETWORK | signal.SIGCHLD
    child = libc.syscall(CLONE, ctypes.c_ulong(flags), *(ctypes.c_ulong(0),) * 4)
    if child == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
    else:
        ctypes.pythonapi.PyOS_AfterFork_Parent()
    return check(child, "new namespaces")


def map_ids(child: int) -> None:
    """Say who the users in the namespace are. Root maps all that it has itself, and the program
    then becomes nobody; anybody else has only themselves to map, and calls that nobody."""
    for name in ("uid", "gid"):
        own = os.geteuid() if name == "uid" else os.getegid()
        lines = f"{NOBODY} {own} 1"
        if os.geteuid() == 0:
            with open(f"/proc/self/{name}_map") as file:
                ranges = [line.split() for line in file]
            lines = "\n".join(f"{inside} {inside} {count}" for inside, _, count in ranges)
        elif name == "gid":
            with open(f"/proc/{child}/setgroups", "w") as file:
                file.write("deny")
        with open(f"/proc/{child}/{name}_map", "w") as file:
            file.write(lines)


def build_tree(job: dict[str, Any]) -> None:
    """Put the new root together, make it the root, and let go of the old one."""
    mount("none", "/", None, RECURSIVE | PRIVATE)
    mount("tmpfs", ROOT, "tmpfs", NOSUID | NODEV, "size=4m,nr_inodes=1024,mode=755")
    for source, target in job["binds"]:
        place = ROOT + target
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if os.path.isdir(source):
            os.makedirs(place)
        else:
            os.close(os.open(place, os.O_CREAT, 0o644))
        mount(source, place, None, BIND | RECURSIVE)
    for target in job["masks"]:
        mount("tmpfs", ROOT + target, "tmpfs", READ_ONLY | NOSUID | NODEV, "size=4k,mode=755")
    for name in ("runner", "program"):
        with open(f"{ROOT}/{name}.py", "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(job[name])
    os.mkdir(ROOT + "/tmp")
    restrict(ROOT, READ_ONLY | NOSUID)
    scratch = f"size={job['disk_bytes']},nr_inodes=1024,mode=700,uid={NOBODY},gid={NOBODY}"
    mount("tmpfs", ROOT + "/tmp", "tmpfs", NOSUID | NODEV | NOEXEC, scratch)
    os.chdir(ROOT)
    check(libc.syscall(PIVOT_ROOT, b".", b"."), "pivot_root")
    check(libc.umount2(b".", DETACH), "umount of the old root")
    os.chdir("/tmp")


def set_limits(job: dict[str, Any]) -> None:
    """Limits of the kernel, equal for soft and hard, and never above what this process has."""
    limits = {
        resource.RLIMIT_AS: job["memory_bytes"],
        resource.RLIMIT_CPU: job["cpu_s"],
        resource.RLIMIT_FSIZE: job["disk_bytes"],
        resource.RLIMIT_NOFILE: job["open_files"],
        resource.RLIMIT_NPROC: job["threads"],
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for kind, limit in limits.items():
        highest = resource.getrlimit(kind)[1]
        if highest != resource.RLIM_INFINITY:
            limit = min(limit, highest)
        resource.setrlimit(kind, (limit, limit))


def become_nobody() -> None:
    """Give up every capability, now and for whatever is executed later, and root's user."""
    for capability in range(64):
        if prctl(DROP_BOUNDING, capability) < 0 and ctypes.get_errno() != errno.EINVAL:
            check(-1, "drop capabilities")  # EINVAL: the kernel has no capability of that number
    if os.geteuid() != NOBODY:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    check(libc.capset(header, none), "drop capabilities")
    check(prctl(SET_NO_NEW_PRIVS, 1), "no new privileges")


class FilterProgram(ctypes.Structure):
    """struct sock_fprog: how many steps, and where."""

    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def install_filter(code: bytes) -> None:
    """Give the kernel a seccomp program."""
    rules = FilterProgram(len(code) // 8, code)
    check(prctl(SET_SECCOMP, SECCOMP_FILTER, ctypes.byref(rules)), "filter of system calls")


def keep_files(token: int, report: int, setup: int) -> None:
    """0 to 2 are /dev/null, 3 the token, 4 the report, 5 what ends with exec; no others."""
    null = os.open("/dev/null", os.O_RDWR)
    sources = (null, null, null, token, report, setup)
    copies = [fcntl.fcntl(file, fcntl.F_DUPFD, 64) for file in sources]  # clear of 0 to 5
    for place, copy in enumerate(copies):
        os.dup2(copy, place, inheritable=place < 5)
    os.closerange(6, 1 << 20)


def enter(job: dict[str, Any], setup: int) -> NoReturn:
    """The child: confine this process, then execute the program's Python."""
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # where memory is short, this process goes first
    with suppress(OSError), open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")  # in a container that may be read-only; the filter denies them too
    check(libc.sethostname(b"sandbox", 7), "host name")
    build_tree(job)
    keep_files(job["token"], job["report"], setup)
    set_limits(job)
    become_nobody()
    check(prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL), "parent death signal")
    if job["filter"]:
        install_filter(bytes.fromhex(job["filter"]))
    os.execve(job["python"], [job["python"], *PYTHON_FLAGS, "/runner.py"], job["environment"])


def watch(child: int, lifeline: int, wall_s: float) -> dict[str, Any]:
    """Wait until the program has ended, its time is over or the caller has gone; then it and all
    in its namespace are dead."""
    process = check(libc.syscall(PIDFD_OPEN, child, 0), "pidfd_open")  # not in every Python's os
    events = select.poll()
    for file in (process, lifeline):
        events.register(file, select.POLLIN)
    ready = [file for file, _ in events.poll(wall_s * 1000)]
    if process not in ready:
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    return {
        "status": status,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "timed_out": not ready,
    }


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Make the sandbox, run the program in it, wait for its end."""
    gate, opener = os.pipe()
    errors, setup = os.pipe()
    child = clone()
    if child == 0:
        os.close(opener)
        try:
            if os.read(gate, 1) == GATE_OPEN:
                enter(job, setup)
        except BaseException as error:
            os.write(setup, str(error).encode())
        os._exit(1)
    for file in (setup, gate, job["token"], job["report"]):
        os.close(file)
    map_ids(child)
    os.write(opener, GATE_OPEN)
    outcome = watch(child, job["lifeline"], job["wall_s"])
    return {**outcome, "setup": os.read(errors, 1000).decode()}


def main() -> None:
    os.umask(0o022)
    job = json.load(sys.stdin)
    try:
        answer = run(job)
    except OSError as error:
        answer = {"setup": error.strerror or str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
