"""MCAP files with Foxglove's transform and scene messages: Foxglove and rerun show the body."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import RecordingError
from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS
from same_runtime.outputs.output import Output
from same_runtime.pose import Pose, PoseStatus
from same_runtime.recording.mcap_format import message_time
from same_runtime.recording.mcap_writer import RecordingWriter
from same_runtime.recording.pose_files import POSE_TOPIC
from same_runtime.skeleton.rotations import SkeletonSolver
from same_runtime.skeleton.skeleton import Skeleton

TRANSFORM_TOPIC: Final = "/pose/tf"
SCENE_TOPIC: Final = "/pose/scene"
_COLOURS: Final = {
    PoseStatus.VALID: (0.22, 0.85, 0.54),
    PoseStatus.LIMITED: (1.0, 0.82, 0.4),
    PoseStatus.INVALID: (1.0, 0.36, 0.36),
}
_BONES: Final = [(joint, parent) for joint, parent in enumerate(JOINT_PARENTS) if parent >= 0]
_ORIGIN: Final = {
    "position": {"x": 0.0, "y": 0.0, "z": 0.0},
    "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0},
}
_BONE_WIDTH_M = 0.02


class McapFile(Output):
    """Writes every pose that has a body: ``POSE_TOPIC`` with its joints, ``TRANSFORM_TOPIC`` with
    every joint's frame in its parent's (the pelvis's in ``world``, y up) and ``SCENE_TOPIC`` with
    the bones as lines, coloured by the status. Raises ``RecordingError`` where the file cannot be
    written.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(str(path))
        self._solver = SkeletonSolver()
        self._writer = RecordingWriter(path, rig=None)
        self._failure: RecordingError | None = None

    def _send(self, pose: Pose) -> bool:
        skeleton = self._solver.solve(pose)
        if skeleton is None:
            return False
        if self._failure is not None:
            raise OSError(str(self._failure))
        ns, status = pose.timestamp_ns, pose.status
        try:
            self._writer.write_joints(POSE_TOPIC, ns, skeleton.joints_world, status.value)
            transforms = {"transforms": _transforms(skeleton)}
            self._writer.write_message(TRANSFORM_TOPIC, "foxglove.FrameTransforms", ns, transforms)
            scene = {"deletions": [], "entities": [_bones(skeleton, status)]}
            self._writer.write_message(SCENE_TOPIC, "foxglove.SceneUpdate", ns, scene)
        except RecordingError as error:
            self._failure = error
            raise OSError(str(error)) from None
        return True

    def _close(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self.sent:
            self._writer.close()
        else:
            self._writer.discard()


def _transforms(skeleton: Skeleton) -> list[dict[str, Any]]:
    places = skeleton.offsets_m.copy()
    places[0] = skeleton.joints_world[0]
    time = message_time(skeleton.timestamp_ns)
    return [
        {
            "timestamp": time,
            "parent_frame_id": "world" if parent < 0 else JOINT_NAMES[parent],
            "child_frame_id": name,
            "translation": _axes(place, "xyz"),
            "rotation": _axes(rotation, "xyzw"),
        }
        for name, parent, place, rotation in zip(
            JOINT_NAMES, JOINT_PARENTS, places, skeleton.rotations_local, strict=True
        )
    ]


def _bones(skeleton: Skeleton, status: PoseStatus) -> dict[str, Any]:
    red, green, blue = _COLOURS[status]
    points = [skeleton.joints_world[joint] for bone in _BONES for joint in bone]
    line = {
        "type": 2,  # pairs of points
        "pose": _ORIGIN,
        "thickness": _BONE_WIDTH_M,
        "scale_invariant": False,
        "points": [_axes(point, "xyz") for point in points],
        "color": {"r": red, "g": green, "b": blue, "a": 1.0},
        "colors": [],
        "indices": [],
    }
    entity: dict[str, Any] = {
        "timestamp": message_time(skeleton.timestamp_ns),
        "frame_id": "world",
        "id": "body",
        "lifetime": message_time(0),
        "frame_locked": False,
        "metadata": [{"key": "status", "value": status.value}],
        "lines": [line],
    }
    for kind in ("arrows", "cubes", "spheres", "cylinders", "triangles", "texts", "models"):
        entity[kind] = []
    return entity


def _axes(values: NDArray[np.float64], names: str) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))
