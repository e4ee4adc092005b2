"""Files and folders appear whole or not at all, whatever happens while they are written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from same_engines import atomic_files
from same_engines.atomic_files import (
    PartialFile,
    remove_partial_files,
    remove_partials_of,
    replace_file,
    told_disk,
    whole_file,
    whole_folder,
)
from same_engines.errors import BundleError
from same_engines.processes import process_space


def fill(folder: Path, text: str) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "a.txt").write_text(text)


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_file_is_replaced_when_the_block_ends_well_and_only_then(tmp_path: Path) -> None:
    path = tmp_path / "f"
    replace_file(path, b"old")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as partial:
        partial.write_bytes(b"ne")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    first, second = PartialFile(tmp_path / "f"), PartialFile(tmp_path / "f")
    first.partial.write_bytes(b"first")
    second.partial.write_bytes(b"second")
    first.commit()
    second.commit()
    assert (tmp_path / "f").read_bytes() == b"second"


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a\0b"])
def test_what_no_file_can_be_named_is_the_disks_refusal(name: str) -> None:
    with pytest.raises(OSError, match="Is a directory|Invalid argument"):
        PartialFile(Path(name))
    with pytest.raises(OSError, match=r"."), whole_folder(Path("a\0b")):
        pass


def test_a_folder_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        PartialFile(tmp_path)


def test_content_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: done.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    )
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("replace"), replace(a, b)))
    replace_file(tmp_path / "f", b"x")
    assert done[0].endswith(".partial")
    assert done[1:] == ["replace", str(tmp_path)]


def test_a_folder_is_replaced_when_the_block_ends_well_and_only_then(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with whole_folder(path) as partial:
        fill(partial, "old")
    with pytest.raises(KeyboardInterrupt), whole_folder(path) as partial:
        fill(partial, "new")
        raise KeyboardInterrupt
    assert (path / "inner" / "a.txt").read_text() == "old"
    with whole_folder(path) as partial:
        fill(partial, "new")
    assert (path / "inner" / "a.txt").read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_to_be_replaced_stays_also_if_it_comes_meanwhile(
    tmp_path: Path,
) -> None:
    path = tmp_path / "f"
    with pytest.raises(FileExistsError), whole_folder(path, replace=False) as partial:
        fill(partial, "late")
        with whole_folder(path, replace=False) as first:
            fill(first, "first")
    with pytest.raises(FileExistsError), whole_folder(path, replace=False):
        pass
    assert (path / "inner" / "a.txt").read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    with whole_folder(path) as partial:
        fill(partial, "old")
    rename = os.rename

    def refuse(source: Path, target: Path) -> None:
        if str(source).endswith(".partial"):
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(OSError, match="No space"), whole_folder(path) as partial:
        fill(partial, "new")
    assert (path / "inner" / "a.txt").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_set_aside_by_a_killed_process_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "f[1]"
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from same_engines.atomic_files import whole_folder\n"
        "rename = os.rename\n"
        "def die(a, b):\n"
        "    if str(a).endswith('.partial'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    rename(a, b)\n"
        "os.rename = die\n"
        "with whole_folder(Path(sys.argv[1])): pass\n"
    )
    with whole_folder(path) as partial:
        fill(partial, "old")
    killed = subprocess.run([sys.executable, "-c", code, str(path)])
    assert killed.returncode == -signal.SIGKILL
    assert not path.exists()
    with pytest.raises(ValueError), whole_folder(path):
        raise ValueError
    assert (path / "inner" / "a.txt").read_text() == "old"


def test_a_folder_set_aside_comes_back_under_its_own_name_alone(tmp_path: Path) -> None:
    set_aside = tmp_path / f".a.same.{dead_process()}.{process_space()}0f.replaced"
    set_aside.mkdir()
    with pytest.raises(ValueError), whole_folder(tmp_path / "a"):
        raise ValueError
    assert list(tmp_path.iterdir()) == [set_aside]


def test_what_the_disk_refuses_is_one_line_of_the_kind_asked_for(tmp_path: Path) -> None:
    place = tmp_path / "absent" / "a"
    with pytest.raises(BundleError) as told, told_disk(BundleError, place):
        replace_file(place, b"x")
    assert str(told.value) == f"{place}: cannot be written (No such file or directory)"
    with pytest.raises(BundleError) as told, told_disk(BundleError, place, "make its folder"):
        replace_file(place, b"x")
    assert str(told.value).endswith("(No such file or directory); make its folder")
    with pytest.raises(ValueError, match="not the disk's"), told_disk(BundleError, place):
        raise ValueError("not the disk's")


def test_only_what_dead_processes_left_is_removed(tmp_path: Path) -> None:
    dead, here = dead_process(), process_space()
    (tmp_path / f".a.b.{dead}.{here}0f.partial").write_text("x")
    fill_folder = tmp_path / f".c.{dead}.{here}0f.partial"
    fill_folder.mkdir()
    fill(fill_folder, "x")
    mine = tmp_path / f".a.{os.getpid()}.{here}0f.partial"
    mine.write_text("x")
    (tmp_path / ".not-ours.partial").write_text("x")
    assert remove_partial_files(tmp_path) == 2
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, ".not-ours.partial"}
    assert atomic_files.is_process_alive(os.getpid())


def test_what_another_machine_writes_is_left_over_once_nobody_touches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / f".c.{dead_process()}.0f.partial"
    folder.mkdir()
    fill(folder, "x")
    file = tmp_path / f".a.{dead_process()}.0f.partial"
    file.write_text("x")
    assert remove_partial_files(tmp_path) == 0
    old = time.time() - 90_000
    for path in (folder, folder / "inner", file):
        os.utime(path, (old, old))
    monkeypatch.setattr(atomic_files, "_touched_s", lambda state: state.st_mtime)
    assert remove_partial_files(tmp_path) == 1, "a file in the folder is new"
    os.utime(folder / "inner" / "a.txt", (old, old))
    assert remove_partial_files(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_of_one_file_or_folder_only_its_own_left_overs_go(tmp_path: Path) -> None:
    here, path = process_space(), tmp_path / "a[1].same"
    dead = f"{dead_process()}.{here}0f"
    for another in (".b.same", f".{path.name}.x"):
        (tmp_path / f"{another}.{dead}.partial").write_text("another's")
        (tmp_path / f"{another}.{dead}.replaced").mkdir()
    (tmp_path / f".{path.name}.{os.getpid()}.{here}0f.partial").write_text("at work")
    kept = set(tmp_path.iterdir())
    replaced = tmp_path / f".{path.name}.{dead}.replaced"
    for folder in (replaced, tmp_path / f".{path.name}.{dead}.partial"):
        folder.mkdir()
        fill(folder, "x")
    remove_partials_of(path)
    assert set(tmp_path.iterdir()) == {*kept, replaced}, "there is nothing else of it"
    path.mkdir()
    remove_partials_of(path)
    assert set(tmp_path.iterdir()) == {*kept, path}
    remove_partials_of(tmp_path / "absent" / "a")
