"""Becomes the identity PostgreSQL may run under, ties itself to its parent, and executes a program.

Run by path (`python -I -S postgres_child.py …`), because what happens here must happen in a process
of one thread between fork and exec. Nothing of frontdesk is importable here.

Usage: postgres_child.py PARENT_PID IDENTITY FOLDER PROGRAM [ARGUMENT…]

IDENTITY is `same`, `namespace:UID:GID` (a user namespace in which we are UID) or `user:UID:GID`.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

_CLONE_NEWUSER = 0x10000000  # sched.h
_PR_SET_PDEATHSIG = 1  # sys/prctl.h

CANNOT_BECOME = 71  # exit status: the identity is not to be had on this machine
CANNOT_REACH = 72  # exit status: the identity reaches neither the folder nor the program


def _enter_namespace(libc: ctypes.CDLL, uid: int, gid: int) -> None:
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER)")
    # The kernel takes a gid map from an unprivileged process only once setgroups is denied.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {outer_gid} 1")


def _become_user(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _become(libc: ctypes.CDLL, identity: str) -> None:
    kind, *ids = identity.split(":")
    if kind == "namespace":
        _enter_namespace(libc, int(ids[0]), int(ids[1]))
    elif kind == "user":
        _become_user(int(ids[0]), int(ids[1]))


def main(argv: list[str]) -> int:
    parent, identity, folder, program, *arguments = argv
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        _become(libc, identity)
    except OSError as error:
        print(f"cannot become {identity}: {error}", file=sys.stderr)
        return CANNOT_BECOME
    # After the change of identity, which clears it. SIGINT is PostgreSQL's fast shutdown.
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
    if os.getppid() != int(parent):  # the parent died before the signal was armed
        return CANNOT_BECOME
    try:
        os.chdir(folder)
        os.execv(program, [program, *arguments])  # noqa: S606 - a shell has no place here
    except OSError as error:
        print(f"cannot reach {error.filename or program}: {error.strerror}", file=sys.stderr)
    return CANNOT_REACH


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
