"""Processes, on every system: whether another still runs, how to start one on installed code, how
many processors this one may use."""

import ctypes
import hashlib
import os
import platform
import sys
import uuid
from pathlib import Path
from typing import Any, Final

_SYNCHRONIZE: Final = 0x0010_0000
_WAIT_TIMEOUT: Final = 0x102
_ERROR_ACCESS_DENIED: Final = 5
_NOT_FROM_HERE = "import sys; sys.path[:] = [folder for folder in sys.path if folder]; "
_AS_MODULE = (
    "import runpy; del sys.argv[0]; "
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)


def is_process_alive(pid: int) -> bool:
    """Whether a process with this number runs. One that may not be asked counts as running."""
    if pid <= 0:  # to the system these mean groups of processes
        return False
    windll = getattr(ctypes, "WinDLL", None)
    if windll is not None:
        return _is_alive_on_windows(windll("kernel32", use_last_error=True), pid)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass
    return True


def _is_alive_on_windows(kernel: Any, pid: int) -> bool:
    # os.kill(pid, 0) is no question there: 0 is CTRL_C_EVENT, and it would be sent.
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(_SYNCHRONIZE, False, pid & 0xFFFF_FFFF)
    if not handle:
        last_error: Any = getattr(ctypes, "get_last_error")  # noqa: B009 (only there on Windows)
        return last_error() == _ERROR_ACCESS_DENIED
    try:
        return kernel.WaitForSingleObject(ctypes.c_void_p(handle), 0) == _WAIT_TIMEOUT
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))


def process_space() -> str:
    """Eight hexadecimal digits that are the same wherever a process number means the same process:
    in this container, on this machine, since it was started."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        space = boot + os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux: process numbers are the machine's
        space = f"{platform.node()} {uuid.getnode()}"
    return hashlib.sha256(space.encode()).hexdigest()[:8]


def usable_processors() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def python_command(code: str, *arguments: str) -> list[str]:
    """Runs ``code`` with ``arguments`` in ``sys.argv[1:]``.

    ``python -c`` and ``python -m`` look for modules in the current folder first: in a checkout they
    find sources without their C++ core, which hide the installed packages.
    """
    return [sys.executable, "-c", _NOT_FROM_HERE + code, *arguments]


def module_command(module: str, *arguments: str) -> list[str]:
    """Runs an installed module as ``python -m`` does."""
    return python_command(_AS_MODULE, module, *arguments)
