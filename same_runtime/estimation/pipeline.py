"""From admitted frames to poses: when the network runs, on what, and what its failure leaves."""

import logging
import threading
import time
from typing import Final

from same_engines import Engine
from same_engines.bundle.config import BundleConfig
from same_runtime._core import Ingestion, PushStatus, Synchroniser, steady_ns
from same_runtime.calibration.calibration import Calibration
from same_runtime.calibration.profile import rig_name
from same_runtime.camera import CameraRig
from same_runtime.conventions import DEVICES
from same_runtime.estimation.estimator import Estimator, Image
from same_runtime.estimation.finishing import PoseFinisher
from same_runtime.estimation.prediction import Estimate
from same_runtime.ingestion.clock_sync import CAMERAS, STREAMS
from same_runtime.ingestion.clock_watch import ClockWatch
from same_runtime.ingestion.frame_inbox import FrameInbox, InboxFrame
from same_runtime.ingestion.push import check_readings, refusal, store_readings
from same_runtime.ingestion.timestamps import stamp_error
from same_runtime.observer import Observer
from same_runtime.options import TrackerOptions
from same_runtime.pose import Pose, Reason
from same_runtime.stats import RollingFigures

_log = logging.getLogger("same")

ONE_SECOND_NS: Final = 1_000_000_000
_SAMPLE_POLL_S: Final = 0.0005
_CAMERA_STREAM: Final = STREAMS.index(CAMERAS)


class Pipeline:
    """Runs the estimator on frames and keeps the newest estimate.

    Every method but ``await_samples`` needs the tracker's lock; the attributes may be read
    without it.
    """

    def __init__(
        self,
        engine: Engine,
        rig: CameraRig,
        config: BundleConfig,
        options: TrackerOptions,
        ingestion: Ingestion,
        synchroniser: Synchroniser,
        inbox: FrameInbox,
        observer: Observer,
    ) -> None:
        self._observer = observer
        self._admit = observer.part("synchronise", ingestion.admit)
        self._lookup = observer.part("synchronise", synchroniser.lookup)
        self._consider = observer.part("synchronise", ingestion.consider)
        self.check_readings = observer.part("synchronise", check_readings)
        self.store_readings = observer.part("synchronise", store_readings)
        self._estimator = Estimator(engine, rig, config, options.ground_y_m, observer)
        self._ingestion = ingestion
        self._synchroniser = synchroniser
        self._inbox = inbox
        self._max_gap_ns = options.max_gap_ns
        self.clock_watch = ClockWatch(ingestion)
        self.calibration = Calibration(self._estimator.assembler, ingestion, rig_name(rig))
        if options.profile is not None:
            self.calibration.use(options.profile)
        self.finisher, self.display_finisher = (
            PoseFinisher(options, self.calibration) for _ in range(2)
        )
        """Of the estimates, and of what a started tracker gives out."""
        self.newest_frame_ns: int | None = None
        self.tracked_ns: int | None = None
        """``time.monotonic_ns`` when the newest frame was taken."""
        self.newest: Estimate | None = None
        self.predicted: Estimate | None = None
        """What the network made of newer device samples than the newest frame's."""
        self.newest_pose: Pose | None = None
        """Of the newest frame, in the user's frame."""
        self.estimates = RollingFigures()
        self.engine_failures = self.frames_too_late = 0
        self._frame_restarts = self._head_restarts = 0
        """How often frames and head had begun anew at the newest estimate."""
        self._dropped = 0
        self._torn = False

    @property
    def relocalisations(self) -> int:
        """Times the head jumped and the body was moved along."""
        return self._estimator.assembler.relocalisations

    @property
    def hints(self) -> tuple[str, ...]:
        """The likely mistake behind each kind of implausible input so far."""
        return self._estimator.plausibility.hints

    def restart(self) -> None:
        """Forget all samples and carried state, as after opening; counters stay."""
        self.clear_samples()
        self._ingestion.reopen(_CAMERA_STREAM)
        self._inbox.clear()
        self.forget()

    def clear_samples(self) -> None:
        """Forget the devices' samples; their streams begin anew."""
        self._synchroniser.clear()
        for index in range(len(DEVICES)):
            self._ingestion.reopen(index)

    def forget(self) -> None:
        """Drop carried state and the newest estimate."""
        self.newest_frame_ns = self.tracked_ns = None
        self.newest = self.predicted = None
        self.newest_pose = None
        self._estimator.forget()
        self.finisher.reset()
        self.display_finisher.reset()

    def judge_frame(self, timestamp_ns: int, arrival_ns: int) -> tuple[int, bool]:
        """A frame's time on the tracker's clock, and whether its time line begins anew with it.

        Raises ``TimestampError`` for a stamp that cannot follow; only counters change.
        """
        code, mapped_ns, restarted = self._consider(_CAMERA_STREAM, timestamp_ns, arrival_ns, True)
        if code:
            raise refusal(self._ingestion, _CAMERA_STREAM, timestamp_ns, arrival_ns)
        newest_ns = self.newest_frame_ns
        if newest_ns is not None and mapped_ns <= newest_ns and not restarted:
            raise stamp_error("frame", PushStatus.BACKWARDS, newest_ns, mapped_ns)
        return mapped_ns, restarted

    def admit_frame(self, timestamp_ns: int, arrival_ns: int) -> int:
        """Take a frame that ``judge_frame`` has passed; its time on the tracker's clock. Carried
        state is forgotten where time begins anew."""
        _, mapped_ns, restarted = self._admit(_CAMERA_STREAM, timestamp_ns, arrival_ns, True)
        if restarted:
            self.forget()
        return mapped_ns

    def estimate(
        self, timestamp_ns: int, left: Image, right: Image, started_ns: int, skewed: bool = False
    ) -> Pose:
        """The pose at ``timestamp_ns``, which is after all before; in the user's frame.

        ``skewed``: the missing image is there, but from another time.

        Raises ``EngineError`` if the backend fails; all samples and state are then forgotten.
        """
        states = self._lookup(timestamp_ns)
        self.newest_frame_ns, self.tracked_ns = timestamp_ns, time.monotonic_ns()
        self.predicted = None
        dropped = self._inbox.counts().dropped
        reasons = self._input_reasons(dropped != self._dropped, skewed)
        try:
            if self._torn:
                self._estimator.forget()
                self._torn = False
            estimate = self._estimator.estimate(states, (left, right), reasons, started_ns)
        except BaseException:
            self.engine_failures += 1
            self._restart_torn()
            raise
        if estimate is None:
            return self._headless_pose(timestamp_ns, started_ns, reasons)
        self._dropped = dropped
        self.newest, pose = estimate, estimate.pose
        self.newest_pose = self.finisher.finish(estimate.core_pose)
        self.estimates.add(timestamp_ns, pose.latency_ns)
        self._observer.estimated(timestamp_ns, pose.latency_ns)
        self.calibration.update(estimate.core_pose, states)
        return self.newest_pose

    def estimate_frame(self, frame: InboxFrame) -> bool:
        """Estimate the pose of a frame from the inbox; False, and counted, when it is too old."""
        head_restarts = self._ingestion.restarts(0)
        if not self._may_follow(frame.timestamp_ns, frame.restarts, head_restarts):
            self.frames_too_late += 1  # image-free estimates went past the frame
            return False
        self.estimate(frame.timestamp_ns, frame.left, frame.right, frame.came_ns, frame.skewed)
        return True

    def estimate_without_images(self) -> None:
        """Estimate the pose of the newest head sample."""
        started_ns = steady_ns()
        head_restarts = self._ingestion.restarts(0)
        head_ns = self._synchroniser.newest_ns(0)
        if head_ns is not None and self._may_follow(head_ns, self._frame_restarts, head_restarts):
            self.estimate(head_ns, None, None, started_ns)

    def _may_follow(self, timestamp_ns: int, frame_restarts: int, head_restarts: int) -> bool:
        """Whether an estimate at ``timestamp_ns`` may be next: it is later than the last one, or
        the clock that it is from began anew since."""
        newest_ns = self.newest_frame_ns
        if newest_ns is not None and timestamp_ns <= newest_ns:
            if (frame_restarts, head_restarts) == (self._frame_restarts, self._head_restarts):
                return False
            if self.newest is not None and timestamp_ns <= self.newest.pose.timestamp_ns:
                self.forget()
        self._frame_restarts, self._head_restarts = frame_restarts, head_restarts
        return True

    def predict_without_images(self) -> None:
        """Run the network on the newest device samples, without a trace in its state."""
        started_ns = steady_ns()
        base, head_ns = self.newest, self._synchroniser.newest_ns(0)
        if base is None or head_ns is None or head_ns <= base.pose.timestamp_ns:
            return
        states = self._lookup(head_ns)
        self.predicted = self._estimator.predict_without_images(base, states, started_ns)

    def await_samples(
        self, timestamp_ns: int, max_wait_ns: int, stopping: threading.Event | None
    ) -> None:
        """Wait until every device that is sending has sent one as new as ``timestamp_ns``, for
        at most ``max_wait_ns`` and not once ``stopping``."""
        give_up_ns = time.monotonic_ns() + max_wait_ns
        while time.monotonic_ns() < give_up_ns:
            newest = [self._synchroniser.newest_ns(index) for index in range(len(DEVICES))]
            awaited = (t for t in newest if t is not None and timestamp_ns - t < self._max_gap_ns)
            if all(t >= timestamp_ns for t in awaited):
                return
            if stopping is None:
                time.sleep(_SAMPLE_POLL_S)
            elif stopping.wait(_SAMPLE_POLL_S):
                return

    def _restart_torn(self) -> None:
        self._torn = True  # by a half-run frame
        try:
            self.restart()
            self._torn = False
        except Exception:
            # What is raised is the first failure, not what it led to.
            _log.exception("the backend could not be reset after it failed")

    def _input_reasons(self, overloaded: bool, skewed: bool) -> tuple[Reason, ...]:
        found = (
            (Reason.OVERLOADED, overloaded),
            (Reason.OTHER_CLOCK, bool(self.clock_watch.off_clock())),
            (Reason.VIEW_SKEW, skewed),
            (Reason.MOUNT_CHANGED, self.calibration.legs_changed),
        )
        return tuple(reason for reason, applies in found if applies)

    def _headless_pose(
        self, timestamp_ns: int, started_ns: int, reasons: tuple[Reason, ...]
    ) -> Pose:
        last = self.newest.pose if self.newest is not None else Pose()
        pose = Pose(
            timestamp_ns=timestamp_ns,
            reasons=(Reason.HEAD_LOST, *reasons),
            joints_world=last.joints_world,
            joints_cam_left=last.joints_cam_left,
            T_world_cam_left=last.T_world_cam_left,
            latency_ns=steady_ns() - started_ns,
        )
        self.newest_pose = self.finisher.finish(pose)
        return self.newest_pose
