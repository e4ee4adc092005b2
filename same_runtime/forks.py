"""Backends across a fork: the child can neither use nor free what the parent opened."""

import ctypes
import os
import weakref

from same_engines import Engine

_open_engines: "weakref.WeakSet[Engine]" = weakref.WeakSet()


def keep_in_children(engine: Engine) -> None:
    """Never free ``engine`` in a forked child: its threads did not come along, and freeing it
    would wait for them for ever."""
    _open_engines.add(engine)


def _leak() -> None:
    for engine in _open_engines:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leak)
