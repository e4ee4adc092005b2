"""Bodies in poses that one can compute by hand, and random ones."""

from collections.abc import Mapping

import numpy as np
from scipy.spatial.transform import Rotation

from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS
from same_runtime.pose import Pose, PoseStatus
from same_runtime.skeleton.rest_pose import REST_OFFSETS_M
from same_runtime.skeleton.skeleton import Skeleton

FRAME_NS = 11_111_111


def forward_kinematics(
    root: np.ndarray, local_xyzw: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Joints (22, 3) and world rotations (22, 4), by SciPy, one joint after the other."""
    offsets = np.array(offsets)  # SciPy takes no read-only arrays
    turned: list[Rotation] = []
    joints = np.zeros((len(local_xyzw), 3))
    for joint, parent in enumerate(JOINT_PARENTS):
        local = Rotation.from_quat(local_xyzw[joint])
        turned.append(local if parent < 0 else turned[parent] * local)
        joints[joint] = (
            root if parent < 0 else joints[parent] + turned[parent].apply(offsets[joint])
        )
    return joints, np.stack([rotation.as_quat() for rotation in turned])


def body(turns: Mapping[str, Rotation] | None = None, **fields: object) -> Pose:
    """A VALID pose of the mean body: the T-pose, with joints turned in their parents' axes."""
    local = np.tile([0.0, 0.0, 0.0, 1.0], (len(JOINT_NAMES), 1))
    for name, rotation in (turns or {}).items():
        local[JOINT_NAMES.index(name)] = rotation.as_quat()
    joints, _ = forward_kinematics(np.array((0.3, 0.95, -0.2)), local, REST_OFFSETS_M)
    fields = {"timestamp_ns": FRAME_NS, "status": PoseStatus.VALID, "joints_world": joints} | fields
    return Pose(**fields)  # type: ignore[arg-type]


_LARGEST_DEG = {"pelvis": 180, "hip": 70, "shoulder": 80, "collar": 15, "spine": 15, "neck": 25}


def random_turns(rng: np.random.Generator) -> dict[str, Rotation]:
    """Local rotations of a plausible pose: knees and elbows bend their one way only."""
    turns = {}
    for name in JOINT_NAMES:
        if name.endswith("knee"):
            turns[name] = Rotation.from_euler("x", -rng.uniform(0, 140), degrees=True)
        elif name.endswith("elbow"):
            angle = rng.uniform(0, 140) * (1 if name.startswith("right") else -1)
            turns[name] = Rotation.from_euler("y", angle, degrees=True)
        else:
            largest = next((v for k, v in _LARGEST_DEG.items() if k in name), 20)
            axis = rng.normal(size=3)
            angle = np.deg2rad(rng.uniform(0, largest))
            turns[name] = Rotation.from_rotvec(axis / np.linalg.norm(axis) * angle)
    return turns


def steps_deg(skeletons: list[Skeleton]) -> np.ndarray:
    """(n - 1, 22) how far each joint turned in the world from one pose to the next."""
    q = np.stack([s.rotations_world for s in skeletons])
    cosines = np.abs((q[1:] * q[:-1]).sum(axis=-1))
    return np.rad2deg(2 * np.arccos(np.minimum(cosines, 1.0)))
