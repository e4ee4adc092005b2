import lzma
from pathlib import Path

import numpy as np
import pytest
from bvh_text import BVH
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_model.synth.motion.capture.bvh import read_bvh


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
    placed, turned = clip.poses()
    np.testing.assert_allclose(placed[0, 1], [1, 2, 3] + hip.apply([0, -40, 1]))
    np.testing.assert_allclose(
        Rotation.from_quat(turned[0, 0]).as_matrix(), hip.as_matrix(), atol=1e-12
    )
    np.testing.assert_allclose(
        Rotation.from_quat(turned[0, 1]).as_matrix(), (hip * knee).as_matrix(), atol=1e-12
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda t: "\ufeff" + t,
        lambda t: "\n\n" + t,
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.replace("\n", " \n\n"),
        lambda t: t.replace("Frames: 2", "Frames:\t2"),
    ],
)
def test_how_a_writer_ends_and_begins_lines_does_not_matter(tmp_path: Path, change) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "clip.bvh"
    path.write_bytes(change(BVH).encode())
    plain = read_bvh(_write(tmp_path, BVH))
    path.write_bytes(change(BVH).encode())
    np.testing.assert_array_equal(read_bvh(path).rotations_xyzw, plain.rotations_xyzw)


def test_joints_may_move_and_turn_in_any_channels(tmp_path: Path) -> None:
    text = BVH.replace(
        "CHANNELS 3 Zrotation Xrotation Yrotation",
        "CHANNELS 6 Yrotation Xrotation Zrotation Zposition Xposition Yposition",
    )
    text = text.replace("40 50 60\n", "40 50 60 7 8 9\n").replace("0 0 90\n", "0 0 90 1 2 3\n")
    clip = read_bvh(_write(tmp_path, text))
    np.testing.assert_allclose(clip.moved[1], [[8, 9, 7], [2, 3, 1]])
    placed, turned = clip.poses()
    hip = Rotation.from_quat(turned[:, 0])
    np.testing.assert_allclose(placed[:, 1], clip.root_positions + hip.apply(clip.moved[1]))
    wanted = Rotation.from_euler("YXZ", [40, 50, 60], degrees=True)
    got = Rotation.from_quat(clip.rotations_xyzw[0, 1])
    assert (got * wanted.inv()).magnitude() < 1e-9
    # Some writers store the change of the offset.
    small = text.replace("7 8 9\n", "0 0 0.5\n").replace("1 2 3\n", "0 0 0\n")
    np.testing.assert_allclose(read_bvh(_write(tmp_path, small)).moved[1][0], [0, -39.5, 1])


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
        (lambda t: t.replace("Frames: 2", "Frames: nan"), "Frames"),
        (lambda t: t.replace("Frames: 2", "Frames: 0"), "Frames"),
        (lambda t: t.replace("Frames: 2", "Frames: 1.5"), "whole number"),
        (lambda t: t.replace("Frames: 2", "Frames: 1e300"), "Frames"),
        (lambda t: t.replace("0.00833333", "-1"), "frame time"),
        (lambda t: t.replace("0.00833333", "inf"), "non-finite"),
        (lambda t: t.replace("40 50 60", "40 50,5 60"), "decimal commas"),
        (lambda t: t.replace("OFFSET 0 -40 1", "OFFSET 0 -40,5 1"), "decimal commas"),
        (lambda t: t.replace("MOTION", "ROOT other\n{\nOFFSET 0 0 0\n}\nMOTION"), "second ROOT"),
        (lambda t: t.replace("    End Site", "JOINT j\n{\n" * 10**5 + "    End Site"), "512"),
        (lambda t: t.replace("  }\n}\nMOTION", "  }\nMOTION"), "unbalanced"),
        (
            lambda t: t.replace("Zrotation Xrotation Yrotation", "Zrotation Wrotation Yrotation"),
            "channel",
        ),
        (
            lambda t: t.replace("Zrotation Xrotation Yrotation", "Zrotation Zrotation Yrotation"),
            "repeated",
        ),
    ],
)
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
