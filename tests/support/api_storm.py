"""Random right and wrong calls of the whole API of a tracker, from several threads."""

import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from same_engines.errors import SameError
from same_runtime import DevicePose, ImuFrame, LegReading, StereoFrame
from same_runtime.camera import CameraRig, FisheyeCamera
from same_runtime.ingestion.clock_sync import EstimatedClock, GivenClock
from same_runtime.live.options import LiveOptions
from same_runtime.options import TrackerOptions
from same_runtime.pose import Pose, PoseStatus
from same_runtime.tracker import SamePoseTracker

UPRIGHT = (0.0, 0.0, 0.0, 1.0)


class _Odd:
    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("an array that is none")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("nothing compares with this")

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "odd"


def odd(rng: Random) -> Any:
    """A value that few arguments can be."""
    makers: tuple[Callable[[], Any], ...] = (
        lambda: rng.choice((None, True, False, 0, -1, 1, 1.5, 1 << 62, 1 << 64, -(1 << 64))),
        lambda: rng.choice((10**400, float("nan"), float("inf"), -0.0, 1e300, 1j)),
        lambda: rng.choice(("", "x", "left", "head", b"", b"left", "a\0b", "\ud800")),
        lambda: rng.choice(([], (), {}, set(), {1, 2}, [[]], {"a": 1}, [None] * 3, ["1"] * 4)),
        lambda: rng.choice((object(), _Odd(), len, int, StereoFrame, Ellipsis, range(3))),
        lambda: np.zeros(rng.choice(((), (0,), (3,), (4,), (3, 3), (96, 128)))),
        lambda: np.array(rng.choice((["a", "b", "c"], [None] * 3, [1j] * 3, [object()] * 4))),
        lambda: np.zeros(3, rng.choice(("M8[ns]", "U3", "f2", "u8", "?", "V8", "O"))),
        lambda: np.full(4, rng.choice((np.nan, np.inf, 1e308))),
        lambda: np.zeros((96, 128), rng.choice((np.uint8, np.float32, object, np.int8))),
        lambda: np.zeros((96, 256), np.uint8)[:, ::2],
        lambda: np.ma.masked_array([1.0, 2, 3], [True, False, True]),
        lambda: np.int64(5),
        lambda: np.uint64((1 << 64) - 1),
        lambda: np.float32(np.nan),
    )
    return rng.choice(makers)()


class Storm:
    """Calls on ``tracker``; ``raw`` collects what came out that is no ``SameError``."""

    def __init__(self, tracker: SamePoseTracker, seed: int) -> None:
        self.tracker, self.seed = tracker, seed
        self.raw: list[tuple[str, BaseException]] = []
        self.calls = 0
        self.wrong_poses: list[Pose] = []
        self._now_ns = 10**9
        self._lock = threading.Lock()

    def run(self, threads: int, seconds: float) -> bool:
        """Whether every thread came back in time."""
        ends = time.monotonic() + seconds
        workers = [
            threading.Thread(target=self._thread, args=(Random(f"{self.seed}:{n}"), ends))
            for n in range(threads)
        ]
        for worker in workers:
            worker.daemon = True
            worker.start()
        for worker in workers:
            worker.join(seconds + 120)
        return not any(worker.is_alive() for worker in workers)

    def _thread(self, rng: Random, ends: float) -> None:
        while time.monotonic() < ends:
            name, call = rng.choice(self._calls(rng))
            self.calls += 1
            try:
                self._judge(call())
            except SameError:
                continue
            except BaseException as error:
                self.raw.append((name, error))

    def _judge(self, value: Any) -> None:
        tracked = isinstance(value, Pose) and value.status is not PoseStatus.INVALID
        if tracked and not np.isfinite(value.joints_world).all():
            self.wrong_poses.append(value)

    def _time(self, rng: Random) -> int:
        with self._lock:
            self._now_ns += rng.choice((1, 5_000_000, 33_000_000))
            return self._now_ns - rng.choice((0, 0, 0, 5_000_000, 10**9))

    def _calls(self, rng: Random) -> list[tuple[str, Callable[[], Any]]]:
        tracker, ingest, chance = self.tracker, self.tracker.ingest, rng.random() < 0.5

        def given(good: Any) -> Any:
            return good if chance or rng.random() < 0.5 else odd(rng)

        def at() -> Any:
            return given(self._time(rng))

        def place() -> Any:
            return given([0.1 * rng.random(), 1.6, 0.0])

        def turn() -> Any:
            return given(UPRIGHT)

        def image() -> Any:
            return given(np.zeros((tracker.rig.left.height, tracker.rig.left.width), np.uint8))

        def frame() -> Any:
            return (
                given(StereoFrame(self._time(rng), None, None))
                if rng.random() < 0.3
                else (StereoFrame(at(), image(), image()))
            )

        def imu() -> ImuFrame:
            head = given(DevicePose(place(), turn()))
            return ImuFrame(at(), head, leg_left=given(LegReading(turn(), place())))

        def options() -> Any:
            names = list(TrackerOptions.__dataclass_fields__)
            return TrackerOptions(**{name: odd(rng) for name in rng.sample(names, 2)})

        def live_options() -> Any:
            names = list(LiveOptions.__dataclass_fields__)
            return LiveOptions(**{name: odd(rng) for name in rng.sample(names, 2)})

        def camera() -> Any:
            values = {name: getattr(tracker.rig.left, name) for name in _CAMERA}
            values[rng.choice(_CAMERA)] = odd(rng)
            return FisheyeCamera(**values)

        calibration = tracker.calibration
        return [
            ("push", lambda: tracker.push(frame(), imu())),
            ("push_frame", lambda: tracker.push_frame(frame(), given(None))),
            ("step", tracker.step),
            ("at_time", lambda: tracker.at_time(at())),
            ("latest", tracker.latest),
            ("stats", tracker.stats),
            ("head", lambda: ingest.head(at(), place(), turn(), given(None))),
            ("controller", lambda: ingest.controller(given("left"), at(), place(), turn())),
            ("leg", lambda: ingest.leg(given("right"), at(), turn(), place(), given(None))),
            (
                "sample",
                lambda: ingest.sample(given("head"), at(), given(DevicePose(place(), turn()))),
            ),
            ("frame", lambda: ingest.frame(frame(), given(None))),
            ("image", lambda: ingest.image(given("left"), at(), image(), given(None))),
            ("recentre", lambda: tracker.recentre(given(False))),
            (
                "reference_space_changed",
                lambda: tracker.reference_space_changed(at(), place(), turn(), given(True)),
            ),
            ("floor_from_controller", tracker.floor_from_controller),
            ("set_user_height", lambda: calibration.set_user_height(given(1.7))),
            ("set_floor", lambda: calibration.set_floor(given(0.0))),
            ("set_bone_lengths", lambda: calibration.set_bone_lengths(odd(rng))),
            ("start_legs", calibration.start_legs),
            ("start", lambda: tracker.start(given(LiveOptions()), given(time.monotonic_ns))),
            ("start odd clock", lambda: tracker.start(None, lambda: odd(rng))),
            ("stop", tracker.stop),
            ("on_pose", lambda: tracker.on_pose(given(self._judge))()),
            ("reset", tracker.reset),
            ("options", options),
            ("live options", live_options),
            (
                "clocks",
                lambda: TrackerOptions(clocks={"head": odd(rng)}),
            ),
            ("given clock", lambda: GivenClock(odd(rng), odd(rng))),
            ("estimated clock", lambda: EstimatedClock(odd(rng))),
            ("camera", camera),
            ("rig", lambda: CameraRig(odd(rng), odd(rng))),
            ("rig of a dict", lambda: CameraRig.from_dict(odd(rng))),
            ("open", lambda: SamePoseTracker(odd(rng), odd(rng), odd(rng), odd(rng))),
            ("specific force", lambda: LegReading.from_specific_force(turn(), place(), given(9.8))),
        ]


_CAMERA = tuple(FisheyeCamera.__dataclass_fields__)
