"""Whether the annotated joints go with what the headset and the controllers sensed."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_model.data.sequence import SequenceReader
from same_runtime.conventions import DEVICES, JOINT_NAMES

_HANDS: Final = {"ctrl_left": "left_wrist", "ctrl_right": "right_wrist"}
_STEADY_M: Final = 0.005
"""Good annotation keeps the head joint as near as that to one place in the headset."""
_OTHER_UNIT_M: Final = 1.0
_SLIPS_M: Final = 0.03
"""A headset that slips on the head may wander so far: less tells no order of quaternions."""
_CLEARLY: Final = 0.5
"""Read otherwise, data must fit within this share of what it misses by as given."""
_SHIFTS_MS: Final = range(-1000, 1001, 50)
_FEWEST: Final = 10
"""Frames; fewer tell nothing of sides."""
_FEWEST_TURNED: Final = 30
"""Frames; in fewer, noise looks like another order or clock."""
_FAR: Final = 2.0
"""A delay shows only in a headset that moves this many times as far as its head joint wanders."""


def disagreements(sequence: SequenceReader) -> Iterator[str]:
    """What joints and devices contradict each other in, one line each: sides, the order of
    quaternions, clocks. Of the headset only where it tells something: not in fewer than 30 frames,
    nor of delays where it hardly moves. One that slips on the head contradicts nothing."""
    yield from _sides(sequence)
    yield from _headset(sequence)


def _sides(sequence: SequenceReader) -> Iterator[str]:
    own_m: list[float] = []
    other_m: list[float] = []
    wrists = [JOINT_NAMES.index(wrist) for wrist in _HANDS.values()]
    for hand, device in enumerate(_HANDS):
        index = DEVICES.index(device)
        held = sequence.sensed_valid[:, index].astype(bool)
        if held.sum() >= _FEWEST:
            places = sequence.sensed_position[held, index]
            for wrist, apart_m in ((wrists[hand], own_m), (wrists[1 - hand], other_m)):
                gaps = np.linalg.norm(sequence.joints_world[held, wrist] - places, axis=-1)
                apart_m.append(float(np.median(gaps)))
    if own_m and all(other < _CLEARLY * own for own, other in zip(own_m, other_m, strict=True)):
        yield (
            f"joints_world: the controllers are {max(own_m):.2f} m from their own wrists and "
            f"{max(other_m):.2f} m from the others: left and right are swapped"
        )


def _headset(sequence: SequenceReader) -> Iterator[str]:
    index = DEVICES.index("head")
    quaternions = sequence.sensed_orientation[:, index].astype(np.float64)
    valid = sequence.sensed_valid[:, index].astype(bool)
    valid &= np.linalg.norm(quaternions, axis=1) > 0.5
    if valid.sum() < _FEWEST_TURNED:
        return
    quaternions, places = quaternions[valid], sequence.sensed_position[valid, index]
    stamps = sequence.timestamps_ns[valid] - sequence.timestamps_ns[0]
    head = sequence.joints_world[valid, JOINT_NAMES.index("head")].astype(np.float64)
    given_m = _wander_m(quaternions, head - places)
    if not _STEADY_M < given_m < _OTHER_UNIT_M:
        return
    reordered_m = _wander_m(quaternions[:, [1, 2, 3, 0]], head - places)
    # Joints that do not turn with the head fit some wrong order by chance, but the world better.
    told_m = min(given_m, _spread_m(head - places))
    if given_m > _SLIPS_M and reordered_m < _CLEARLY * told_m:
        yield (
            f"sensed_orientation: read as wxyz the head joint stays within {1e3 * reordered_m:.0f} "
            f"mm of one place in the headset, as given {1e3 * given_m:.0f} mm: expected xyzw"
        )
        return
    fits = _shifted(stamps, quaternions, places, head)
    shifted_m, given_m, shift_ms = min(fits, key=lambda fit: fit[0] / fit[1], default=(1.0, 1.0, 0))
    if shifted_m < _CLEARLY * given_m:
        yield (
            f"joints_world: about {abs(shift_ms)} ms {'late' if shift_ms > 0 else 'early'}: then "
            f"the head joint stays within {1e3 * shifted_m:.0f} mm of one place in the headset, as "
            f"given {1e3 * given_m:.0f} mm: another clock, or a delay"
        )


def _shifted(
    stamps: NDArray[np.int64],
    quaternions: NDArray[np.float64],
    places: NDArray[np.float64],
    head: NDArray[np.float64],
) -> Iterator[tuple[float, float, int]]:
    """The head joint's wander in metres with its annotation shifted and as given, both over the
    frames that the shift leaves, and the shift in ms, of all shifts that tell something."""
    for shift_ms in _SHIFTS_MS:
        wanted = stamps + shift_ms * 1_000_000
        within = (wanted >= stamps[0]) & (wanted <= stamps[-1])
        if within.sum() < max(_FEWEST_TURNED, len(stamps) // 2):
            continue
        given_m = _wander_m(quaternions[within], head[within] - places[within])
        if not _STEADY_M < given_m < _spread_m(places[within]) / _FAR:
            continue
        moved = np.stack([np.interp(wanted[within], stamps, axis) for axis in head.T], axis=1)
        yield _wander_m(quaternions[within], moved - places[within]), given_m, shift_ms


def _wander_m(quaternions: NDArray[np.float64], offsets: NDArray[np.float64]) -> float:
    """How far from one place in the headset (n, 3) world offsets from it are: the median."""
    return _spread_m(Rotation.from_quat(quaternions).inv().apply(offsets))


def _spread_m(places: NDArray[np.float64]) -> float:
    """How far (n, 3) places are from the one in their middle: the median."""
    return float(np.median(np.linalg.norm(places - np.median(places, axis=0), axis=1)))
