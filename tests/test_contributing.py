"""The page for contributors is true: what it points at is there, what it runs exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "contributing.md").read_text()


def test_whatever_is_asked_for_is_where_the_page_says() -> None:
    rows = re.findall(r"^\| ([^|`-][^|]*|`[^|]*) \| `([^`]+)` \|$", PAGE, re.MULTILINE)
    assert len(rows) >= 20
    assert len({what for what, _ in rows}) == len({where for _, where in rows}) == len(rows)
    for what, where in rows:
        assert (ROOT / where).exists(), f"{what}: no {where}"


def test_every_path_and_make_target_that_it_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z-]+)", PAGE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
    for path in re.findall(r"\b((?:tests|cpp|docs|benchmarks)/[\w./-]*)", PAGE):
        assert (ROOT / path).exists(), path


def test_the_changelog_has_a_place_for_what_is_not_released() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    sections = re.findall(r"^### (.*)$", changelog.partition("## [Unreleased]")[2], re.MULTILINE)
    assert sections
    kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    assert sections[:6] == [kind for kind in kinds if kind in sections][:6]
