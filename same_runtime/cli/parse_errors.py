"""The argument parser's errors, which it draws as boxes of many lines, as one line."""

import re


def one_line(box: str, name: str) -> str:
    """What the parser of the command ``name`` said in ``box``, and the next step."""
    sections: list[list[str]] = [[]]
    for row in box.splitlines():
        text = row.strip("\u2502 |")
        if not text.strip("\u2500-\u256d\u256e\u2570\u256f+ ") or row[:1] in "\u256d\u2570+":
            sections.append([])
        else:
            sections[-1].append(text)
    said = [" ".join(lines) for lines in sections if lines]
    if box[:1] != "\u256d":  # without a frame, as where the locale has no box characters
        said = said[1:]  # the title stands in a section of its own
    what = re.split(r" Got errors:", said[0])[0] if said else "cannot be read"
    # A positional argument, as the usage line has it.
    what = re.sub(r"'options\.([\w.-]+)'", lambda found: found[1].upper(), what)
    what = what.replace("Expected 1 values", "Expected one")
    what = re.sub(r"no type matching \|?(\S+) could be .* from", r"expected \1, got", what)
    meant = [option for text in said if text.startswith("Perhaps") for option in _options(text)]
    perhaps = f" perhaps {', '.join(dict.fromkeys(meant))};" if meant else ""
    return f"{what.rstrip('.')};{perhaps} see {name} --help"


def _options(text: str) -> list[str]:
    return re.findall(r"(?<!\S)--[a-z][\w.-]*", text)
