"""The part of a Markdown page that a command writes, between ``<!-- MARK -->`` and
``<!-- /MARK -->``."""

from collections.abc import Sequence
from pathlib import Path

from same_bench.reporting.report import write_whole
from same_engines.errors import InvalidInputError


def check_marked(page: Path, mark: str) -> tuple[str, str]:
    """What stands before and after the block. Raises ``InvalidInputError`` where the page has no
    such block or cannot be read."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    try:
        before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    except OSError as error:
        raise InvalidInputError(f"{page}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InvalidInputError(f"{page}: expected a page in UTF-8") from None
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise InvalidInputError(f"{page}: expected the lines {begin} and {end}")
    return before, after


def replace_marked(page: Path, mark: str, lines: Sequence[str]) -> None:
    """Put ``lines`` in the place of the block. Raises as ``check_marked`` does."""
    before, after = check_marked(page, mark)
    write_whole(page, before + "\n".join([f"<!-- {mark} -->", *lines, f"<!-- /{mark} -->"]) + after)
