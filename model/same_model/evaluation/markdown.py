"""Tables of reports, as Markdown."""

from collections.abc import Iterable, Sequence


def markdown_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with ``titles`` over its columns; a row has a text for each, shown as it is."""
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        for cells in (titles, *rows)
    ]
    lines.insert(1, "|" + "---|" * len(titles))
    return "\n".join(lines)
