"""MCAP files with Foxglove's transform and scene messages: Foxglove and rerun show the body."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from same_engines.errors import InvalidInputError, RecordingError
from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS
from same_runtime.outputs.output import Output
from same_runtime.pose import Pose, PoseStatus
from same_runtime.recording.mcap_writer import RecordingWriter
from same_runtime.recording.pose_files import POSE_TOPIC
from same_runtime.skeleton.rotations import SkeletonSolver

TRANSFORM_TOPIC: Final = "/pose/tf"
SCENE_TOPIC: Final = "/pose/scene"
_COLOURS: Final = {
    PoseStatus.VALID: (0.22, 0.85, 0.54),
    PoseStatus.LIMITED: (1.0, 0.82, 0.4),
    PoseStatus.INVALID: (1.0, 0.36, 0.36),
}
_BONES: Final = [(joint, parent) for joint, parent in enumerate(JOINT_PARENTS) if parent >= 0]
_BONE_WIDTH_M = 0.02
_WHOLE, _NUMBER = "an integer", "a number"
"""Stand for what each pose fills in; no other text of the messages is equal to them."""
_TIME: Final = {"sec": _WHOLE, "nsec": _WHOLE}


class McapFile(Output):
    """Writes every pose that has a body: ``POSE_TOPIC`` with its joints, ``TRANSFORM_TOPIC`` with
    every joint's frame in its parent's (the pelvis's in ``world``, y up) and ``SCENE_TOPIC`` with
    the bones as lines, coloured by the status. Poses more than 24 hours from the first have failed.
    Raises ``RecordingError`` where the file cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(str(path))
        self._solver = SkeletonSolver()
        self._writer = RecordingWriter(path, rig=None)
        self._failure: RecordingError | None = None

    def _send(self, pose: Pose) -> bool:
        skeleton = self._solver.solve(pose)
        if skeleton is None or not np.isfinite(skeleton.joints_world).all():
            return False
        if self._failure is not None:
            raise OSError(str(self._failure))
        time = divmod(pose.timestamp_ns, 1_000_000_000)
        joints = tuple(skeleton.joints_world.ravel().tolist())
        places = skeleton.offsets_m.copy()
        places[0] = skeleton.joints_world[0]
        turned = np.concatenate((places, skeleton.rotations_local), axis=1)
        transforms = (number for row in turned.tolist() for number in (*time, *row))
        try:
            self._write(POSE_TOPIC, "same.Joints", pose, _JOINTS[pose.status], (*time, *joints))
            self._write(
                TRANSFORM_TOPIC, "foxglove.FrameTransforms", pose, _TRANSFORMS, tuple(transforms)
            )
            self._write(
                SCENE_TOPIC, "foxglove.SceneUpdate", pose, _SCENES[pose.status], (*time, *joints)
            )
        except RecordingError as error:
            self._failure = error
            raise OSError(str(error)) from None
        except InvalidInputError as error:  # too far away in time: what came so far is kept
            raise OSError(str(error)) from None
        return True

    def _write(
        self, topic: str, schema: str, pose: Pose, template: str, numbers: tuple[float, ...]
    ) -> None:
        data = (template % numbers).encode()
        self._writer.write_encoded(topic, schema, pose.timestamp_ns, data)

    def _close(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self.sent:
            self._writer.close()
        else:
            self._writer.discard()


def _template(message: dict[str, Any]) -> str:
    """``message`` as JSON, once: filling its numbers in costs a tenth of encoding it anew."""
    text = json.dumps(message, separators=(",", ":")).replace("%", "%%")
    return text.replace(json.dumps(_WHOLE), "%d").replace(json.dumps(_NUMBER), "%.6f")


def _axes(names: str) -> dict[str, str]:
    return dict.fromkeys(names, _NUMBER)


def _scene(status: PoseStatus) -> dict[str, Any]:
    red, green, blue = _COLOURS[status]
    line = {
        "type": 2,  # pairs of points
        "pose": {
            "position": {"x": 0.0, "y": 0.0, "z": 0.0},
            "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0},
        },
        "thickness": _BONE_WIDTH_M,
        "scale_invariant": False,
        "points": [_axes("xyz") for _ in JOINT_NAMES],
        "color": {"r": red, "g": green, "b": blue, "a": 1.0},
        "colors": [],
        "indices": [joint for bone in _BONES for joint in bone],
    }
    entity: dict[str, Any] = {
        "timestamp": _TIME,
        "frame_id": "world",
        "id": "body",
        "lifetime": {"sec": 0, "nsec": 0},
        "frame_locked": False,
        "metadata": [{"key": "status", "value": status.value}],
        "lines": [line],
    }
    for kind in ("arrows", "cubes", "spheres", "cylinders", "triangles", "texts", "models"):
        entity[kind] = []
    return {"deletions": [], "entities": [entity]}


_JOINTS: Final = {
    status: _template(
        {
            "timestamp": _TIME,
            "frame_id": "world",
            "status": status.value,
            "positions": [[_NUMBER] * 3 for _ in JOINT_NAMES],
        }
    )
    for status in PoseStatus
}
_SCENES: Final = {status: _template(_scene(status)) for status in PoseStatus}
_TRANSFORMS: Final = _template(
    {
        "transforms": [
            {
                "timestamp": _TIME,
                "parent_frame_id": "world" if parent < 0 else JOINT_NAMES[parent],
                "child_frame_id": name,
                "translation": _axes("xyz"),
                "rotation": _axes("xyzw"),
            }
            for name, parent in zip(JOINT_NAMES, JOINT_PARENTS, strict=True)
        ]
    }
)
