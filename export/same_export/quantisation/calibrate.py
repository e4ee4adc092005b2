"""What every stage reads while the bundle tracks a recording: the data to quantise with."""

from collections.abc import Sequence
from itertools import islice
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from same_engines import EngineWrapper
from same_engines.bundle.manifest import STAGES
from same_engines.bundle.reader import Bundle
from same_engines.errors import RecordingError
from same_engines.onnxruntime.engine import OnnxRuntimeEngine
from same_runtime.recording import Recording
from same_runtime.recording.replay import Replay
from same_runtime.tracker import SamePoseTracker

T = TypeVar("T")

Frame = dict[str, NDArray[np.float32]]
"""One frame's inputs of a stage, by tensor name."""

_MOST_BYTES: Final = 512 << 20


def record_frames(
    bundle: Bundle, recording: Recording, most: int | None = None
) -> list[dict[str, Frame]]:
    """Track ``recording``, or its first ``most`` frames, with the float32 graphs on the CPU and
    keep what each stage read.

    Returns one ``stage -> inputs`` for each frame that had images, or for evenly spread ones
    where all would take over 512 MB. Raises ``BundleError`` without float32 graphs,
    ``RecordingError`` for a recording without cameras or images.
    """
    engine = _Listener(bundle, recording.num_frames)
    with SamePoseTracker(bundle.path, recording.rig, engine) as tracker:
        engine.listen()
        for _ in islice(Replay(recording, tracker), most):
            pass
    whole = [frame for frame in engine.frames if frame.keys() == set(STAGES)]
    if not whole:
        raise RecordingError(f"{recording.path}: has no frame with images to calibrate with")
    return whole


def spread(frames: Sequence[T], count: int) -> list[T]:
    """At most ``count`` frames, evenly spread over the recording and with its ends."""
    indices = np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round())
    return [frames[int(index)] for index in indices]


class _Listener(EngineWrapper):
    """The CPU engine, noting what each stage reads once told to listen."""

    inner: OnnxRuntimeEngine

    def __init__(self, bundle: Bundle, frames: int) -> None:
        super().__init__(OnnxRuntimeEngine(bundle, "fp32", threads=1))
        self.frames: list[dict[str, Frame]] = []
        self._every = 1 + frames * sum(_bytes_read(bundle, s) for s in STAGES) // _MOST_BYTES
        self._seen: int | None = None

    def listen(self) -> None:
        """From now on: warming up is not data."""
        self._seen = 0

    def run_frame(self, with_images: bool = True) -> None:
        if self._seen is not None:
            if self._seen % self._every == 0:
                self.frames.append({})
            self._seen += 1
        super().run_frame(with_images)

    def run(self, stage: str) -> None:
        if self._seen is not None and (self._seen - 1) % self._every == 0:
            self.frames[-1][stage] = self.inner.next_inputs(stage)
        super().run(stage)


def _bytes_read(bundle: Bundle, stage: str) -> int:
    specs = bundle.graph("fp32", stage).inputs
    return sum(int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize for spec in specs)
