"""The parametric body that the project ships: shape, skin and pose.

``body.npz`` is CC0 and was exported once by ``export_body.py``. Body axes at rest: y up, facing
+z, left hand at +x, metres; every joint's rest frame has these axes.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_runtime.conventions import JOINT_PARENTS, NUM_JOINTS

_MAX_SHAPE = 2.2


@dataclass(frozen=True)
class BodyModel:
    """Template, skin weights and shape directions."""

    vertices: NDArray[np.float64]
    """(V, 3) mean rest vertices."""
    faces: NDArray[np.int32]
    """(F, 3) vertex indices."""
    body_faces: int
    """The first ``body_faces`` faces are below the neck; the others are the head."""
    weight_joints: NDArray[np.int32]
    """(V, 4) joints that move each vertex, strongest first."""
    weights: NDArray[np.float64]
    """(V, 4), rows sum to 1."""
    joints: NDArray[np.float64]
    """(22, 3) mean rest joints."""
    landmarks: NDArray[np.float64]
    """(9, 3): midpoint of the eyes; then per hand (left, right) the index knuckle, the little
    finger's knuckle, the middle knuckle and the middle finger's next joint."""
    vertex_directions: NDArray[np.float64]
    """(K, V, 3) per unit of each shape coefficient (unit variance over adults)."""
    joint_directions: NDArray[np.float64]
    """(K, 22, 3)."""
    landmark_directions: NDArray[np.float64]
    """(K, 9, 3)."""

    @property
    def shape_size(self) -> int:
        return len(self.vertex_directions)


@lru_cache(maxsize=1)
def load_body_model() -> BodyModel:
    """The shipped body. Raises ``DataError`` when the package's file is damaged."""
    source = files("same_model.synth.body").joinpath("body.npz")
    try:
        with source.open("rb") as file, np.load(file, allow_pickle=False) as data:
            return BodyModel(
                data["vertices"].astype(np.float64),
                data["faces"].astype(np.int32),
                int(data["body_faces"]),
                data["weight_joints"].astype(np.int32),
                data["weights"].astype(np.float64) / 65535.0,
                data["joints"].astype(np.float64),
                data["landmarks"].astype(np.float64),
                data["vertex_directions"].astype(np.float64),
                data["joint_directions"].astype(np.float64),
                data["landmark_directions"].astype(np.float64),
            )
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"body.npz: damaged installation ({error}); reinstall") from None


@dataclass(frozen=True)
class Body:
    """One person: the model at fixed shape coefficients."""

    model: BodyModel
    vertices: NDArray[np.float64]
    """(V, 3) rest vertices."""
    joints: NDArray[np.float64]
    """(22, 3) rest joints."""
    landmarks: NDArray[np.float64]
    """(9, 3) as ``BodyModel.landmarks``."""

    @property
    def stature_m(self) -> float:
        return float(np.ptp(self.vertices[:, 1]))

    @property
    def leg_length_m(self) -> float:
        """Hip over knee to ankle."""
        hip, knee, ankle = self.joints[[1, 4, 7]]
        return float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))


def make_body(shape: NDArray[np.float64]) -> Body:
    """Body of shape coefficients (K,), each about unit variance; clipped to +-2.2."""
    model = load_body_model()
    shape = np.clip(np.asarray(shape, np.float64), -_MAX_SHAPE, _MAX_SHAPE)
    if shape.shape != (model.shape_size,) or not np.isfinite(shape).all():
        raise DataError(f"shape: expected ({model.shape_size},) finite numbers, got {shape.shape}")
    return Body(
        model,
        model.vertices + np.tensordot(shape, model.vertex_directions, 1),
        model.joints + np.tensordot(shape, model.joint_directions, 1),
        model.landmarks + np.tensordot(shape, model.landmark_directions, 1),
    )


def pose_joints(
    body: Body, pelvis: NDArray[np.float64], rotations_xyzw: NDArray[np.float64]
) -> NDArray[np.float64]:
    """World joints (frames, 22, 3) of a pelvis path (frames, 3) and joint rotations.

    ``rotations_xyzw``: (frames, 22, 4), rest axes of each joint to world.
    """
    out = np.empty((len(pelvis), NUM_JOINTS, 3))
    out[:, 0] = pelvis
    for j in range(1, NUM_JOINTS):
        p = JOINT_PARENTS[j]
        offset = body.joints[j] - body.joints[p]
        out[:, j] = out[:, p] + Rotation.from_quat(rotations_xyzw[:, p]).apply(offset)
    return out


def joint_matrices(
    body: Body, joints: NDArray[np.float64], rotations_xyzw: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(frames, 22, 3, 4) transforms from rest to world, for ``skin``."""
    frames = len(joints)
    R = Rotation.from_quat(rotations_xyzw.reshape(-1, 4)).as_matrix().reshape(frames, -1, 3, 3)
    t = joints - np.einsum("fjab,jb->fja", R, body.joints)
    return np.concatenate([R, t[..., None]], axis=-1)


def skin(
    vertices: NDArray[np.float64],
    weight_joints: NDArray[np.int32],
    weights: NDArray[np.float64],
    matrices: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Linear blend skinning in NumPy: (..., V, 3) world vertices.

    ``vertices``: (V, 3) rest; ``matrices``: (..., 22, 3, 4). The renderer has its own compiled
    version; this one serves the few vertices that are needed for many frames.
    """
    blended = np.einsum("vk,...vkab->...vab", weights, matrices[..., weight_joints, :, :])
    return np.einsum("...vab,vb->...va", blended[..., :3], vertices) + blended[..., 3]
