"""Runs a command with the system calls and address families that a systemd unit leaves it.

    python confined.py FILE COMMAND...     FILE: the names of the allowed system calls, one a line

As systemd does it: a call that is not allowed kills the process (SIGSYS), a socket of another
family than UNIX or IP is refused (EAFNOSUPPORT). libseccomp comes with systemd.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_KILL_PROCESS, _ALLOW, _REFUSED = 0x80000000, 0x7FFF0000, 0x00050000 | 97  # EAFNOSUPPORT
_GREATER, _EQUAL = 6, 4  # of enum scmp_compare
_FAMILIES = {1, 2, 10}  # AF_UNIX, AF_INET, AF_INET6


class Compared(ctypes.Structure):
    """struct scmp_arg_cmp: a condition on an argument of a call."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


def confine(calls: set[str]) -> None:
    """From now on, for this process and what it becomes."""
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    filters = ctypes.c_void_p(library.seccomp_init(_KILL_PROCESS))

    def rule(action: int, name: str, *compared: Compared) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number == -1:  # not known to this architecture
            return
        array = (Compared * len(compared))(*compared)
        done = library.seccomp_rule_add_array(
            filters, ctypes.c_uint32(action), number, len(compared), array
        )
        if done:
            raise OSError(-done, f"seccomp: no rule for {name}")

    for name in sorted(calls - {"socket"}):
        rule(_ALLOW, name)
    for family in range(max(_FAMILIES) + 1):
        action = _ALLOW if family in _FAMILIES else _REFUSED
        rule(action, "socket", Compared(0, _EQUAL, family, 0))
    rule(_REFUSED, "socket", Compared(0, _GREATER, max(_FAMILIES), 0))
    if done := library.seccomp_load(filters):
        raise OSError(-done, "seccomp: the filter cannot be loaded")


if __name__ == "__main__":
    confine(set(Path(sys.argv[1]).read_text("utf-8").split()))
    os.execv(sys.argv[2], sys.argv[2:])
