"""Input types validate at their edge and name what was expected and what came."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from same_engines.errors import InvalidInputError, TimestampError
from same_runtime import DevicePose, ImuFrame, LegReading, StereoFrame

IDENTITY = (0.0, 0.0, 0.0, 1.0)
IMAGE = np.zeros((4, 6), np.uint8)


@pytest.mark.parametrize(
    ("position", "quaternion", "message"),
    [
        ((0, 0), IDENTITY, r"position: expected shape \(3,\)"),
        ((0, np.nan, 0), IDENTITY, "position: expected finite"),
        ((0, 1e9, 0), IDENTITY, "position"),
        ("here", IDENTITY, "position: expected 3 numbers"),
        ((0, 0, 0), (0, 0, 0, 0), "unit quaternion"),
        ((0, 0, 0), (0, 0, 0, 2), "unit quaternion"),
        ((0, 0, 0), (0, 0, 1), r"orientation_xyzw: expected shape \(4,\)"),
    ],
)
def test_bad_poses_are_named(position: object, quaternion: object, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        DevicePose(position, quaternion)


def test_nearly_unit_quaternions_are_normalised_and_arrays_frozen() -> None:
    pose = DevicePose([1, 2, 3], (0, 0, 0, 1.005))
    assert np.linalg.norm(pose.orientation_xyzw) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="read-only"):
        pose.position[0] = 7


@given(
    st.lists(st.floats(-50, 50), min_size=3, max_size=3),
    st.integers(0, 2**31),
)
def test_specific_force_becomes_world_acceleration(force: list[float], seed: int) -> None:
    rotation = Rotation.random(rng=np.random.default_rng(seed))
    reading = LegReading.from_specific_force(rotation.as_quat(), force)
    expected = rotation.apply(force) - (0, 9.80665, 0)
    np.testing.assert_allclose(reading.acceleration, expected, atol=1e-9)


@pytest.mark.parametrize("stamp", [0.5, 1e9, "12", None, True, -1, 2**63])
def test_times_must_be_integer_nanoseconds(stamp: object) -> None:
    with pytest.raises(TimestampError, match="nanoseconds"):
        StereoFrame(stamp, IMAGE, IMAGE)
    with pytest.raises(TimestampError, match="nanoseconds"):
        ImuFrame(stamp, None)


@pytest.mark.parametrize(
    ("image", "came"),
    [
        (np.zeros((4, 6), np.float32), "float32"),
        (np.zeros((4, 6, 3), np.uint8), r"\(4, 6, 3\)"),
        ([[0]], "list"),
    ],
)
def test_images_must_be_gray_bytes(image: object, came: str) -> None:
    with pytest.raises(InvalidInputError, match=f"StereoFrame.left: expected.*got.*{came}"):
        StereoFrame(1, image, None)


def test_devices_must_be_of_their_kind() -> None:
    with pytest.raises(InvalidInputError, match="leg_left: expected LegReading or None"):
        ImuFrame(1, None, leg_left=DevicePose((0, 0, 0), IDENTITY))
