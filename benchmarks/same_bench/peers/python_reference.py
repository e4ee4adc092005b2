"""Plain Python twins of the C++ core: what an application without it would write.

A test checks that each twin computes what the core computes, so the comparison is of speed only.
"""

import time
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from same_bench.measuring.clip import Clip
from same_bench.reporting.report import Twin
from same_runtime._core import ImagePreprocessor, PoseRing

_CAPACITY = 256
_MAX_GAP_NS = 100_000_000
_CALLS = 300


class DequePoses:
    """A device's poses in a deque, interpolated with NumPy; as ``PoseRing`` between samples."""

    def __init__(self, capacity: int) -> None:
        self._samples: deque[tuple[int, NDArray[np.float64], NDArray[np.float64]]] = deque(
            maxlen=capacity
        )

    def push(
        self,
        timestamp_ns: int,
        position: NDArray[np.float64],
        orientation_xyzw: NDArray[np.float64],
    ) -> None:
        """Add a pose, newest last."""
        self._samples.append((timestamp_ns, position, orientation_xyzw))

    def at(self, timestamp_ns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Position and orientation at a time between two samples: lerp and slerp."""
        times = np.fromiter((sample[0] for sample in self._samples), np.int64)
        after = int(np.searchsorted(times, timestamp_ns))
        start_ns, p0, q0 = self._samples[after - 1]
        end_ns, p1, q1 = self._samples[after]
        fraction = (timestamp_ns - start_ns) / (end_ns - start_ns)
        cosine = float(q0 @ q1)
        if cosine < 0:
            q1, cosine = -q1, -cosine
        if cosine > 0.9995:  # sin(angle) is too small to divide by
            blended = q0 + fraction * (q1 - q0)
        else:
            angle = np.arccos(cosine)
            blended = np.sin((1 - fraction) * angle) * q0 + np.sin(fraction * angle) * q1
        return p0 + fraction * (p1 - p0), blended / np.linalg.norm(blended)


def numpy_preprocess(
    image: NDArray[np.uint8], height: int, width: int, mean: float, std: float
) -> NDArray[np.float32]:
    """Area-averaging resize and normalisation in NumPy; whole boxes only."""
    rows, columns = image.shape[0] // height, image.shape[1] // width
    boxes = image.reshape(height, rows, width, columns).astype(np.float32)
    return (boxes.mean(axis=(1, 3)) / 255 - mean) / std


def opencv_preprocess(
    image: NDArray[np.uint8], height: int, width: int, mean: float, std: float
) -> NDArray[np.float32]:
    """The same through ``cv2.resize(..., INTER_AREA)``, which rounds to whole gray levels."""
    import cv2

    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return ((resized.astype(np.float32) / 255 - mean) / std).astype(np.float32)


def time_twins(
    clip: Clip, height: int, width: int, mean: float, std: float, zoomed: bool = False
) -> tuple[Twin, ...]:
    """Time core and twins call by call in turn, on the clip's images and head poses.

    ``height``, ``width``: the network's input, pixels. Twins that need a library or an image
    size that is not there are left out, those of the images where these are ``zoomed``, which no
    twin does.
    """
    twins = [_time_pose_history(clip)]
    if zoomed:
        return tuple(twins)
    image = next(image for pair in clip.images for image in pair if image is not None)
    out = np.empty((height, width), np.float32)
    preprocess = ImagePreprocessor(image.shape[0], image.shape[1], height, width, mean, std)
    one_pass = "one pass in C++ (resize, normalise)"

    def core_preprocess() -> None:
        preprocess(image, out)

    if image.shape[0] % height == 0 and image.shape[1] % width == 0:
        twins.append(
            _time(
                "preprocess",
                one_pass,
                "NumPy box mean",
                core_preprocess,
                lambda: numpy_preprocess(image, height, width, mean, std),
            )
        )
    try:
        import cv2  # noqa: F401
    except ImportError:
        return tuple(twins)
    twins.append(
        _time(
            "preprocess",
            one_pass,
            "cv2.resize INTER_AREA, NumPy",
            core_preprocess,
            lambda: opencv_preprocess(image, height, width, mean, std),
        )
    )
    return tuple(twins)


def _time_pose_history(clip: Clip) -> Twin:
    ring, plain = PoseRing(_CAPACITY), DequePoses(_CAPACITY)
    for index in range(_CAPACITY):
        timestamp_ns = (index + 1) * 5_000_000
        head = clip.sample(index, timestamp_ns)[1].head
        assert head is not None
        ring.push(timestamp_ns, head.position, head.orientation_xyzw)
        plain.push(timestamp_ns, head.position, head.orientation_xyzw)
    wanted_ns = _CAPACITY * 5_000_000 - 2_500_000
    return _time(
        "pose at a time",
        "ring buffer in C++",
        "deque, NumPy slerp",
        lambda: ring.at(wanted_ns, _MAX_GAP_NS, 0),
        lambda: plain.at(wanted_ns),
    )


def _time(
    part: str,
    core_name: str,
    twin_name: str,
    core: Callable[[], object],
    twin: Callable[[], object],
) -> Twin:
    core_ns: list[int] = []
    twin_ns: list[int] = []
    for index in range(_CALLS + 10):
        for function, kept in ((core, core_ns), (twin, twin_ns)):
            started_ns = time.perf_counter_ns()
            function()
            took_ns = time.perf_counter_ns() - started_ns
            if index >= 10:
                kept.append(took_ns)
    return Twin(part, core_name, twin_name, core_ns, twin_ns)
