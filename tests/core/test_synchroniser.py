"""Synchroniser: five devices at one instant, each by its own samples."""

import numpy as np
import pytest

from same_runtime._core import LookupKind, PushStatus, Synchroniser

MS = 1_000_000
IDENTITY = (0.0, 0.0, 0.0, 1.0)


def test_each_device_is_found_its_own_way() -> None:
    sync = Synchroniser(max_gap_ns=100 * MS, max_extrapolation_ns=50 * MS)
    t = 1000 * MS
    sync.push_pose(0, t, (1, 2, 3), IDENTITY)
    for offset in (-10, 10):
        sync.push_pose(1, t + offset * MS, (offset, 0, 0), IDENTITY)
        sync.push_leg(3, t + offset * MS, IDENTITY, (0, offset, 2))
    sync.push_leg(4, t - 20 * MS, IDENTITY, (7, 8, 9))
    states = sync.lookup(t)
    assert states.timestamp_ns == t
    assert states.how == (
        LookupKind.EXACT,
        LookupKind.INTERPOLATED,
        LookupKind.MISSING,
        LookupKind.INTERPOLATED,
        LookupKind.EXTRAPOLATED,
    )
    np.testing.assert_array_equal(states.position(0), (1, 2, 3))
    np.testing.assert_allclose(states.position(1), 0, atol=1e-12)
    np.testing.assert_allclose(states.acceleration(3), (0, 0, 2), atol=1e-12)
    np.testing.assert_array_equal(states.acceleration(4), (7, 8, 9))
    np.testing.assert_array_equal(states.orientation_xyzw(4), IDENTITY)


def test_gates_are_per_device() -> None:
    sync = Synchroniser()
    assert sync.push_pose(0, 100, (0, 0, 0), IDENTITY) == PushStatus.ACCEPTED
    assert sync.push_pose(1, 50, (0, 0, 0), IDENTITY) == PushStatus.ACCEPTED
    assert sync.push_pose(0, 50, (0, 0, 0), IDENTITY) == PushStatus.BACKWARDS
    assert sync.push_leg(4, 100, IDENTITY, (0, 0, 0)) == PushStatus.ACCEPTED
    assert sync.push_leg(4, 100, IDENTITY, (0, 0, 0)) == PushStatus.DUPLICATE
    assert [sync.newest_ns(i) for i in range(5)] == [100, 50, None, None, 100]
    assert [sync.accepted(i) for i in range(5)] == [1, 1, 0, 0, 1]
    assert [sync.refused(i) for i in range(5)] == [1, 0, 0, 0, 1]
    sync.clear()
    assert sync.newest_ns(0) is None
    assert sync.lookup(100).how == (LookupKind.MISSING,) * 5
    assert sync.push_pose(0, 1, (0, 0, 0), IDENTITY) == PushStatus.ACCEPTED


def test_states_are_read_only_and_outlive_their_synchroniser() -> None:
    sync = Synchroniser()
    sync.push_pose(2, 5, (1, 2, 3), IDENTITY)
    position = sync.lookup(5).position(2)
    del sync
    np.testing.assert_array_equal(position, (1, 2, 3))
    with pytest.raises(ValueError, match="read-only"):
        position[0] = 0


def test_wrong_devices_and_limits() -> None:
    sync = Synchroniser()
    with pytest.raises(ValueError, match="device"):
        sync.push_pose(3, 0, (0, 0, 0), IDENTITY)
    with pytest.raises(ValueError, match="device"):
        sync.push_leg(2, 0, IDENTITY, (0, 0, 0))
    with pytest.raises(ValueError, match="device"):
        sync.lookup(0).orientation_xyzw(5)
    with pytest.raises(ValueError, match="max_gap_ns"):
        Synchroniser(max_gap_ns=-1)
    with pytest.raises(ValueError, match="capacity"):
        Synchroniser(capacity=0)


def test_orientations_and_what_points_up() -> None:
    sync = Synchroniser()
    lying = np.array((np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)))
    tilted = np.array((0.0, 0.0, np.sin(0.25), np.cos(0.25)))
    sync.push_pose(0, 100, (0.0, 1.6, 0.0), lying)
    sync.push_leg(4, 100, tilted, (0.0, 0.0, 0.0))
    states = sync.lookup(100)
    assert [states.has(device) for device in range(5)] == [True, False, False, False, True]
    expected = np.zeros((5, 4))
    expected[0], expected[4] = lying, tilted
    np.testing.assert_allclose(states.orientations_xyzw, expected, atol=1e-15)
    assert states.upwards(0) == pytest.approx(0.0, abs=1e-12)
    assert states.upwards(4) == pytest.approx(np.cos(0.5))
    for wrong in (-1, 5):
        with pytest.raises(ValueError, match="device"):
            states.has(wrong)
        with pytest.raises(ValueError, match="device"):
            states.upwards(wrong)
