"""Sequence folders, one or thousands of them."""

import os
from pathlib import Path

import pytest
from small_rig import make_small_rig
from tiny_sequence import write_sequence

from same_model.data.sequence import open_sequence


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
def test_an_open_sequence_holds_no_file(tmp_path: Path) -> None:
    write_sequence(tmp_path / "one", make_small_rig())
    before = len(os.listdir("/proc/self/fd"))
    sequence = open_sequence(tmp_path / "one")
    assert len(sequence.streams) == 5
    assert sequence.images.sum() > 0
    assert len(os.listdir("/proc/self/fd")) == before


def test_arrays_are_read_only(tmp_path: Path) -> None:
    sequence = write_sequence(tmp_path / "one", make_small_rig())
    for array in (sequence.images, sequence.joints_world, sequence.timestamps_ns):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
