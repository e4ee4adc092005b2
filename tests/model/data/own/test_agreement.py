"""Mistakes that only joints and devices together show, each named."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from tiny_sequence import write_sequence

from same_model.data.inspect import inspect
from same_model.data.own.agreement import disagreements
from same_model.data.sequence import SequenceReader, open_sequence
from same_runtime.camera import CameraRig
from same_runtime.conventions import JOINT_NAMES

MIRRORED = [
    JOINT_NAMES.index(name.replace("left", "x").replace("right", "left").replace("x", "right"))
    for name in JOINT_NAMES
]


@pytest.fixture
def worn(tmp_path: Path, small_rig: CameraRig) -> Path:
    """A sequence whose headset sits before the eyes, not in the head joint."""
    path = tmp_path / "worn"
    sequence = write_sequence(path, small_rig, 60)
    turned = Rotation.from_quat(sequence.sensed_orientation[:, 0])
    change(path, "sensed_position", lambda a: add_to_head(a, turned.apply((0.0, 0.05, -0.1))))
    return path


def add_to_head(places: np.ndarray, offset: np.ndarray) -> np.ndarray:
    places[:, 0] += offset
    return places


def change(folder: Path, name: str, to) -> None:
    array = np.load(folder / f"{name}.npy")
    np.save(folder / f"{name}.npy", np.asarray(to(array), array.dtype))


def told(path: Path) -> list[str]:
    sequence: SequenceReader = open_sequence(path)
    return list(disagreements(sequence))


def noisy(joints: np.ndarray) -> np.ndarray:
    return joints + np.random.default_rng(3).normal(0.0, 0.01, joints.shape)


def late(joints: np.ndarray) -> np.ndarray:
    return np.concatenate((np.repeat(joints[:1], 6, axis=0), joints[:-6]))


def early(joints: np.ndarray) -> np.ndarray:
    return late(joints[::-1])[::-1]


def test_good_data_is_good(worn: Path) -> None:
    assert told(worn) == []
    change(worn, "joints_world", noisy)
    assert told(worn) == []


def test_cameras_that_the_headset_placed_tell_no_order(worn: Path) -> None:
    assert "quaternion order" not in inspect(worn)


def test_swapped_sides_are_named(worn: Path) -> None:
    change(worn, "joints_world", lambda a: a[:, MIRRORED])
    (line,) = told(worn)
    assert line.startswith("joints_world: the controllers are ")
    assert line.endswith("left and right are swapped")


def test_one_controller_tells_the_sides_too(worn: Path) -> None:
    change(worn, "joints_world", lambda a: a[:, MIRRORED])
    change(worn, "sensed_valid", lambda a: a * (1, 0, 1, 1, 1))
    assert len(told(worn)) == 1
    change(worn, "sensed_valid", lambda a: a * (1, 0, 0, 1, 1))
    assert told(worn) == []


@pytest.mark.parametrize(("moved", "said"), [(late, "200 ms late"), (early, "200 ms early")])
def test_a_constant_delay_is_named(worn: Path, moved, said: str) -> None:
    change(worn, "joints_world", moved)
    (line,) = told(worn)
    assert line.startswith(f"joints_world: about {said}: ")


def test_another_order_of_quaternions_is_named(worn: Path) -> None:
    change(worn, "sensed_orientation", lambda a: a[..., [3, 0, 1, 2]])
    (line,) = told(worn)
    assert line.startswith("sensed_orientation: read as wxyz the head joint stays within 0 mm")
    assert line in inspect(worn)


@pytest.mark.parametrize(
    ("name", "to"),
    [
        ("sensed_valid", lambda a: a * 0),
        ("sensed_orientation", lambda a: a * 0),
        ("sensed_position", lambda a: a * np.nan),
        ("joints_world", lambda a: 1000 * a),
    ],
)
def test_what_other_checks_refuse_is_not_guessed_at(worn: Path, name: str, to) -> None:
    change(worn, name, to)
    assert not [line for line in told(worn) if "swapped" not in line]
