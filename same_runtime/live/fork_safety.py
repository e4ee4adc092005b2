"""Backends across a fork: the child can neither use nor free what the parent opened."""

import ctypes
import os
import weakref

_opened: "weakref.WeakSet[object]" = weakref.WeakSet()


def keep_in_children(*opened: object) -> None:
    """Never free engines and core trackers in a forked child: their threads did not come along, and
    freeing them would wait for them for ever. The child ends without it, Python's own clean-up
    done."""
    _opened.update(opened)


def _leak() -> None:
    for opened in _opened:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(opened))
    if _opened:
        _skip_native_clean_up()


def _skip_native_clean_up() -> None:
    # Native libraries' exit handlers wait for their threads too. They run last opened first, so
    # that this one ends the process before all that the parent had; it keeps the exit status.
    # Only glibc tells a handler the status; elsewhere a child should end with os._exit.
    library = ctypes.CDLL(None)
    if hasattr(library, "on_exit"):
        library.on_exit(library._exit, None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leak)
