"""In which order a data set writes quaternions, told from the data."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError

_LARGEST_ERROR: Final = 0.1


def rotation_spread_deg(rotations: Rotation) -> float:
    """Median angle in degrees between the rotations and their mean."""
    return float(np.rad2deg(np.median((rotations.mean().inv() * rotations).magnitude())))


def rotations_of(matrices: NDArray[np.float64]) -> Rotation:
    """Of (n, 3, 3) rotation matrices. Raises ``DataError`` where they are none: of other numbers
    the decomposition may never end."""
    with np.errstate(all="ignore"):
        squares = np.einsum("nij,nkj->nik", matrices, matrices)
        apart = np.abs(squares - np.eye(3)).max(initial=0.0)
    if not apart < _LARGEST_ERROR:
        raise DataError("camera poses that are no rotations")
    return Rotation.from_matrix(matrices)


def order_spreads_deg(
    quaternions: NDArray[np.float64], T_world_cam: NDArray[np.float64]
) -> tuple[float, float]:
    """How constant headset and camera are to each other, reading quaternions xyzw and wxyz.

    ``quaternions``: (n, 4); ``T_world_cam``: (n, 4, 4). The right order gives the smaller
    spread: the camera is bolted to the headset, whatever axes either uses. Raises ``DataError``
    where they are no rotations.
    """
    try:
        camera = rotations_of(T_world_cam[:, :3, :3])
        xyzw = Rotation.from_quat(quaternions)
        wxyz = Rotation.from_quat(quaternions[:, [1, 2, 3, 0]])
        return rotation_spread_deg(xyzw.inv() * camera), rotation_spread_deg(wxyz.inv() * camera)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise DataError(f"quaternions or camera poses that are no rotations ({error})") from None
