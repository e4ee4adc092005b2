"""What messages say to install can be installed as written."""

import json
from importlib import metadata
from pathlib import Path

import pytest

from same_engines.errors import install_hint


class Installed:
    def __init__(self, origin: object) -> None:
        self.origin = origin

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"  # PEP 610
        return None if self.origin is None else json.dumps(self.origin)


@pytest.mark.parametrize(
    ("origin", "hint"),
    [
        (None, "pip install 'same-runtime[xr]'"),
        ({"url": "{folder}", "dir_info": {}}, "pip install '{path}[xr]'"),
        ({"url": "{folder}", "dir_info": {"editable": True}}, "pip install -e '{path}[xr]'"),
        ({"url": "file:///gone", "dir_info": {}}, "pip install 'same-runtime[xr]'"),
        (
            {"url": "https://example.org/a.git", "vcs_info": {"vcs": "git"}},
            "pip install 'same-runtime[xr] @ git+https://example.org/a.git'",
        ),
    ],
)
def test_the_hint_names_where_the_package_came_from(
    origin: dict | None, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    if origin is not None and origin["url"] == "{folder}":
        origin = {**origin, "url": folder.as_uri()}
    monkeypatch.setattr(metadata, "distribution", lambda _: Installed(origin))
    assert install_hint("xr") == hint.format(path=folder)


def test_without_metadata_there_is_a_hint_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> None:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "distribution", absent)
    assert install_hint("xr") == "pip install 'same-runtime[xr]'"
