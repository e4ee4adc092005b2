"""Rerun (https://rerun.io) as an output: its viewer, or a file that it opens."""

import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from same_engines.atomic_files import PartialFile, told_disk
from same_engines.errors import InvalidInputError, RecordingError, install_hint
from same_runtime.camera import CameraRig
from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS
from same_runtime.outputs.output import Output
from same_runtime.outputs.view_data import projected_joints, stream_rows
from same_runtime.pose import Pose, PoseStatus, Reason
from same_runtime.samples import StereoFrame
from same_runtime.skeleton.rotations import SkeletonSolver
from same_runtime.stats import TrackerStats

_TIMELINE: Final = "time"
_JOINTS, _FRAMES = "world/body/joints", "world/body/frames"
_STATUSES: Final = tuple(PoseStatus)
_COLOURS: Final = {
    PoseStatus.INVALID: (255, 92, 92),
    PoseStatus.LIMITED: (255, 209, 102),
    PoseStatus.VALID: (57, 217, 138),
}
_BONES: Final = [(joint, parent) for joint, parent in enumerate(JOINT_PARENTS) if parent >= 0]
_STREAMS_EVERY_S, _IMAGES_EVERY_S = 0.5, 0.1


class RerunViewer(Output):
    """Shows every pose in rerun: the body coloured by its status and the frames of its joints in
    3D, reasons, latency, foot contacts and streams.

    ``path``: writes an .rrd file, which appears when closed; None opens rerun's viewer. ``stats``:
    ``tracker.stats``, for the streams. ``rig``: shows the images of ``show_frame`` with the joints
    in them; None never logs an image. Raises ``InvalidInputError`` without rerun-sdk or where its
    viewer does not start, ``RecordingError`` where the file cannot be written.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        stats: Callable[[], TrackerStats] | None = None,
        rig: CameraRig | None = None,
    ) -> None:
        super().__init__("rerun" if path is None else str(path))
        self._rr = _rerun()
        self._stats, self._rig = stats, rig
        self._solver = SkeletonSolver()
        self._frame: StereoFrame | None = None
        self._told: tuple[PoseStatus, tuple[Reason, ...]] | None = None
        self._due_s = {"streams": 0.0, "images": 0.0}
        self._file: PartialFile | None = None
        self._recording = self._rr.RecordingStream("same-runtime")
        try:
            with told_disk(RecordingError, self.name, "choose another place"):
                if path is None:
                    self._rr.spawn(recording=self._recording)
                else:
                    self._file = PartialFile(Path(path))
                    self._file.partial.touch()
                    self._recording.save(self._file.partial)
        except RuntimeError as error:
            why = str(error).partition("\n")[0]
            raise InvalidInputError(
                f"rerun: its viewer does not start ({why}); --view shows the body in a browser"
            ) from None
        self._describe()

    def show_frame(self, frame: StereoFrame) -> None:
        """The newest camera images; kept only if there is a ``rig``."""
        if self._rig is not None:
            self._frame = frame

    def _describe(self) -> None:
        rr = self._rr
        keypoints = [rr.AnnotationInfo(id=i, label=name) for i, name in enumerate(JOINT_NAMES)]
        names = ["latency, ms", "left foot stands", "right foot stands"]
        self._log("figures", rr.SeriesLines(names=names), static=True)
        self._log("world", rr.ViewCoordinates.RIGHT_HAND_Y_UP, static=True)
        classes = [
            rr.ClassDescription(
                info=rr.AnnotationInfo(id=i, label=status.value, color=_COLOURS[status]),
                keypoint_annotations=keypoints,
                keypoint_connections=_BONES,
            )
            for i, status in enumerate(_STATUSES)
        ]
        for entity in ("world", "camera"):
            self._log(entity, rr.AnnotationContext(classes), static=True)

    def _send(self, pose: Pose) -> bool:
        rr = self._rr
        self._recording.set_time(_TIMELINE, duration=np.timedelta64(pose.timestamp_ns, "ns"))
        told = (pose.status, pose.reasons)
        if told != self._told:
            self._told = told
            self._tell(*told)
        skeleton = self._solver.solve(pose)
        contacts = np.zeros(2) if skeleton is None else skeleton.foot_contacts
        self._log("figures", rr.Scalars([1e-6 * pose.latency_ns, *contacts]))
        if skeleton is not None:
            # What stays is not sent anew: a pose costs half as much.
            joints = skeleton.joints_world.astype(np.float32)
            self._log(_JOINTS, rr.Points3D.from_fields(positions=joints))
            turns = skeleton.rotations_world.astype(np.float32)
            self._log(_FRAMES, rr.InstancePoses3D(translations=joints, quaternions=turns))
        if self._frame is not None and self._is_due("images", _IMAGES_EVERY_S):
            self._log_images(self._frame, pose)
        if self._stats is not None and self._is_due("streams", _STREAMS_EVERY_S):
            rows = [f"| {' | '.join(row)} |" for row in stream_rows(self._stats())]
            table = "\n".join(["| stream | health | |", "|---|---|---|", *rows])
            self._log("streams", rr.TextDocument(table, media_type="text/markdown"))
        return skeleton is not None

    def _tell(self, status: PoseStatus, reasons: tuple[Reason, ...]) -> None:
        rr = self._rr
        lines = [f"{reason.name}: {reason.value}" for reason in reasons]
        self._log("status", rr.TextLog("; ".join([status.value, *lines])))
        of_status = [_STATUSES.index(status)] * len(JOINT_NAMES)
        ids = range(len(JOINT_NAMES))
        self._log(_JOINTS, rr.Points3D.from_fields(class_ids=of_status, keypoint_ids=ids))

    def _log_images(self, frame: StereoFrame, pose: Pose) -> None:
        rr, rig = self._rr, self._rig
        assert rig is not None
        of_status = _STATUSES.index(pose.status)
        for view, image, pixels, inside in projected_joints(rig, frame, pose):
            ids = np.flatnonzero(inside)
            self._log(f"camera/{view}", rr.Image(image, color_model="L").compress())
            points = rr.Points2D(
                pixels[ids] + 0.5, class_ids=[of_status] * len(ids), keypoint_ids=ids
            )
            self._log(f"camera/{view}/joints", points)

    def _is_due(self, what: str, every_s: float) -> bool:
        now_s = time.monotonic()
        if now_s < self._due_s[what]:
            return False
        self._due_s[what] = now_s + every_s
        return True

    def _log(self, entity: str, what: Any, static: bool = False) -> None:
        self._recording.log(entity, what, static=static)

    def _close(self) -> None:
        try:
            self._recording.flush()
            self._recording.disconnect()
            if self._file is not None and self.sent:
                self._file.commit()
        except (OSError, RuntimeError) as error:  # rerun's own writer raises the latter
            reason = getattr(error, "strerror", None) or error
            raise RecordingError(
                f"{self.name}: cannot be written ({reason}); choose another place"
            ) from None
        finally:
            if self._file is not None:
                self._file.discard()


def _rerun() -> ModuleType:
    try:
        import rerun
    except ImportError:
        raise InvalidInputError(
            f"rerun: rerun-sdk is not installed; {install_hint('rerun')}"
        ) from None
    return rerun
