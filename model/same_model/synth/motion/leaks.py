"""Finding other conversions of one take: clips that move alike, joint by joint, over seconds.

A take that was converted twice has another name, skeleton, rate, floor, unit, length or hand; how
its knees, hips, elbows and shoulders turn in time stays. So stretches of a clip are laid over every
place of another and compared by the angles that all skeletons share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_model.synth.motion.clip import Motion
from same_model.synth.motion.splits import WITHHELD, SplitFile
from same_runtime.conventions import JOINT_NAMES

Angles = NDArray[np.float64]

_RATE_HZ = 15.0
_STRETCHES = (36, 30, 24, 18)
"""Frames of a stretch: the longest that leaves a quarter of its clip, as ends may be cut off."""
_STEP = 6
_PACES = (1.0, 0.5, 2.0, 0.25, 4.0)
"""Conversions also get their frame rate wrong, by whole factors."""
_ALIKE = 0.31
"""Largest residual, as a share of the stretch's own movement, between two views of one take.

Measured over the shared clips: other conversions of a take leave at most 0.25 in the median, the
most alike of two takes (people walking) 0.37.
"""
_SHARE = 0.5
"""Share of a clip's moving stretches that must be found for it to be the same take."""
_STILL_DEG = 4.0
"""Stretches that move less say nothing."""
_LIMBS = (
    ("left_hip", "pelvis", (0, -1, 0)),
    ("right_hip", "pelvis", (0, -1, 0)),
    ("left_knee", "left_hip", (0, -1, 0)),
    ("right_knee", "right_hip", (0, -1, 0)),
    ("left_shoulder", "spine3", (1, 0, 0)),
    ("right_shoulder", "spine3", (-1, 0, 0)),
    ("left_elbow", "left_shoulder", (1, 0, 0)),
    ("right_elbow", "right_shoulder", (-1, 0, 0)),
)
_HINGES = ("left_knee", "right_knee", "left_elbow", "right_elbow")


@dataclass(frozen=True)
class Leak:
    """A clip of training or validation that shows a take of a protocol."""

    clip: str
    test_clip: str
    residual: float
    """Median over the stretches that were found; 0: the same to the last digit."""

    def __str__(self) -> str:
        return f"{self.clip} shows the take of {self.test_clip} (residual {self.residual:.2f})"


def joint_angles(motion: Motion) -> Angles:
    """(frames, 12) at 15 Hz, degrees: how knees and elbows bend, where thighs and arms point."""
    turned = {
        name: Rotation.from_quat(motion.rotations_xyzw[:, j]) for j, name in enumerate(JOINT_NAMES)
    }
    columns = []
    for joint, parent, along in _LIMBS:
        bone = (turned[parent].inv() * turned[joint]).apply(np.array(along, float))
        if joint in _HINGES:
            columns.append(np.arccos((bone @ np.array(along, float)).clip(-1, 1)))
        else:
            columns += [
                np.arcsin(bone[:, axis].clip(-1, 1)) for axis in (0, 1, 2) if not along[axis]
            ]
    angles = np.rad2deg(np.stack(columns, axis=1))
    times = np.arange(motion.frames) / motion.fps
    wanted = np.arange(int(motion.seconds * _RATE_HZ) + 1) / _RATE_HZ
    return np.stack([np.interp(wanted, times, column) for column in angles.T], axis=1)


_MIRROR = (2, 3, 0, 1, 5, 4, 8, 9, 6, 7, 11, 10)
_MIRROR_SIGN = np.array([-1, 1, -1, 1, 1, 1, 1, 1, 1, 1, 1, 1], float)


def find_leaks(
    tests: Mapping[str, Sequence[Angles]], others: Mapping[str, Sequence[Angles]]
) -> list[Leak]:
    """Clips of ``others`` that show a take of ``tests``; both by name, each in pieces."""
    stretches = [(name, *piece) for name, parts in tests.items() for piece in _stretches(parts)]
    owner = np.array([name for name, _, _ in stretches])
    pools = [
        _Pool(length, [(i, p, e) for i, (_, p, e) in enumerate(stretches) if len(p) == length])
        for length in _STRETCHES
    ]
    leaks: list[Leak] = []
    for clip, parts in others.items():
        best = np.full(len(stretches), np.inf)
        for view in _views(parts):
            for pool in pools:
                pool.compare(view, best)
        for test in tests:
            mine = best[owner == test]
            if len(mine) and np.mean(mine < _ALIKE) >= _SHARE:
                leaks.append(Leak(clip, test, float(np.median(mine[mine < _ALIKE]))))
    return leaks


def _stretches(parts: Sequence[Angles]) -> list[tuple[Angles, float]]:
    """Centred (frames, 12) stretches that move, and how much: sums of squares."""
    out = []
    for part in parts:
        length = next((n for n in _STRETCHES if n <= 0.75 * len(part)), _STRETCHES[-1])
        for first in range(0, len(part) - length + 1, _STEP):
            piece = part[first : first + length]
            piece = piece - piece.mean(axis=0)
            if np.sqrt((piece**2).mean()) > _STILL_DEG:
                out.append((piece, float((piece**2).sum())))
    return out


def _views(parts: Sequence[Angles]) -> list[Angles]:
    """The parts as other conversions might show them: at other paces, mirrored."""
    views = []
    for part in parts:
        for pace in _PACES:
            at = np.arange(0, len(part) - 1 + 1e-9, pace)
            paced = np.stack([np.interp(at, np.arange(len(part)), c) for c in part.T], axis=1)
            views += [paced, paced[:, _MIRROR] * _MIRROR_SIGN]
    return views


class _Pool:
    """Stretches of one length, to be laid over every place of other clips."""

    def __init__(self, length: int, stretches: list[tuple[int, Angles, float]]) -> None:
        self._length = length
        self._rows = np.array([row for row, _, _ in stretches], int)
        self._moving = [piece for _, piece, _ in stretches]
        self._energy = np.array([energy for _, _, energy in stretches])
        self._spectra: dict[int, NDArray[np.complex64]] = {}

    def _against(self, size: int) -> NDArray[np.complex64]:
        if size not in self._spectra:
            spectrum = np.fft.rfft(np.stack(self._moving), size, axis=1).conj()
            self._spectra[size] = spectrum.astype(np.complex64)
        return self._spectra[size]

    def compare(self, view: Angles, best: NDArray[np.float64]) -> None:
        """Lower ``best`` (all stretches,) to the share of movement that ``view`` leaves over."""
        n = self._length
        if len(view) < n or not len(self._rows):
            return
        size = 1 << (len(view) + n - 1).bit_length()
        spectrum = np.fft.rfft(view - view.mean(axis=0), size, axis=0)
        product = np.einsum("sft,ft->sf", self._against(size), spectrum.astype(np.complex64))
        overlap = np.fft.irfft(product, size, axis=1)[:, : len(view) - n + 1]
        empty = np.zeros((1, view.shape[1]))
        sums = np.cumsum(np.concatenate([empty, view]), axis=0)
        squares = np.cumsum(np.concatenate([empty, view**2]), axis=0)
        mean = (sums[n:] - sums[:-n]) / n
        own = (squares[n:] - squares[:-n] - n * mean**2).sum(axis=1)
        apart = self._energy[:, None] + own - 2 * overlap
        left = np.sqrt(np.maximum(apart, 0).min(axis=1) / self._energy)
        best[self._rows] = np.minimum(best[self._rows], left)


def check_split(split: SplitFile, angles: Mapping[str, Sequence[Angles]]) -> None:
    """Refuse a split whose training, validation or withheld part shows a take of a protocol.

    ``angles``: clip to ``joint_angles`` of its usable stretches. Raises ``DataError`` that names
    every leak.
    """
    tests = [c.clip for c in split.clips if c.split in ("protocol1", "protocol2")]
    others = [c.clip for c in split.clips if c.split in ("train", "validation", WITHHELD)]
    leaks = find_leaks(
        {clip: angles[clip] for clip in tests if clip in angles},
        {clip: angles[clip] for clip in others if clip in angles},
    )
    if leaks:
        raise DataError(f"split {split.label} leaks: {'; '.join(str(leak) for leak in leaks)}")
