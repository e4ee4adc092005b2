"""How every command line of the SDK starts and ends: help, one-line errors, exit codes."""

import inspect
import logging
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import tyro
from rich.console import Console
from rich.logging import RichHandler

from same_engines.errors import SameError

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130

_Options = TypeVar("_Options")


def run_command(
    name: str,
    options_type: type[_Options],
    action: Callable[[_Options], int | None],
    arguments: Sequence[str] | None = None,
) -> int:
    """Parse ``arguments`` (default: the process's) into ``options_type`` and run ``action``.

    A ``SameError`` becomes one line on stderr and exit code 2, Ctrl-C exit code 130; only a bug
    shows a traceback. Returns the exit code.
    """
    handler = RichHandler(console=Console(stderr=True), show_path=False, show_time=False)
    # Libraries speak up only when something is wrong.
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    logging.getLogger("same").setLevel(logging.INFO)
    try:
        options = tyro.cli(
            options_type,
            prog=name,
            args=arguments,
            description=inspect.cleandoc(options_type.__doc__ or ""),
            config=(tyro.conf.FlagCreatePairsOff,),
        )
        return action(options) or 0
    except SameError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
