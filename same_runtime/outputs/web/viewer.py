"""The viewer as an output: the newest pose, stream health and images, in messages for the page."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from PIL import Image

from same_engines.errors import InvalidInputError
from same_runtime.camera import CameraRig
from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS, VIEWS
from same_runtime.outputs.bvh import bvh_of
from same_runtime.outputs.glb import glb_of
from same_runtime.outputs.motion_file import MotionClip
from same_runtime.outputs.output import Output
from same_runtime.outputs.view_data import projected_joints, stream_rows
from same_runtime.outputs.web.server import PageServer
from same_runtime.pose import Pose
from same_runtime.samples import StereoFrame
from same_runtime.skeleton.rotations import SkeletonSolver
from same_runtime.stats import TrackerStats

PORT: Final = 8350
_POSES_PER_SECOND, _STREAMS_PER_SECOND, _IMAGES_PER_SECOND = 60.0, 2.0, 10.0
_IMAGE_WIDTH = 480
_IDLE_S = 1.0
_POSES_KEPT: Final = 5 * 60 * 90
"""Five minutes at 90 Hz, for the page's recordings: 20 MB."""
_MOTION_FILES: Final = {"glb": glb_of, "bvh": bvh_of}

Message = tuple[str, dict[str, Any]]


class WebViewer(Output):
    """Serves one local page that shows the poses that are sent: the body in 3D, its status, reasons
    and latency, and the health of the streams; it plays back and records. Needs no network.

    ``host``: who may look; 127.0.0.1 is this machine alone. ``stats``: ``tracker.stats``, for the
    streams. ``rig``: shows the camera images of ``show_frame`` with the joints in them; None never
    serves an image. ``ground_y_m``: the floor's height. Raises ``InvalidInputError`` where the
    address is taken or not this machine's.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = PORT,
        stats: Callable[[], TrackerStats] | None = None,
        rig: CameraRig | None = None,
        ground_y_m: float = 0.0,
    ) -> None:
        if not isinstance(port, int) or not 0 <= port < 1 << 16:
            raise InvalidInputError(f"port: expected 0..65535, got {port!r}")
        self._stats = stats
        self._rig = rig
        self._ground_y_m = ground_y_m
        self._solver = SkeletonSolver(ground_y_m=ground_y_m)
        self._clip = MotionClip(_POSES_KEPT)
        self._clip_lock = threading.Lock()
        self._changed = threading.Condition()
        self._newest: tuple[Pose, np.ndarray] | None = None
        self._frame: StereoFrame | None = None
        self._ending = False
        self._server = PageServer(host, port, self._messages, self._image, self._motion)
        super().__init__(self._server.url)

    @property
    def url(self) -> str:
        """Where the page is."""
        return self._server.url

    def show_frame(self, frame: StereoFrame) -> None:
        """The newest camera images; kept only if there is a ``rig``."""
        if self._rig is not None:
            self._frame = frame

    def _send(self, pose: Pose) -> bool:
        skeleton = self._solver.solve(pose)
        contacts = np.zeros(2) if skeleton is None else skeleton.foot_contacts
        if skeleton is not None:
            with self._clip_lock:
                self._clip.add(skeleton)
        with self._changed:
            self._newest = pose, contacts
            self._changed.notify_all()
        return True

    def _close(self) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._server.close()

    def _messages(self) -> Iterator[Message]:
        """What one page is told until it or the viewer closes; ("", {}) while there is nothing."""
        yield "about", self._about()
        told: Pose | None = None
        due = {"streams": 0.0, "pixels": 0.0}
        while True:
            newest = self._wait_for_another(told)
            if self._ending:
                return
            if newest is None or newest[0] is told:
                yield "", {}
                continue
            told = newest[0]
            yield "pose", _pose_message(*newest)
            now = time.monotonic()
            if self._stats is not None and now >= due["streams"]:
                due["streams"] = now + 1.0 / _STREAMS_PER_SECOND
                yield "streams", {"rows": stream_rows(self._stats())}
            if self._frame is not None and now >= due["pixels"]:
                due["pixels"] = now + 1.0 / _IMAGES_PER_SECOND
                yield "pixels", self._pixels_message(told)
            time.sleep(1.0 / _POSES_PER_SECOND)

    def _wait_for_another(self, told: Pose | None) -> tuple[Pose, np.ndarray] | None:
        """The newest pose once it is not ``told``, or after a while."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._ending or (self._newest and self._newest[0] is not told), _IDLE_S
            )
            return self._newest

    def _about(self) -> dict[str, Any]:
        return {
            "names": JOINT_NAMES,
            "parents": JOINT_PARENTS,
            "ground_y": self._ground_y_m,
            "images": self._rig is not None,
        }

    def _pixels_message(self, pose: Pose) -> dict[str, Any]:
        """View -> joints in shares of the image's width and height; None outside of it."""
        rig, frame = self._rig, self._frame
        assert rig is not None and frame is not None
        message: dict[str, Any] = {}
        for view, image, pixels, inside in projected_joints(rig, frame, pose):
            shares = (pixels + 0.5) / image.shape[::-1]
            message[view] = [
                [round(float(x), 4), round(float(y), 4)] if seen else None
                for (x, y), seen in zip(shares, inside, strict=True)
            ]
        return message

    def _motion(self, kind: str, from_ns: int, to_ns: int) -> bytes | None:
        """A GLB or BVH file of the poses kept between two times; None where there are none."""
        if kind not in _MOTION_FILES:
            return None
        with self._clip_lock:  # poses wait for it
            part = self._clip.between(from_ns, to_ns)
        motion = part.motion()
        return None if motion is None else _MOTION_FILES[kind](motion)

    def _image(self, view: str) -> bytes | None:
        """The newest image as JPEG; None if there is none to show."""
        frame = self._frame
        image = getattr(frame, view, None) if view in VIEWS else None
        if image is None:
            return None
        picture = Image.fromarray(image)
        picture.thumbnail((_IMAGE_WIDTH, _IMAGE_WIDTH))
        encoded = io.BytesIO()
        picture.save(encoded, "jpeg", quality=70)
        return encoded.getvalue()


def _pose_message(pose: Pose, contacts: np.ndarray) -> dict[str, Any]:
    joints = pose.joints_world
    return {
        "time_s": 1e-9 * pose.timestamp_ns,
        "ns": str(pose.timestamp_ns),  # beyond what JavaScript's numbers hold
        "status": pose.status.value,
        "reasons": [(reason.name, reason.value) for reason in pose.reasons],
        "latency_ms": 1e-6 * pose.latency_ns,
        "joints": joints.ravel().round(4).tolist() if joints.any() else None,
        "contacts": contacts.round(2).tolist(),
    }
