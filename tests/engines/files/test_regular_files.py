"""Only regular files are read, and only as much of them as is allowed."""

import os
from pathlib import Path

import pytest

from same_engines.files.regular_files import open_regular, read_regular


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"content")
    assert read_regular(path, 7) == b"content"
    with open_regular(path) as file:
        assert file.read() == b"content"


def test_what_is_none_or_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"content")
    link = tmp_path / "link"
    link.symlink_to(path)
    assert read_regular(link, 7) == b"content"
    for bad in (tmp_path, "/dev/zero", tmp_path / "missing", "a\0b"):
        with pytest.raises(OSError):
            read_regular(bad, 100)
    with pytest.raises(OSError, match="larger"):
        read_regular(path, 6)
    with pytest.raises(OSError):
        read_regular(link, 100, no_link=True)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(OSError, match="regular"):
            read_regular(tmp_path / "fifo", 100)
