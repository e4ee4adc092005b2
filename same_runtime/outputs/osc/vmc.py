"""VMC protocol, performer side: the bones of a Unity humanoid, for VTuber programs and engines."""

from typing import Final

import numpy as np

from same_runtime.conventions import JOINT_NAMES
from same_runtime.outputs.osc.messages import OscMessage, OscPeer, unity_positions, unity_rotations
from same_runtime.outputs.output import Output
from same_runtime.pose import Pose, PoseStatus
from same_runtime.skeleton.rotations import SkeletonSolver

PORT: Final = 39539
"""Where VMC receivers (marionettes) listen unless told otherwise."""

UNITY_BONES: Final = {
    "pelvis": "Hips",
    "spine1": "Spine",
    "spine2": "Chest",
    "spine3": "UpperChest",
    "neck": "Neck",
    "head": "Head",
    "left_collar": "LeftShoulder",
    "left_shoulder": "LeftUpperArm",
    "left_elbow": "LeftLowerArm",
    "left_wrist": "LeftHand",
    "left_hip": "LeftUpperLeg",
    "left_knee": "LeftLowerLeg",
    "left_ankle": "LeftFoot",
    "left_foot": "LeftToes",
    "right_collar": "RightShoulder",
    "right_shoulder": "RightUpperArm",
    "right_elbow": "RightLowerArm",
    "right_wrist": "RightHand",
    "right_hip": "RightUpperLeg",
    "right_knee": "RightLowerLeg",
    "right_ankle": "RightFoot",
    "right_foot": "RightToes",
}
"""Joint -> bone of ``UnityEngine.HumanBodyBones``."""

_SHORTEST_NS: Final = 5_000_000
"""Receivers fall behind above 200 poses a second."""
_LOADED, _CALIBRATED, _NORMAL = 1, 3, 0
_NO_MOVE, _NO_TURN = np.zeros(3), np.array((0.0, 0.0, 0.0, 1.0))


class VmcOutput(Output):
    """Sends every pose as ``/VMC/Ext/OK``, ``/T``, ``/Root/Pos`` and ``/Bone/Pos`` of 22 bones.

    Rotations are local, from the T-pose; the hips' position is the world's. An INVALID pose sends
    only that tracking is bad. ``solver``: shared by outputs that are given the same poses. Raises
    ``InvalidInputError`` for an unknown host or without python-osc.
    """

    def __init__(self, host: str, port: int = PORT, solver: SkeletonSolver | None = None) -> None:
        super().__init__(f"vmc://{host}:{port}")
        self._solver = solver or SkeletonSolver()
        self._ok = {
            good: OscMessage("/VMC/Ext/OK", 0, _LOADED, _CALIBRATED, _NORMAL, int(good)).filled()
            for good in (False, True)
        }
        self._time = OscMessage("/VMC/Ext/T", 1)
        self._root = OscMessage("/VMC/Ext/Root/Pos", 7, "root").filled(_NO_MOVE, _NO_TURN)
        self._bones = [OscMessage("/VMC/Ext/Bone/Pos", 7, UNITY_BONES[j]) for j in JOINT_NAMES]
        self._start_ns: int | None = None
        self._newest_ns = 0
        self._peer = OscPeer(host, port)

    def _send(self, pose: Pose) -> bool:
        skeleton = self._solver.solve(pose)
        if 0 <= pose.timestamp_ns - self._newest_ns < _SHORTEST_NS and self._start_ns is not None:
            return False
        self._newest_ns = pose.timestamp_ns
        if self._start_ns is None:
            self._start_ns = pose.timestamp_ns
        # A float32 has milliseconds left after hours only if it counts from the start.
        seconds = np.array([1e-9 * (pose.timestamp_ns - self._start_ns)])
        good = pose.status is not PoseStatus.INVALID and skeleton is not None
        messages = [self._ok[good], self._time.filled(seconds)]
        if good and skeleton is not None:
            places = skeleton.offsets_m.copy()
            places[0] = skeleton.joints_world[0]
            places, turns = unity_positions(places), unity_rotations(skeleton.rotations_local)
            messages.append(self._root)
            messages += [
                bone.filled(place, turn)
                for bone, place, turn in zip(self._bones, places, turns, strict=True)
            ]
        self._peer.send(messages)
        return True

    def _close(self) -> None:
        self._peer.close()
