"""What messages say to install can be installed as written."""

import json
import re
from importlib import metadata
from pathlib import Path

import pytest

from same_engines.errors import WITH_PYTORCH, install_hint


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


@pytest.mark.parametrize("extra", ["export", "export,qnn", "train"])
@pytest.mark.parametrize("editable", [False, True])
def test_the_hint_names_a_pytorch_where_the_folder_does(
    extra: str, editable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = {"url": tmp_path.as_uri(), "dir_info": {"editable": editable}}
    monkeypatch.setattr(metadata, "distribution", lambda _: Installed(origin))
    option = "-e " if editable else ""
    assert install_hint(extra) == f"pip install {option}'{tmp_path}[{extra}]'"
    (tmp_path / "constraints.txt").touch()
    named = f"--constraint '{tmp_path}/constraints.txt'"
    assert install_hint(extra) == f"pip install {named} {option}'{tmp_path}[{extra}]'"
    assert install_hint("xr") == f"pip install {option}'{tmp_path}[xr]'"


def test_the_extras_that_bring_pytorch_are_known() -> None:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = Path(__file__).resolve().parents[2] / "pyproject.toml"
    extras = tomllib.loads(project.read_text())["project"]["optional-dependencies"]

    def brings(extra: str) -> bool:
        others = re.findall(r"same-runtime\[([\w,]+)\]", " ".join(extras[extra]))
        named = any(requirement.startswith("torch>") for requirement in extras[extra])
        return named or any(brings(name) for group in others for name in group.split(","))

    assert {extra for extra in extras if brings(extra)} == WITH_PYTORCH


def test_without_metadata_there_is_a_hint_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> None:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "distribution", absent)
    assert install_hint("xr") == "pip install 'same-runtime[xr]'"
