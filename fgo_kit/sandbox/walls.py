"""The walls of the sandbox: Linux namespaces, Landlock and seccomp, called by number through ctypes.

Used in the launcher's process only (`room`), which runs without the site packages: standard library alone.
Numbers are those of the kernel's user interface; see namespaces(7), landlock(7), seccomp(2). Needs Linux 5.13.
"""

from __future__ import annotations

import ctypes
import os
import struct

NEW_NS, NEW_USER = 0x00020000, 0x10000000
NEW_REST = 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000  # pid, net, ipc, uts
ALL_NEW = NEW_NS | NEW_USER | NEW_REST | 0x02000000 | 0x00000080  # and cgroup, time
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
MNT_DETACH, AT_FDCWD, AT_RECURSIVE = 2, -100, 0x8000
SYS_MOUNT_SETATTR, SYS_LANDLOCK = 442, (444, 445, 446)
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_SUBREAPER, PR_NO_NEW_PRIVS = 1, 22, 36, 38
_libc = ctypes.CDLL(None, use_errno=True)

# what a program is refused, as (x86_64, aarch64): network, what others do, other processes, mounts, memory that no
# limit counts
_DENIED = {
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
    "accept4": (288, 242), "inotify_init": (253, 26), "inotify_init1": (294, 26), "fanotify_init": (300, 262),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "setpriority": (141, 140), "ioprio_set": (251, 30),
    "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119), "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "quotactl": (179, 60),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "shmat": (30, 196),
    "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "bpf": (321, 280), "perf_event_open": (298, 241), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225), "acct": (163, 89), "syslog": (103, 116), "sethostname": (170, 161),
    "setdomainname": (171, 162),
}  # fmt: skip
_SIGNALS = {
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424),
}  # fmt: skip
# what Landlock leaves open outside the job's folder; a program is told that it worked
_PRETENDED = {
    "chmod": (90, 53), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, 54),
    "fchown": (93, 55), "lchown": (94, 54), "fchownat": (260, 54), "utime": (132, 88), "utimes": (235, 88),
    "futimesat": (261, 88), "utimensat": (280, 88), "truncate": (76, 45), "setxattr": (188, 5),
    "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "removexattrat": (466, 466), "file_setattr": (469, 469),
}  # fmt: skip
# an owner of an open file is sent signals: fcntl F_SETOWN and F_SETOWN_EX, ioctl FIOSETOWN and SIOCSPGRP
_OWNERS = (((72, 25), (8, 15)), ((16, 29), (0x8901, 0x8902)))
_CLONE, _CLONE3, _PRLIMIT, _SOCKETPAIR = (56, 220), (435, 435), (302, 261), (53, 199)
_ARCHES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    result = _libc.mount(_bytes(source), _bytes(target), _bytes(kind), ctypes.c_ulong(flags), _bytes(data))
    _checked(result, f"mount {target}")


def prctl(option: int, value: int, more: object = 0) -> None:
    _checked(_libc.prctl(option, ctypes.c_ulong(value), more, 0, 0), f"prctl {option}")


def unshare_all() -> None:
    """New mount, process, network, IPC and host name namespaces; without privileges in a new user namespace."""
    user, group = os.getuid(), os.getgid()
    if user == 0:
        _checked(_libc.unshare(NEW_NS | NEW_REST), "unshare as root")
        return
    _checked(_libc.unshare(NEW_USER | NEW_NS | NEW_REST), "unshare with a user namespace")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def new_root(seen: list[str], disk: int) -> None:
    """A root of memory that holds the `seen` paths of the old one, read-only, some devices, and an empty /job."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    os.mkdir("/tmp/old")
    os.mkdir("/tmp/new")
    _checked(_libc.syscall(155 if _arch()[0] == 0 else 41, b"/tmp", b"/tmp/old"), "pivot_root")
    os.chdir("/")
    mount("tmpfs", "/new", "tmpfs", MS_NOSUID | MS_NODEV, "size=4m,mode=755")
    for path in [*seen, "/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"]:
        _show(path)
    for name, size, inodes in (("job", disk, 2048), ("room", 4 << 20, 16)):
        os.mkdir(f"/new/{name}")
        options = f"size={size},nr_inodes={inodes},mode=700"
        mount("tmpfs", f"/new/{name}", "tmpfs", MS_NOSUID | MS_NODEV, options)
    _checked(_libc.umount2(b"/old", MNT_DETACH), "umount of the old root")
    os.chdir("/new")
    _checked(_libc.syscall(155 if _arch()[0] == 0 else 41, b".", b"."), "pivot_root")
    _checked(_libc.umount2(b".", MNT_DETACH), "umount")
    os.chdir("/")
    mount(None, "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)


def _show(path: str) -> None:
    old, new = f"/old{path}", f"/new{path}"
    if os.path.islink(old):
        os.makedirs(os.path.dirname(new), exist_ok=True)
        if not os.path.lexists(new):
            os.symlink(os.readlink(old), new)
        return
    if not os.path.exists(old) or os.path.exists(new) and os.path.samefile(old, new):
        return
    if os.path.isdir(old):
        os.makedirs(new, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(new), exist_ok=True)
        os.close(os.open(new, os.O_CREAT | os.O_WRONLY, 0o644))
    mount(old, new, None, MS_BIND | MS_REC)
    device = path.startswith("/dev/")
    read_only = struct.pack("QQQQ", (0 if device else 1) | 2 | (0 if device else 4), 0, 0, 0)  # rdonly, nosuid, nodev
    result = _libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, _bytes(new), AT_RECURSIVE, read_only, ctypes.c_size_t(32))
    _checked(result, f"mount_setattr {path}")


def landlock(readable: list[str], job: str) -> bool:
    """Only `readable` may be read and only `job` written from now on; whether signals are kept in as well."""
    create, add, restrict = SYS_LANDLOCK
    version = _checked(_libc.syscall(create, None, ctypes.c_size_t(0), 1), "landlock")
    files = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    net, scoped = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    rules = struct.pack("QQQ", files, net, scoped)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _checked(_libc.syscall(create, rules, ctypes.c_size_t(len(rules)), 0), "landlock_create_ruleset")
    read = 0b1101  # execute, read a file, read a folder
    allowed = [(path, read) for path in readable] + [(job, files), ("/dev/null", 0b0110), ("/dev/urandom", 0b0100)]
    for path, access in allowed:
        if not os.path.exists(path):
            continue
        at = os.open(path, os.O_PATH | os.O_CLOEXEC)
        folder = os.path.isdir(path)
        rule = struct.pack("=Qi", access & files if folder else access & 0b0111 & files, at)
        _checked(_libc.syscall(add, ruleset, 1, rule, 0), f"landlock_add_rule {path}")
        os.close(at)
    prctl(PR_NO_NEW_PRIVS, 1)
    _checked(_libc.syscall(restrict, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)
    return version >= 6


def _arch() -> tuple[int, int]:
    machine = os.uname().machine
    if machine not in _ARCHES:
        raise OSError(f"no table of system calls for {machine}; there is one for {', '.join(_ARCHES)}")
    return _ARCHES[machine]


def seccomp(signals: bool, pretend: bool = False) -> None:
    """Refuse the calls above from now on; those that send signals too, unless `signals`.

    pretend: calls that change the attributes of files do nothing, without an error.
    """
    column, arch = _arch()
    load, equal, bits, mask, give = 0x20, 0x15, 0x45, 0x54, 0x06
    ends = (0x00050001, 0x00050000, 0x00050026, 0x7FFF0000)  # EPERM, no error, ENOSYS, the call itself
    refuse, feign, absent, allow = ((give, 0, 0, end) for end in ends)
    program = [(load, 0, 0, 4), (equal, 1, 0, arch), (give, 0, 0, 0x80000000), (load, 0, 0, 0)]
    program += [(0x35, 0, 1, 0x40000000), refuse]  # the x32 calls of x86_64

    def on(call: tuple[int, int], *then: tuple) -> None:
        program.extend([(equal, 0, len(then), call[column]), *then])

    for call in (_DENIED if signals else _DENIED | _SIGNALS).values():
        on(call, refuse)
    for call in _PRETENDED.values() if pretend else ():
        on(call, feign)
    for call, (first, second) in _OWNERS:
        on(call, (load, 0, 0, 24), (equal, 2, 0, first), (equal, 1, 0, second), allow, refuse)
    on(_CLONE3, absent)
    on(_CLONE, (load, 0, 0, 16), (bits, 0, 1, ALL_NEW & ~0x80), refuse, allow)
    on(_PRLIMIT, (load, 0, 0, 16), (equal, 1, 0, 0), refuse, allow)
    on(_SOCKETPAIR, (load, 0, 0, 24), (mask, 0, 0, 0xF), (equal, 1, 0, 1), refuse, allow)  # streams, never re-addressed
    program.append(allow)
    code = b"".join(struct.pack("HBBI", *line) for line in program)
    held = ctypes.create_string_buffer(code, len(code))
    prctl(PR_NO_NEW_PRIVS, 1)
    prctl(PR_SET_SECCOMP, 2, ctypes.byref(_Program(len(program), ctypes.addressof(held))))


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
