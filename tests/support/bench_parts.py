"""A recording, a clock that only moves when told, and an engine of known slowness."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from same_bench.measuring.clock import Clock
from same_bench.peers.engines import NamedArrayEngine
from same_engines import Bundle
from same_runtime.camera import CameraRig
from same_runtime.conventions import LEG_DEVICES, POSE_DEVICES
from same_runtime.recording import RecordingWriter
from same_runtime.samples import DevicePose, LegReading, StereoFrame

FRAMES = 24
PERIOD_NS = 33_333_333


class ManualClock(Clock):
    """Time passes in ``wait_until`` and ``advance``, and by ``tick_ns`` whenever it is read."""

    def __init__(self) -> None:
        self.time_ns = 1_000_000
        self.tick_ns = 0
        self.reads = 0

    def now_ns(self) -> int:
        self.reads += 1
        self.time_ns += self.tick_ns
        return self.time_ns

    def wait_until(self, deadline_ns: int) -> None:
        self.time_ns = max(self.time_ns, deadline_ns)

    def advance(self, ns: int) -> None:
        self.time_ns += ns


class SlowEngine(NamedArrayEngine):
    """Computes zeros; the visual stage of run n takes ``delay_ns(n)``, the others 1000 ns each."""

    backend = "slow"

    def __init__(self, bundle: Bundle, clock: ManualClock, delay_ns: Callable[[int], int]) -> None:
        super().__init__(bundle, "fp32")
        self._clock, self._delay_ns, self.frames = clock, delay_ns, 0

    def warm_up(self, runs: int = 3) -> None:
        self.reset_state()

    def compute(self, stage: str, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        self._clock.advance(self._delay_ns(self.frames) if stage == "visual" else 1000)
        self.frames += stage == "visual"
        return [spec.zeros() for spec in self._graphs[stage].outputs]


def write_recording(path: Path, rig: CameraRig, frames: int = FRAMES) -> Path:
    """Smooth motion, three device samples per frame, blurry noise for images."""
    random = np.random.default_rng(0)
    with RecordingWriter(path, rig) as writer:
        for index in range(frames):
            for part in range(3):
                timestamp_ns = 10**9 + index * PERIOD_NS - (2 - part) * 11_111_111
                angle = 0.01 * (3 * index + part)
                turn = np.array([0.0, np.sin(angle), 0.0, np.cos(angle)])
                head = np.array([0.2 * np.sin(angle), 1.6, 0.0])
                for device in POSE_DEVICES:
                    side = {"head": 0.0, "ctrl_left": -0.3, "ctrl_right": 0.3}[device]
                    pose = DevicePose(head + [side, -abs(side), -abs(side)], turn)
                    writer.write_pose(device, timestamp_ns, pose)
                for device in LEG_DEVICES:
                    writer.write_leg(device, timestamp_ns, LegReading(turn, [0.0, 0.5, 0.0]))
            height, width = rig.left.height, rig.left.width
            size = (-(-height // 16), -(-width // 16))
            left, right = (
                np.kron(random.integers(0, 256, size), np.ones((16, 16)))[:height, :width]
                for _ in range(2)
            )
            left, right = left.astype(np.uint8), right.astype(np.uint8)
            writer.write_frame(StereoFrame(10**9 + index * PERIOD_NS, left, right))
    return path
