"""Hours of sensor time through the C++ core, as fast as it goes."""

import math
import time
from typing import Any, Final

import numpy as np

from same_bench.soak.process_state import process_state
from same_engines.errors import EngineError
from same_runtime._core import FrameAssembler, Ingestion, SkeletonSolver, Synchroniser
from same_runtime.conventions import FEATURE_DIM, JOINT_PARENTS
from same_runtime.skeleton.rest_pose import REST_OFFSETS_M

SECOND_NS: Final = 1_000_000_000
_HEAD, _LEFT, _RIGHT, _LEG_LEFT, _LEG_RIGHT, _CAMERAS = range(6)
_RATES_HZ: Final = (90, 90, 90, 200, 200, 30)
_LEG_OFFSET_NS: Final = 7_000_000_000_000
_LEG_DRIFT: Final = 40e-6
"""A leg sensor's clock gains 40 us a second: 1.2 s in a working day, far beyond one window."""
_LATENCY_NS: Final = 3_000_000
_START_NS: Final = 5 * SECOND_NS
_WINDOW: Final = 32
_UPRIGHT: Final = np.array([0.0, 0.0, 0.0, 1.0])


class CoreHours:
    """Five devices at their rates, legs on drifting clocks of their own, and at every camera frame
    what the tracker computes of them: the network's inputs and a solved skeleton."""

    def __init__(self) -> None:
        self._synchroniser = Synchroniser(256, 100_000_000, 50_000_000, True)
        self._ingestion = Ingestion(self._synchroniser)
        for leg in (_LEG_LEFT, _LEG_RIGHT):
            self._ingestion.set_clock_estimated(leg, _LATENCY_NS)
        self._assembler = FrameAssembler(np.eye(4), 0.0, _WINDOW, True)
        self._features = np.zeros((5, FEATURE_DIM), np.float32)
        self._poses = np.zeros((_WINDOW, 4, 4), np.float32)
        self._offsets_s = np.zeros(_WINDOW, np.float32)
        self._valid = np.zeros(_WINDOW, np.float32)
        self._solver = SkeletonSolver()
        self._body = _standing(REST_OFFSETS_M)
        self._place = np.zeros(3)
        self._random = np.random.default_rng(0)
        self.samples = self.refused = self.frames = 0
        self.worst_clock_error_ns = 0.0

    def run(self, hours: float) -> None:
        """Raises ``EngineError`` once something is lost or not finite."""
        for second in range(int(hours * 3600)):
            self._second(_START_NS + second * SECOND_NS, second)

    def _second(self, start_ns: int, second: int) -> None:
        events = sorted(
            (index * SECOND_NS // rate_hz, stream)
            for stream, rate_hz in enumerate(_RATES_HZ)
            for index in range(rate_hz)
        )
        jitters = (2_000_000 * self._random.random(len(events)) ** 4).tolist()
        for (offset_ns, stream), jitter_ns in zip(events, jitters, strict=True):
            self._event(stream, start_ns + offset_ns, int(jitter_ns))
        if second >= 60:  # once the clocks are learnt
            self._judge_clock(start_ns + SECOND_NS)

    def _event(self, stream: int, at_ns: int, jitter_ns: int) -> None:
        if stream == _CAMERAS:
            self._frame(at_ns - SECOND_NS // 15)  # whose samples have all arrived
            return
        t, push = 1e-9 * at_ns, self._ingestion
        arrival_ns = at_ns + _LATENCY_NS + jitter_ns
        if stream in (_LEG_LEFT, _LEG_RIGHT):
            self._place[:] = 0.0, 3.0 * math.sin(6.0 * t), 1.0
            stamp_ns = _leg_time(at_ns)
            refused = push.push_leg(stream, stamp_ns, _UPRIGHT, self._place, arrival_ns)
        else:
            self._place[:] = 0.3 * math.sin(t), 1.6 if stream == _HEAD else 1.0, 0.2 * stream
            refused = push.push_pose(stream, at_ns, self._place, _UPRIGHT, arrival_ns)
        self.samples += 1
        self.refused += refused != 0

    def _frame(self, at_ns: int) -> None:
        if at_ns < _START_NS + SECOND_NS:
            return
        states = self._synchroniser.lookup(at_ns)
        assembled = self._assembler.assemble(
            at_ns, states, self._features, self._poses, self._offsets_s, self._valid
        )
        step = 0.01 * math.sin(7e-9 * at_ns)
        joints = self._body + (0.3 * math.sin(1e-9 * at_ns), 0.0, step)
        solved = self._solver.solve(
            at_ns, joints, states.orientations_xyzw, good=True, restart=False
        )
        finite = np.isfinite(self._features).all() and np.isfinite(self._poses).all()
        if not assembled or not finite or not np.isfinite(solved.joints).all():
            raise EngineError(f"after {1e-9 * at_ns:.0f} s a frame was lost or is not finite")
        self.frames += 1

    def _judge_clock(self, now_ns: int) -> None:
        """How far the learnt clocks of the legs are from the true ones."""
        for leg in (_LEG_LEFT, _LEG_RIGHT):
            newest_ns = self._ingestion.newest_ns(leg)
            true_ns = now_ns - SECOND_NS // _RATES_HZ[leg]
            error_ns = abs((newest_ns or 0) - true_ns)
            self.worst_clock_error_ns = max(self.worst_clock_error_ns, error_ns)


def _leg_time(at_ns: int) -> int:
    return at_ns + _LEG_OFFSET_NS + int(_LEG_DRIFT * (at_ns - _START_NS))


def _standing(offsets: np.ndarray) -> np.ndarray:
    joints = np.zeros((len(offsets), 3))
    for joint, parent in enumerate(JOINT_PARENTS):
        joints[joint] = offsets[joint] + (joints[parent] if parent >= 0 else (0.0, 1.0, 0.0))
    return joints


def soak_core(hours: float) -> dict[str, Any]:
    """Run ``hours`` of sensor time and tell what was found. Raises ``EngineError``."""
    core, began = CoreHours(), time.monotonic()
    core.run(0.1 * hours)  # by when everything has its size
    core = CoreHours()
    before = process_state()
    core.run(hours)
    after = process_state()
    return {
        "sensor_hours": hours,
        "wall_s": round(time.monotonic() - began, 1),
        "samples": core.samples,
        "refused": core.refused,
        "frames": core.frames,
        "worst_clock_error_us": round(1e-3 * core.worst_clock_error_ns, 1),
        "before": before._asdict(),
        "after": after._asdict(),
    }
