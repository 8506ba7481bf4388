"""The filter of system calls: a seccomp program for the kernel, as bytes.

Namespaces and limits hold without it; it is a second wall and takes away much of the kernel that a
program could attack. Starting processes is among what it denies, as the reference harness of
HumanEval does too, so there is one process to bound. Numbers are the kernel's, from
asm/unistd_64.h and asm-generic/unistd.h.
"""

from __future__ import annotations

import errno
import platform
import struct
from typing import NamedTuple


class SyscallTable(NamedTuple):
    """Numbers of a processor: its own in audit.h, two calls, and the calls that are denied."""

    audit_arch: int
    clone: int
    prctl: int
    denied: frozenset[int]


_SAME_EVERYWHERE = frozenset(
    {
        *(425, 426, 427),  # io_uring_*
        *(428, 429, 430, 431, 432, 433, 442),  # open_tree, move_mount, fs*, mount_setattr
        *(438, 440, 443, 447),  # pidfd_getfd, process_madvise, quotactl_fd, memfd_secret
    }
)

TABLES = {
    "x86_64": SyscallTable(
        0xC000003E,
        56,
        157,
        _SAME_EVERYWHERE
        | {
            *(57, 58),  # fork, vfork
            *(165, 166, 155, 161, 272, 308),  # mount, umount2, pivot_root, chroot, unshare, setns
            *(101, 310, 311, 312),  # ptrace, process_vm_readv, process_vm_writev, kcmp
            *(41, 319, 29, 64, 68, 240),  # socket, memfd_create, shmget, semget, msgget, mq_open
            *(250, 248, 249),  # keyctl, add_key, request_key
            *(321, 298, 323),  # bpf, perf_event_open, userfaultfd
            *(246, 320, 175, 313, 176),  # kexec_*, *_module
            *(237, 238, 256, 279),  # mbind, set_mempolicy, migrate_pages, move_pages
            *(135, 154, 172, 173, 153),  # personality, modify_ldt, iopl, ioperm, vhangup
            *(163, 167, 168, 169, 170, 171, 179),  # acct, swap*, reboot, set*name, quotactl
            *(164, 227, 159, 305),  # settimeofday, clock_settime, adjtimex, clock_adjtime
            *(303, 304, 300, 103, 212),  # *_by_handle_at, fanotify_init, syslog, lookup_dcookie
        },
    ),
    "aarch64": SyscallTable(
        0xC00000B7,
        220,
        167,
        _SAME_EVERYWHERE
        | {
            *(40, 39, 41, 51, 97, 268),  # mount, umount2, pivot_root, chroot, unshare, setns
            *(117, 270, 271, 272),  # ptrace, process_vm_readv, process_vm_writev, kcmp
            *(
                198,
                279,
                194,
                190,
                186,
                180,
            ),  # socket, memfd_create, shmget, semget, msgget, mq_open
            *(219, 217, 218),  # keyctl, add_key, request_key
            *(280, 241, 282),  # bpf, perf_event_open, userfaultfd
            *(104, 294, 105, 273, 106),  # kexec_*, *_module
            *(235, 237, 238, 239),  # mbind, set_mempolicy, migrate_pages, move_pages
            *(92, 58),  # personality, vhangup
            *(89, 224, 225, 142, 161, 162, 60),  # acct, swap*, reboot, set*name, quotactl
            *(170, 112, 171, 266),  # settimeofday, clock_settime, adjtimex, clock_adjtime
            *(264, 265, 262, 116, 18),  # *_by_handle_at, fanotify_init, syslog, lookup_dcookie
        },
    ),
}
"""By `platform.machine()`."""

CLONE3, LAST = 435, 450
"""`clone3` hides its flags from a filter; calls beyond `LAST` are younger than this table. Both are
answered "no such call", after which the C library uses the older ones."""

_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _ERROR, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_AT, _ARCH_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_CLONE_THREAD, _SET_PARENT_DEATH_SIGNAL = 0x00010000, 1


def build_filter(machine: str) -> bytes:
    """The filter for a processor, an array of `struct sock_filter`. Raises KeyError where its
    numbers are not in `TABLES`."""
    table = TABLES[machine]
    denied = _RETURN, 0, 0, _ERROR | errno.EPERM
    missing = _RETURN, 0, 0, _ERROR | errno.ENOSYS
    allowed = _RETURN, 0, 0, _ALLOW
    steps = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_EQUAL, 1, 0, table.audit_arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_GREATER, 0, 1, LAST),
        missing,
        (_EQUAL, 0, 1, CLONE3),
        missing,
    ]
    for number in sorted(table.denied):
        steps += [(_EQUAL, 0, 1, number), denied]
    steps += [
        (_EQUAL, 0, 4, table.clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_ANY_BIT, 1, 0, _CLONE_THREAD),
        denied,
        allowed,
        (_EQUAL, 0, 3, table.prctl),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_EQUAL, 0, 1, _SET_PARENT_DEATH_SIGNAL),
        denied,
        allowed,
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def filter_here() -> bytes:
    """The filter for this machine; empty where `why_no_filter` says why."""
    return b"" if why_no_filter() else build_filter(platform.machine())


def why_no_filter() -> str:
    """Why no filter can be made for this machine, or an empty string."""
    machine = platform.machine()
    bits = struct.calcsize("P") * 8
    if machine in TABLES and bits == 64:
        return ""
    return f"its system calls are not listed for {machine} ({bits} bit), only for " + " and ".join(
        TABLES
    )
