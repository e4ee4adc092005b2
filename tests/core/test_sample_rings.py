"""PoseRing and LegRing: the timestamp gate, lookup in time, and interpolation against SciPy."""

import threading

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from same_runtime._core import LegRing, LookupKind, PoseRing, PushStatus

MS = 1_000_000
IDENTITY = (0.0, 0.0, 0.0, 1.0)
GAP, AHEAD = 100 * MS, 50 * MS

vectors = st.tuples(*[st.floats(-10, 10)] * 3).map(np.array)
rotation_vectors = st.tuples(*[st.floats(-3, 3)] * 3).map(np.array)
fractions = st.floats(0.01, 0.99)


def same_rotation(a: NDArray, b: NDArray, tolerance: float = 1e-9) -> bool:
    return (Rotation.from_quat(a).inv() * Rotation.from_quat(b)).magnitude() < tolerance


def test_gate_refuses_and_counts_without_changing_the_ring() -> None:
    ring = PoseRing(4)
    assert ring.newest_ns is None and ring.oldest_ns is None and len(ring) == 0
    assert ring.push(10, (1, 2, 3), IDENTITY) == PushStatus.ACCEPTED
    assert ring.push(10, (9, 9, 9), IDENTITY) == PushStatus.DUPLICATE
    assert ring.push(5, (9, 9, 9), IDENTITY) == PushStatus.BACKWARDS
    assert (len(ring), ring.newest_ns, ring.accepted, ring.refused) == (1, 10, 1, 2)
    np.testing.assert_array_equal(ring.at(10, GAP, AHEAD)[1], (1, 2, 3))
    assert ring.push(11, (4, 5, 6), IDENTITY) == PushStatus.ACCEPTED


def test_newest_samples_replace_the_oldest() -> None:
    ring = PoseRing(3)
    for i in range(10):
        ring.push(i * MS, (i, 0, 0), IDENTITY)
    assert (len(ring), ring.capacity, ring.oldest_ns, ring.newest_ns) == (3, 3, 7 * MS, 9 * MS)
    assert ring.at(6 * MS, GAP, AHEAD)[0] == LookupKind.MISSING
    for i in (7, 8, 9):
        how, position, _ = ring.at(i * MS, GAP, AHEAD)
        assert how == LookupKind.EXACT and position[0] == i


def test_clear_forgets_samples_and_keeps_counters() -> None:
    ring = PoseRing(4)
    ring.push(100, (1, 0, 0), IDENTITY)
    ring.push(50, (1, 0, 0), IDENTITY)
    ring.clear()
    assert (len(ring), ring.newest_ns, ring.accepted, ring.refused) == (0, None, 1, 1)
    assert ring.at(100, GAP, AHEAD)[0] == LookupKind.MISSING
    assert ring.push(7, (2, 0, 0), IDENTITY) == PushStatus.ACCEPTED
    assert ring.oldest_ns == ring.newest_ns == 7


@given(st.lists(st.integers(0, 60), min_size=1, max_size=40), st.integers(2, 8), st.integers(0, 60))
def test_lookup_agrees_with_a_linear_scan(stamps: list[int], capacity: int, query: int) -> None:
    ring = PoseRing(capacity)
    kept: list[int] = []
    for stamp in stamps:
        accepted = ring.push(stamp, (stamp, 0, 0), IDENTITY) == PushStatus.ACCEPTED
        assert accepted == (not kept or stamp > kept[-1])
        if accepted:
            kept = [*kept, stamp][-capacity:]
    how, position, _ = ring.at(query, 1000, 0)
    if query in kept:
        assert how == LookupKind.EXACT and position[0] == query
    elif kept[0] < query < kept[-1]:
        assert how == LookupKind.INTERPOLATED and position[0] == pytest.approx(query, abs=1e-9)
    else:
        assert how == LookupKind.MISSING


@given(vectors, vectors, rotation_vectors, rotation_vectors, fractions)
def test_interpolation_is_lerp_and_slerp(
    p0: NDArray, p1: NDArray, r0: NDArray, r1: NDArray, fraction: float
) -> None:
    ends = Rotation.from_rotvec([r0, r1])
    assume((ends[0].inv() * ends[1]).magnitude() < np.pi - 1e-3)  # else the arc is ambiguous
    ring = PoseRing(2)
    q0, q1 = ends.as_quat()
    ring.push(0, p0, q0)
    ring.push(80 * MS, p1, -q1)  # either sign of a quaternion is one rotation
    t = round(fraction * 80 * MS)
    how, position, orientation = ring.at(t, GAP, AHEAD)
    assert how == LookupKind.INTERPOLATED
    np.testing.assert_allclose(position, p0 + (p1 - p0) * (t / (80 * MS)), atol=1e-9)
    assert same_rotation(orientation, Slerp([0, 80 * MS], ends)(t).as_quat())


@given(vectors, vectors, rotation_vectors, st.floats(0.1, 3.0))
def test_extrapolation_keeps_both_velocities(
    p0: NDArray, velocity: NDArray, axis: NDArray, angle: float
) -> None:
    assume(np.linalg.norm(axis) > 1e-3)
    step = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis))
    ring = PoseRing(8)
    ring.push(0, p0 - 7, IDENTITY)
    ring.push(40 * MS, p0, IDENTITY)
    ring.push(60 * MS, p0 + velocity, step.as_quat())
    how, position, orientation = ring.at(100 * MS, GAP, AHEAD)
    assert how == LookupKind.EXTRAPOLATED
    np.testing.assert_allclose(position, p0 + 3 * velocity, atol=1e-9)
    assert same_rotation(orientation, (step * step * step).as_quat())


def test_extrapolation_and_gaps_are_bounded() -> None:
    ring = PoseRing(8)
    ring.push(0, (0, 0, 0), IDENTITY)
    assert ring.at(AHEAD, GAP, AHEAD)[0] == LookupKind.EXTRAPOLATED
    assert ring.at(AHEAD + 1, GAP, AHEAD)[0] == LookupKind.MISSING
    ring.push(GAP + 1, (1, 0, 0), IDENTITY)
    assert ring.at(MS, GAP, AHEAD)[0] == LookupKind.MISSING
    assert ring.at(MS, GAP + 1, AHEAD)[0] == LookupKind.INTERPOLATED
    how, position, _ = ring.at(GAP + MS, GAP, AHEAD)
    assert how == LookupKind.EXTRAPOLATED and position[0] == 1  # no velocity across a gap: held


def test_a_burst_of_samples_does_not_explode() -> None:
    ring = PoseRing(8)
    ring.push(10 * MS, (0, 0, 0), IDENTITY)
    ring.push(10 * MS + 1000, (0.001, 0, 0), IDENTITY)  # 1 mm in 1 us: 1000 m/s
    assert ring.at(40 * MS, GAP, AHEAD)[1][0] == pytest.approx(0.017)


def test_leg_acceleration_is_interpolated_and_then_held() -> None:
    ring = LegRing(4)
    turned = Rotation.from_euler("y", 40, degrees=True).as_quat()
    ring.push(0, IDENTITY, (0, 0, 0))
    ring.push(10 * MS, turned, (2, 4, 6))
    how, orientation, acceleration = ring.at(5 * MS, GAP, AHEAD)
    assert how == LookupKind.INTERPOLATED
    np.testing.assert_allclose(acceleration, (1, 2, 3))
    assert same_rotation(orientation, Rotation.from_euler("y", 20, degrees=True).as_quat())
    how, orientation, acceleration = ring.at(20 * MS, GAP, AHEAD)
    assert how == LookupKind.EXTRAPOLATED
    np.testing.assert_array_equal(acceleration, (2, 4, 6))
    assert same_rotation(orientation, Rotation.from_euler("y", 80, degrees=True).as_quat())


@pytest.mark.parametrize(
    ("timestamp", "position", "orientation", "error"),
    [
        (0, (0, 0), IDENTITY, ValueError),
        (0, (0, 0, np.nan), IDENTITY, ValueError),
        (0, (0, 0, 0), (0, 0, 0, 0), ValueError),
        (0, (0, 0, 0), (0, 0, 0, 1.1), ValueError),
        (-1, (0, 0, 0), IDENTITY, ValueError),
        (2**62, (0, 0, 0), IDENTITY, ValueError),
        (1.5, (0, 0, 0), IDENTITY, TypeError),
    ],
)
def test_bad_samples_raise_and_change_nothing(
    timestamp: int, position: object, orientation: object, error: type[Exception]
) -> None:
    ring = PoseRing(2)
    with pytest.raises(error):
        ring.push(timestamp, position, orientation)  # type: ignore[arg-type]
    assert (len(ring), ring.accepted, ring.refused) == (0, 0, 0)


def test_a_ring_needs_two_samples() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        PoseRing(1)


def test_a_reader_never_sees_half_a_sample() -> None:
    ring = PoseRing(4)
    pushes = 20_000
    ring.push(0, (0, 0, 0), IDENTITY)

    def produce() -> None:
        for i in range(1, pushes):
            ring.push(i * MS, (i, i, i), IDENTITY)

    producer = threading.Thread(target=produce)
    producer.start()
    newest = 0
    try:
        while producer.is_alive():
            stamp = ring.newest_ns
            assert stamp is not None and stamp >= newest
            newest = stamp
            how, position, _ = ring.at(stamp, GAP, AHEAD)
            if how == LookupKind.EXACT:  # MISSING when it was overwritten in between
                np.testing.assert_array_equal(position, stamp / MS)
    finally:
        producer.join()
    assert ring.newest_ns == (pushes - 1) * MS
