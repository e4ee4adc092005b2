import lzma
from pathlib import Path

import numpy as np
import pytest
from bvh_text import BVH
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_model.synth.motion.bvh import read_bvh


def _write(folder: Path, text: str) -> Path:
    path = folder / "clip.bvh"
    path.write_text(text)
    return path


def test_reads_offsets_positions_and_rotations_in_channel_order(tmp_path: Path) -> None:
    clip = read_bvh(_write(tmp_path, BVH))
    assert clip.names == ("hip", "knee")
    assert clip.parents == (-1, 0)
    assert clip.fps == pytest.approx(120, rel=1e-4)
    np.testing.assert_allclose(clip.offsets, [[0, 0, 0], [0, -40, 1]])
    np.testing.assert_allclose(clip.root_positions, [[1, 2, 3], [4, 5, 6]])

    def about(axis: str, degrees: float) -> Rotation:
        return Rotation.from_euler(axis, degrees, degrees=True)

    hip = about("z", 10) * about("y", 20) * about("x", 30)
    knee = about("z", 40) * about("x", 50) * about("y", 60)
    turned = clip.global_rotations()
    np.testing.assert_allclose(
        Rotation.from_quat(turned[0, 0]).as_matrix(), hip.as_matrix(), atol=1e-12
    )
    np.testing.assert_allclose(
        Rotation.from_quat(turned[0, 1]).as_matrix(), (hip * knee).as_matrix(), atol=1e-12
    )


def test_packed_and_plain_files_agree(tmp_path: Path) -> None:
    plain = read_bvh(_write(tmp_path, BVH))
    packed = tmp_path / "clip.bvh.xz"
    with lzma.open(packed, "wt") as file:
        file.write(BVH)
    np.testing.assert_array_equal(read_bvh(packed).rotations_xyzw, plain.rotations_xyzw)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: "", "HIERARCHY"),
        (lambda t: t.replace("MOTION", "MOVEMENT"), "MOVEMENT"),
        (lambda t: t.replace("40 50 60\n", "40 50\n"), "values"),
        (lambda t: t.replace("40 50 60", "40 x 60"), "motion"),
        (lambda t: t.replace("40 50 60", "40 nan 60"), "non-finite"),
        (lambda t: t.replace("Frames: 2", "Frames: two"), "Frames"),
        (lambda t: t.replace("0.00833333", "-1"), "frame time"),
        (lambda t: t.replace("  }\n}\nMOTION", "  }\nMOTION"), "unbalanced"),
        (lambda t: t.replace("Zrotation Xrotation Yrotation", "Zrotation Wrotation Yrotation"),
         "channel"),
        (lambda t: t.replace("Zrotation Xrotation Yrotation", "Zrotation Zrotation Yrotation"),
         "repeated"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_with_its_name(tmp_path: Path, change, message) -> None:  # type: ignore[no-untyped-def]
    path = _write(tmp_path, change(BVH))
    with pytest.raises(DataError, match=message) as caught:
        read_bvh(path)
    assert str(path) in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, len(BVH) - 4), junk=st.text(max_size=12))
def test_any_truncation_is_an_error_of_ours(tmp_path_factory, cut: int, junk: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("cut") / "clip.bvh"
    path.write_text(BVH[:cut] + junk, encoding="utf-8")
    with pytest.raises(DataError):
        read_bvh(path)


def test_a_truncated_archive_and_a_missing_file_are_errors_of_ours(tmp_path: Path) -> None:
    packed = tmp_path / "clip.bvh.xz"
    packed.write_bytes(lzma.compress(BVH.encode())[:-20])
    for path in (packed, tmp_path / "absent.bvh", tmp_path):
        with pytest.raises(DataError, match=path.name):
            read_bvh(path)
