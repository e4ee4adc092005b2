"""Small JSON files of others: whatever is in them, one typed error names the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from same_engines.errors import DataError, SameError
from same_model.data.emhi.convert import read_split_file
from same_model.data.rig import read_rig
from same_model.data.sequence import open_sequence
from same_model.synth.motion.capture.joint_names import read_joint_map
from same_model.synth.motion.splits import load_split


def sequence(path: Path) -> Any:
    folder = path.with_name("sequence")
    folder.mkdir()
    path.rename(folder / "meta.json")
    return open_sequence(folder)


@pytest.mark.parametrize("read", [read_rig, sequence, read_split_file, read_joint_map, load_split])
@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"{", b"[" * 100_000, b"9" * 5000, b"[1]", b"null"], ids=len
)
def test_any_content_is_one_data_error(
    tmp_path: Path, read: Callable[[Path], Any], content: bytes
) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match="file.json|sequence") as caught:
        read(path)
    assert isinstance(caught.value, SameError)
