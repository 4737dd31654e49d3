"""A network namespace of one's own, and whatever happens, nothing left behind.

isolated(main) runs `main` in new network, PID and mount namespaces, as root in them (an ordinary user: in a user namespace). Three
processes take part:

    outer   the program that was started: waits, and hands on SIGTERM and SIGHUP
    middle  enters the namespaces; ends main when outer is gone, even by kill -9
    main    the first process of the PID namespace: all that it started ends with it, and with the last of them the
            network namespace and its devices

so devices and processes need no cleaning up. Directories made by scratch_directory() go too.
"""

import ctypes
import errno
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import traceback

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x10000000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18
PR_SET_PDEATHSIG = 1

# What programs are told that leave tests out (ctest's SKIP_RETURN_CODE, automake).
SKIPPED = 77

libc = ctypes.CDLL(None, use_errno=True)
scratch_root = None
# Number of the process that runs main, as seen from outside.
outer_pid = None
# Whether /proc shows the processes of the new PID namespace (some containers do not allow that).
own_proc = False


class Unavailable(Exception):
    """This machine cannot do it; the text says what is missing."""


def scratch_directory(prefix="d"):
    """A new directory that goes when the program ends."""
    return pathlib.Path(tempfile.mkdtemp(prefix=prefix + "-", dir=scratch_root))


def check_tun():
    """Raises Unavailable with what to do if this user cannot make TAP devices here."""
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except FileNotFoundError:
        raise Unavailable("there is no /dev/net/tun; as root: modprobe tun") from None
    except PermissionError:
        mode = os.stat("/dev/net/tun").st_mode & 0o777
        raise Unavailable(f"/dev/net/tun has mode {mode:04o}, so this user cannot open it; run this as root, or let root do: "
                          "chmod 0666 /dev/net/tun (Debian's usual mode; every use still needs a capability)") from None
    except OSError as e:
        raise Unavailable(f"/dev/net/tun cannot be opened: {e.strerror}") from None


def enter_namespaces():
    """Raises Unavailable if the kernel does not let this user."""
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS | (CLONE_NEWUSER if uid != 0 else 0)
    if libc.unshare(flags) != 0:
        error = ctypes.get_errno()
        hint = ""
        if uid != 0 and error in (errno.EPERM, errno.ENOSPC, errno.EUSERS):
            hint = "; unprivileged user namespaces are switched off here (sysctl user.max_user_namespaces, " \
                   "kernel.unprivileged_userns_clone): run this as root"
        raise Unavailable(f"no network namespace can be made: {os.strerror(error)}{hint}")
    if uid != 0:
        pathlib.Path("/proc/self/setgroups").write_text("deny")
        pathlib.Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        pathlib.Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def mount_proc():
    """In the first process of the new PID namespace."""
    global outer_pid, own_proc
    outer_pid = int(os.readlink("/proc/self"))
    own_proc = libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) == 0 and \
        libc.mount(b"proc", b"/proc", b"proc", 0, None) == 0


def call(main):
    """main() as a process: its exit status."""
    try:
        status = main()
        return 0 if status is None else status
    except KeyboardInterrupt:
        return 130
    except SystemExit as e:
        return e.code if isinstance(e.code, int) else 0 if e.code is None else 1
    except BaseException:
        traceback.print_exc()
        return 1


def in_process(body, death_signal):
    """Forks; the child runs body(), its exit status is body's, and it gets `death_signal` when its parent ends."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        status = call(body)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return pid


def wait_status(pid):
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status if status >= 0 else 128 - status


def end_process(pid):
    """Asks it to end; makes it after 5 s."""
    try:
        os.kill(pid, signal.SIGTERM)
        signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
        signal.alarm(5)
    except ProcessLookupError:
        pass


def middle(main, outer, complaint):
    """The body of the process between the namespaces; writes to descriptor `complaint` why they cannot be entered."""
    try:
        enter_namespaces()
    except Unavailable as e:
        os.write(complaint, str(e).encode())
        return SKIPPED
    os.close(complaint)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)  # a new user namespace has cleared it
    inner = in_process(lambda: (mount_proc(), main())[1], signal.SIGKILL)
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda *_: end_process(inner))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to main too, and main decides
    if os.getppid() != outer:
        end_process(inner)
    status = wait_status(inner)
    if os.getppid() != outer:
        shutil.rmtree(scratch_root, ignore_errors=True)
    return status


def isolated(main, prefix="tenon-"):
    """Runs main() as described above and returns its exit status. Raises Unavailable if that cannot be here."""
    global scratch_root
    check_tun()
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, raise_exit)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    scratch_root = tempfile.mkdtemp(prefix=prefix)
    outer = os.getpid()
    reader, writer = os.pipe()
    pid = in_process(lambda: middle(main, outer, writer), signal.SIGTERM)
    # From a terminal, Ctrl-C reaches main too, which ends as it sees fit; if it was sent here alone, main is ended.
    signal.signal(signal.SIGINT, lambda *_: signal.alarm(3))
    signal.signal(signal.SIGALRM, lambda *_: raise_exit(signal.SIGINT, None))
    try:
        os.close(writer)
        complaint = os.read(reader, 1000).decode()
        status = wait_status(pid)
        pid = None
    finally:
        os.close(reader)
        if pid:
            end_process(pid)
            wait_status(pid)
        shutil.rmtree(scratch_root, ignore_errors=True)
    if complaint:
        raise Unavailable(complaint)
    return status


def raise_exit(signum, frame):
    raise SystemExit(128 + signum)
