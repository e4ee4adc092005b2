"""Where commands print: results on stdout, messages and progress on stderr."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import Progress

_quiet = False


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let ``run_command`` say that the reader left; the library would exit with code 1."""
        raise BrokenPipeError


def _console(stream: TextIO, is_stderr: bool, quiet: bool) -> Console:
    # A pipe has no width: what is printed into one is for programs, and is never wrapped.
    width = None if stream.isatty() else 10_000
    return _Console(stderr=is_stderr, width=width, quiet=quiet, highlight=False, soft_wrap=True)


def results() -> Console:
    """A console for what the command was asked for."""
    return _console(sys.stdout, False, False)


def messages() -> Console:
    """A console for progress bars and remarks; silent with ``--quiet``."""
    return _console(sys.stderr, True, _quiet)


@contextmanager
def steps_shown(total: int | None) -> Iterator[Callable[..., None]]:
    """A progress bar of so many steps. Call what this yields at each of them, with the name to show
    from then on, if it has one."""
    with Progress(console=messages()) as bar:
        task = bar.add_task("starting", total=total)

        def step(name: str | None = None) -> None:
            if name is not None:
                bar.update(task, description=name)
            bar.advance(task)

        yield step


def configure(quiet: bool, verbose: bool) -> None:
    """Set what ``--quiet`` and ``--verbose`` ask for: what is logged, and whether bars show."""
    global _quiet
    _quiet = quiet
    if sys.stderr.isatty():
        handler: logging.Handler = RichHandler(
            console=_console(sys.stderr, True, False), show_path=False, show_time=False
        )
        form = "%(message)s"
    else:
        handler = logging.StreamHandler()
        form = "%(levelname)-8s %(message)s"
    # Libraries speak up only when something is wrong.
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format=form, handlers=[handler]
    )
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    logging.getLogger("same").setLevel(level)
