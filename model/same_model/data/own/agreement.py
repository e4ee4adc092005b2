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
_CLEARLY: Final = 0.5
"""Read otherwise, data must fit within this share of what it misses by as given."""
_SHIFTS_MS: Final = range(-1000, 1001, 50)
_FEWEST: Final = 10
"""Frames; fewer tell nothing."""


def disagreements(sequence: SequenceReader) -> Iterator[str]:
    """What joints and devices contradict each other in, one line each: sides, the order of
    quaternions, clocks. Only of people who move: at rest nothing can be told."""
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
    if valid.sum() < _FEWEST:
        return
    quaternions, places = quaternions[valid], sequence.sensed_position[valid, index]
    stamps = sequence.timestamps_ns[valid] - sequence.timestamps_ns[0]
    head = sequence.joints_world[valid, JOINT_NAMES.index("head")].astype(np.float64)
    given_m = _wander_m(quaternions, head - places)
    if not _STEADY_M < given_m < _OTHER_UNIT_M:
        return
    reordered_m = _wander_m(quaternions[:, [1, 2, 3, 0]], head - places)
    if reordered_m < _CLEARLY * given_m:
        yield (
            f"sensed_orientation: read as wxyz the head joint stays within {1e3 * reordered_m:.0f} "
            f"mm of one place in the headset, as given {1e3 * given_m:.0f} mm: expected xyzw"
        )
        return
    best_m, best_ms = given_m, 0
    for shift_ms in _SHIFTS_MS:
        wanted = stamps + shift_ms * 1_000_000
        within = (wanted >= stamps[0]) & (wanted <= stamps[-1])
        if within.sum() < max(_FEWEST, len(stamps) // 2):
            continue
        moved = np.stack([np.interp(wanted[within], stamps, axis) for axis in head.T], axis=1)
        wander_m = _wander_m(quaternions[within], moved - places[within])
        if wander_m < best_m:
            best_m, best_ms = wander_m, shift_ms
    if best_m < _CLEARLY * given_m:
        yield (
            f"joints_world: about {abs(best_ms)} ms {'late' if best_ms > 0 else 'early'}: then the "
            f"head joint stays within {1e3 * best_m:.0f} mm of one place in the headset, as given "
            f"{1e3 * given_m:.0f} mm: another clock, or a delay"
        )


def _wander_m(quaternions: NDArray[np.float64], offsets: NDArray[np.float64]) -> float:
    """How far from one place in the headset (n, 3) world offsets from it are: the median."""
    inside = Rotation.from_quat(quaternions).inv().apply(offsets)
    return float(np.median(np.linalg.norm(inside - np.median(inside, axis=0), axis=1)))
