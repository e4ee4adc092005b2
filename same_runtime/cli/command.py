"""How every command line of the SDK starts and ends: help, one-line errors, exit codes."""

import functools
import inspect
import io
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, make_dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, Final, NamedTuple, ParamSpec, TypeVar

import tyro

from same_engines.errors import PACKAGE, InvalidInputError, SameError, install_hint
from same_runtime.cli import console
from same_runtime.cli.parse_errors import one_line

EXIT_CONDITION_MET: Final = 1
EXIT_USER_ERROR: Final = 2
EXIT_INTERRUPTED: Final = 130
EXIT_PIPE_CLOSED: Final = 141

_OURS: Final = ("same_engines", "same_runtime", "same_model", "same_export", "same_bench")
_PIPE_COLUMNS: Final = "160"

_Given = ParamSpec("_Given")
_Options = TypeVar("_Options")


@dataclass(frozen=True)
class CommonOptions:
    """What every command takes."""

    quiet: Annotated[bool, tyro.conf.arg(aliases=["-q"])] = False
    """Print results, warnings and errors only: no progress."""
    verbose: Annotated[bool, tyro.conf.arg(aliases=["-v"])] = False
    """Print details too, and where in the code an error comes from."""
    version: bool = False
    """Print the version and exit."""


class Subcommand(NamedTuple):
    """A subcommand that is imported only when it is asked for."""

    options: str
    """``module:class`` of its options; the module needs none of the extras."""
    action: str
    """``module:function`` that runs it."""
    summary: str
    """One line for the list of subcommands."""
    is_argument: bool = False
    """Whether its name is the first positional argument of its options."""
    takes_input: bool = False
    """As the default: whether its options have a positional argument."""


def load(place: str) -> Any:
    """What is at ``module:name``."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def _let_readers_leave(run: Callable[_Given, int]) -> Callable[_Given, int]:
    """``run``, with an exit code of its own where whoever read its output went away, as `head`
    does; what is still buffered must not fail at the exit either."""

    @functools.wraps(run)
    def wrapped(*arguments: _Given.args, **options: _Given.kwargs) -> int:
        try:
            try:
                return run(*arguments, **options)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_PIPE_CLOSED

    return wrapped


@_let_readers_leave
def run_command(
    name: str,
    options_type: type[_Options],
    action: Callable[[_Options], int | None],
    arguments: Sequence[str] | None = None,
    extra: str | None = None,
) -> int:
    """Parse ``arguments`` (default: the process's) into ``options_type`` and run ``action``.

    A ``SameError`` becomes one line on stderr and exit code 2, Ctrl-C exit code 130, a missing
    package of ``extra`` one line that says how to install it, a pipe whose reader left exit code
    141; only a bug shows a traceback.
    Returns the exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if "--version" in given:
        print(name.split()[0], version(PACKAGE))
        return 0
    common = CommonOptions()
    try:
        with _readable_width():
            options, common = _parse(name, options_type, given)
        console.configure(common.quiet, common.verbose)
        return action(options) or 0
    except SameError as error:
        message = str(error)
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if extra is None or missing in _OURS:
            raise
        message = f"needs {missing}, which is not installed: {install_hint(extra)}"
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    if common.verbose:
        traceback.print_exc()
    print(f"{name}: {message}", file=sys.stderr)
    return EXIT_USER_ERROR


@_let_readers_leave
def run_subcommand(
    name: str,
    about: str,
    commands: Mapping[str, Subcommand],
    arguments: Sequence[str] | None = None,
    default: str | None = None,
    extra: str | None = None,
) -> int:
    """Run the subcommand that ``arguments`` name, ``default`` where they name none."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if any(argument.startswith("--tyro-") for argument in given[:1]):  # shell completion
        with _readable_width():
            _parse_any(name, commands, given)
        return 0
    if given[:1] in (["-h"], ["--help"]) or (not given and default is None):
        print(_list_of(name, about, commands, default))
        return 0 if given else EXIT_USER_ERROR
    if "--version" in given[:1]:
        print(name, version(PACKAGE))
        return 0
    wanted, prog = default, name
    has_input = default is not None and commands[default].takes_input
    if given and not given[0].startswith("-") and (given[0] in commands or not has_input):
        wanted = given[0]
        if wanted in commands:
            prog = f"{name} {wanted}"
            given = given if commands[wanted].is_argument else given[1:]
    if wanted is None or wanted not in commands:
        expected = ", ".join(commands)
        print(f"{name}: {given[0]!r} is no command; expected {expected}", file=sys.stderr)
        return EXIT_USER_ERROR
    command = commands[wanted]
    return run_command(
        prog, load(command.options), lambda options: load(command.action)(options), given, extra
    )


def _parse(
    name: str, options_type: type[_Options], arguments: Sequence[str]
) -> tuple[_Options, CommonOptions]:
    both = make_dataclass(
        "Both",
        [
            ("options", Annotated[options_type, tyro.conf.arg(name="")]),
            ("common", Annotated[CommonOptions, tyro.conf.arg(name="")]),
        ],
    )
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            parsed: Any = tyro.cli(
                both,
                prog=name,
                args=arguments,
                description=inspect.cleandoc(options_type.__doc__ or ""),
                config=_CONFIG,
            )
    except SystemExit as stop:
        if not stop.code:  # --help
            raise
        raise InvalidInputError(one_line(said.getvalue(), name)) from None
    return parsed.options, parsed.common


_CONFIG: Final = (tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff)


def _parse_any(name: str, commands: Mapping[str, Subcommand], arguments: Sequence[str]) -> None:
    """Let tyro see all subcommands at once, which it needs to write a shell's completion."""
    tyro.extras.subcommand_cli_from_dict(
        {key: load(command.options) for key, command in commands.items()},
        prog=name,
        args=arguments,
        config=_CONFIG,
    )


def _list_of(name: str, about: str, commands: Mapping[str, Subcommand], default: str | None) -> str:
    width = max(map(len, commands))
    rows = "\n".join(f"  {key:<{width}}  {command.summary}" for key, command in commands.items())
    optional = "[COMMAND]" if default else "COMMAND"
    return (
        f"usage: {name} {optional} [OPTIONS]\n\n{inspect.cleandoc(about)}\n\n"
        f"commands (each has --help):\n{rows}\n\n"
        "options:\n  -h, --help  show this help message and exit\n"
        "  --version   print the version and exit"
    )


@contextmanager
def _readable_width() -> Iterator[None]:
    """Help that goes into a pipe is not wrapped at the 80 columns that a pipe does not have."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        yield
        return
    os.environ["COLUMNS"] = _PIPE_COLUMNS
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
