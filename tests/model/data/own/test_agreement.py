"""Mistakes that only joints and devices together show, each named."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

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
    """A sequence of someone who walks, with a headset before the eyes, not in the head joint."""
    path = tmp_path / "worn"
    sequence = write_sequence(path, small_rig, 60)
    walk = 0.5 * np.cos(np.linspace(0, 3, 60))[:, None, None] * (1, 0, 0)
    for name in ("joints_world", "sensed_position"):
        change(path, name, lambda a: a + walk)
    turned = Rotation.from_quat(sequence.sensed_orientation[:, 0])
    change(path, "sensed_position", lambda a: add_to_head(a, turned.apply((0.0, 0.05, -0.2))))
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


PLACE_IN_HEADSET = (0.0, -0.1, 0.08)


def still(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, Rotation, np.ndarray]:
    """Places and turns of a headset that rests, and where in it the head joint is annotated."""
    places = np.tile((0.0, 1.6, 0.0), (frames, 1))
    return places, Rotation.identity(frames), PLACE_IN_HEADSET + rng.normal(0, 0.008, (frames, 3))


def turning(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, Rotation, np.ndarray]:
    """One whose wearer only turns, and that slips by 2 cm."""
    yaw, pitch = np.cumsum(rng.normal(0, 0.05, frames)), 0.3 * np.sin(np.arange(frames) / 7)
    turned = Rotation.from_euler("yx", np.stack((yaw, pitch), axis=1))
    inside = np.tile(PLACE_IN_HEADSET, (frames, 1))
    inside[frames // 2 :, 1] += 0.02
    return np.tile((0.0, 1.6, 0.0), (frames, 1)), turned, inside


def slipping(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, Rotation, np.ndarray]:
    """One whose wearer turns about the neck, and that slips, in any world."""
    _, turned, inside = turning(rng, frames)
    turned = Rotation.random(random_state=int(rng.integers(1000))) * turned
    return (0, 1.5, 0) + turned.apply((0, 0.1, 0.12)), turned, inside


def drifting(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, Rotation, np.ndarray]:
    """One whose wearer walks about, and that drifts by 4 cm."""
    places = (0, 1.6, 0) + np.cumsum(np.cumsum(rng.normal(0, 0.003, (frames, 3)), axis=0), axis=0)
    _, turned, _ = turning(rng, frames)
    drift = np.linspace(0, 0.04, frames)[:, None] * (0, 1, 0)
    return places, turned, PLACE_IN_HEADSET + drift


def unturned(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, Rotation, np.ndarray]:
    """One whose annotated head joint does not turn with the head."""
    places, turned, _ = drifting(rng, frames)
    turned = Rotation.random(random_state=int(rng.integers(1000))) * turned
    return places, turned, turned.inv().apply(PLACE_IN_HEADSET)


@pytest.mark.parametrize("take", [still, turning, slipping, drifting, unturned])
@pytest.mark.parametrize("frames", [15, 30, 60])
def test_nothing_is_guessed_of_good_takes_that_tell_nothing(take, frames: int) -> None:
    for seed in range(20):
        places, turned, inside = take(np.random.default_rng(seed), frames)
        sensed = np.zeros((frames, 5, 7))
        sensed[:, 0] = np.concatenate((places, turned.as_quat()), axis=1)
        joints = np.repeat((places + turned.apply(inside))[:, None], len(JOINT_NAMES), axis=1)
        sequence = SimpleNamespace(
            joints_world=joints,
            sensed_position=sensed[..., :3],
            sensed_orientation=sensed[..., 3:],
            sensed_valid=np.arange(5) == np.zeros((frames, 1)),
            timestamps_ns=np.arange(frames) * 33_333_333,
        )
        assert list(disagreements(cast(SequenceReader, sequence))) == []


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
