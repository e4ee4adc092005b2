import os
import shutil
from pathlib import Path

import pytest

from same_engines.files.folder_tree import files_below


def test_files_come_in_order_and_passed_over_folders_are_not_looked_into(tmp_path: Path) -> None:
    for name in ("b/2", "a/deep/1", ".tmp/3", "0"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = files_below(tmp_path, lambda name: name.startswith("."))
    assert [str(path.relative_to(tmp_path)) for path in found] == ["0", "a/deep/1", "b/2"]
    assert len(list(files_below(tmp_path))) == 4


def test_a_folder_that_goes_meanwhile_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kept", "going"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("")
    scandir = os.scandir

    def racing(path: str) -> object:
        if str(path).endswith("going"):
            shutil.rmtree(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", racing)
    assert list(files_below(tmp_path)) == [tmp_path / "kept" / "file"]
